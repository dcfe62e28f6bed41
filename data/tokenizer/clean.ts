// Text as the official tokenizer sees it: mojibake and odd characters repaired, HTML references resolved, white space and case
// folded. The repair itself is ftfy's, in its port to TypeScript.
import { unescapeHtml } from "./html.ts";
import { spaces } from "./split.ts";

/** Turns a text into the one that is cut into words. */
export type Clean = (text: string) => string;

/** Longest piece of a line that is repaired at once; some repairs take time with the square of the length. */
const longest = 2048;

/** References in references, which ftfy would resolve one at a time. */
const nested = /&(?:amp;){2,}/g;

/** Repair and references leave this as it is. */
const plain = /^[\t\n\r -%'-~]*$/;

/** Loads the repair tables (5 MB, so only when there is text to clean). */
export async function loadClean(): Promise<Clean> {
  const { fix_text_segment, TextFixerConfig } = await import("ftfy-js");
  const withReferences = new TextFixerConfig({ explain: false, unescape_html: true });
  const withoutReferences = new TextFixerConfig({ explain: false, unescape_html: false });

  // Line by line. A line with "<" is probably HTML, and so is what follows: there ftfy resolves no references.
  const repair: Clean = (text) => {
    let config = withReferences;
    let repaired = "";
    for (const line of text.split(/(?<=\n)/)) {
      if (line.includes("<")) config = withoutReferences;
      const short = config === withReferences ? line.replace(nested, "&amp;") : line;
      for (const piece of cut(short)) repaired += fix_text_segment(piece, config);
    }
    return repaired;
  };
  return (text) => fold(plain.test(text) ? text : unescapeHtml(unescapeHtml(repair(text))));
}

/** A line in pieces of at most `longest` characters: after a space where there is one, never inside a surrogate pair. */
function* cut(line: string): Generator<string> {
  let start = 0;
  while (line.length - start > longest) {
    const space = line.lastIndexOf(" ", start + longest - 1) + 1;
    const isPair = /[\ud800-\udbff]/.test(line[start + longest - 1]);
    const end = space > start ? space : start + longest - (isPair ? 1 : 0);
    yield line.slice(start, end);
    start = end;
  }
  yield line.slice(start);
}

/** Runs of white space to one space, none at the ends, lower case. */
const fold = (text: string) => text.replace(spaces, " ").replace(/^ | $/g, "").toLowerCase();
