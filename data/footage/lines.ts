// A user's file of texts: UTF-8, a text a line. What is none is named for what it is.
import { FormatError } from "../../engine/errors.ts";
import { readUserFile } from "./files.ts";
import { type Other, otherThanLines, otherThanText } from "./not-texts.ts";

/** Of one file: 64 MB of empty lines would be two gigabytes of strings. */
const most = { bytes: 64 * 2 ** 20, lines: 1_000_000, characters: 100_000 };

/** The texts of a file, line 1 first; name is what messages call it. */
export interface TextLines {
  readonly name: string;
  readonly lines: readonly string[];
}

/**
 * Lines end in LF, CRLF or CR; a byte order mark is no part of the first. An empty line is a text of its own, so that row i is line
 * i; only those at the end of the file are none.
 */
export async function readTextLines(path: string): Promise<TextLines> {
  const { bytes, name } = await readUserFile(path, most.bytes);
  refuseOther(otherThanText(bytes), name);
  checkCount(bytes, name);
  const text = decoded(bytes, name);
  if (text.trim() === "") throw new FormatError(`${name}: has no text`);
  refuseOther(otherThanLines(text, name), name);
  const lines = text.replace(/[\r\n]+$/, "").split(/\r\n|\n|\r/);
  for (const [i, line] of lines.entries())
    if (line.length > most.characters)
      throw new FormatError(
        `${name}: line ${i + 1} has ${line.length} characters, allowed are ${most.characters}; a file of texts has one a line`,
      );
  return { name, lines };
}

function refuseOther(other: Other | undefined, name: string): void {
  if (other) throw new FormatError(`${name}: is no list of texts, but ${other.kind}; ${other.advice}`);
}

function checkCount(bytes: Uint8Array, name: string): void {
  let count = 0;
  for (const byte of [10, 13])
    for (let at = bytes.indexOf(byte); at >= 0; at = bytes.indexOf(byte, at + 1))
      if ((byte === 10 || bytes[at + 1] !== 10) && ++count > most.lines)
        throw new FormatError(`${name}: more than ${most.lines} lines`);
}

function decoded(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new FormatError(`${name}: not valid UTF-8; save it as UTF-8 (it may be Latin-1 or another encoding)`);
  }
}
