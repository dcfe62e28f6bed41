// Texts that a command is given: files of a line each, or the words themselves.
import { stat } from "node:fs/promises";
import { readTextLines } from "../data/footage/lines.ts";
import { looksLikeFile } from "../data/footage/not-texts.ts";
import { UsageError } from "../engine/errors.ts";

/** A text, and what messages call it. */
export interface Text {
  readonly text: string;
  readonly place: string;
}

/** The lines of a file, or the words themselves where nothing has that name; they may be none, as in a script's empty variable. */
export async function textsOf(given: string, i: number): Promise<Text[]> {
  const found = given === "" ? undefined : await stat(given).catch(() => undefined);
  if (found?.isDirectory())
    throw new UsageError(`${given}: is a folder; if it is a text, write it into a .txt file, one text a line`);
  if (!found && !looksLikeFile(given)) return [{ text: given, place: `input ${i + 1}` }];
  const { name, lines } = await readTextLines(given);
  return lines.map((text, line) => ({ text, place: `${name} line ${line + 1}` }));
}
