// What is under way, for a person: on a terminal one line that counts seconds; elsewhere a line at the start and one every half minute.

/**
 * @param {string} label
 * @param {(line: string) => void} say
 */
export function ticker(label, say) {
  const started = Date.now();
  const { isTTY } = process.stderr;
  if (!isTTY) say(`${label} …`);
  const draw = () => {
    const seconds = Math.round((Date.now() - started) / 1000);
    if (isTTY) process.stderr.write(`\r${label} … ${seconds} s`);
    else say(`${label} … ${seconds} s`);
  };
  const timer = setInterval(draw, isTTY ? 500 : 30_000);
  if (isTTY) draw();
  return {
    end() {
      clearInterval(timer);
      if (isTTY) process.stderr.write("\r\x1b[K");
    },
  };
}
