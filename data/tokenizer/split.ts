// A cleaned text in words, marks and digits, as the official pattern cuts it. White space is Python's: JavaScript's \s has
// U+FEFF and lacks U+0085.
const space = String.raw`\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;

/** Runs of white space. */
export const spaces = new RegExp(`[${space}]+`, "gu");

// The official pattern ignores case. The text is in lower case already, so that only lets the long s stand for s; and it drops
// U+0345, the one mark whose case partners are letters.
const pieces = new RegExp(
  String.raw`<[sſ]tart_of_text>|<end_of_text>|'[sſ]|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^${space}\p{L}\p{N}\u0345]+`,
  "gu",
);

/** Words, single digits and runs of other characters, in order: `it's 42!` is it, 's, 4, 2, !. */
export function* piecesOf(text: string): Generator<string> {
  for (const [piece] of text.matchAll(pieces)) yield piece;
}
