// The process in which one test file runs, on one device. It reports to its parent what uvu counts.
import { pathToFileURL } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { outliveReaders } from "../../cli/terminal/streams.ts";

/** What uvu's runner gives: its failures as text (or true), passed, skipped, all. */
type Suite = () => Promise<[string | true, number, number, number]>;

/** What a file came to; `failures` is text for people. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: string;
}

/** To the parent: `alive` after every test, `done` at the end. */
export type Message = { kind: "alive" } | { kind: "done"; counts: Counts };

declare global {
  var UVU_DEFER: number;
  var UVU_INDEX: number;
  var UVU_QUEUE: Suite[][];
}

/** Resolves when the message is on its way, so that an exit cannot lose it. */
const send = (message: Message) => new Promise<void>((sent) => process.send?.(message, () => sent()));

/** One test has failed, and that is all the parent wants to know. */
const oneFailed: Counts = { passed: 0, failed: 1, skipped: 0, failures: "" };

/** uvu prints a mark per test and a count per file; the parent prints better lines, so the marks become signs of life. */
function catchMarks(untilFailure: boolean): void {
  const write = process.stdout.write.bind(process.stdout);
  const isMark = /^(• |✘ | {2}\(\d+ \/ \d+\)\n)$/;
  process.stdout.write = ((chunk: string | Uint8Array, ...rest: []) => {
    const mark = typeof chunk === "string" ? stripVTControlCharacters(chunk) : "";
    if (!isMark.test(mark)) return write(chunk, ...rest);
    if (untilFailure && mark.startsWith("✘"))
      void send({ kind: "done", counts: oneFailed }).then(() => process.exit(0));
    else void send({ kind: "alive" });
    return true;
  }) as typeof process.stdout.write;
}

/** Stack lines of the runner and of uvu say nothing about the test. */
const brief = (failures: string) =>
  failures
    .split("\n")
    .filter((each) => !/^\s*at .*(node_modules\/uvu\/|test\/run\/child\.ts)/.test(stripVTControlCharacters(each)))
    .join("\n");

/** Loads a file, which queues its suites, and runs them. A failing import is one failure. */
async function runFile(path: string): Promise<Counts> {
  let [passed, failed, skipped, failures] = [0, 0, 0, ""];
  const fault = (text: string) => {
    failed++;
    failures += `\n  ${text}\n`;
  };
  globalThis.UVU_QUEUE = [[]];
  globalThis.UVU_INDEX = 0;
  try {
    await import(pathToFileURL(path).href);
    for (const suite of globalThis.UVU_QUEUE[0]) {
      const [errors, good, left, all] = await suite();
      if (errors !== true) failures += brief(errors);
      passed += good;
      failed += all - good;
      skipped += left;
    }
    if (passed + failed + skipped === 0) fault("no test ran: does the file end in `test.run()`?");
  } catch (error) {
    fault(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  return { passed, failed, skipped, failures };
}

globalThis.UVU_DEFER = 1;
outliveReaders();
process.on("disconnect", () => process.exit(1)); // the parent was ended
process.channel?.unref(); // a test that waits for nothing ends the process (exit code 13) instead of hanging
catchMarks(process.argv[3] === "until-failure");
await send({ kind: "done", counts: await runFile(process.argv[2]) });
process.exit(0);
