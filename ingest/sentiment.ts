// What a sentence feels like: seven logits from whoever scores texts. Another classifier is another Scorer.
import { createHash } from "node:crypto";
import { readUserFile } from "../data/footage/files.ts";
import { isObject, parseJson, quoted } from "../data/formats/json.ts";
import { readNpy } from "../data/formats/npy.ts";
import { clipLimits, SENTIMENTS, UNSAID_SENTIMENT } from "../data/shards/clip.ts";
import { FormatError } from "../engine/errors.ts";

/** Gives each text its seven logits, in the order of SENTIMENTS. */
export interface Scorer {
  /** Changes where the logits of a text may. */
  readonly id: string;
  /** In words, for the report. */
  readonly about: string;
  /** Whether its logits tell texts apart; else no neutral score can be read off them. */
  readonly tells: boolean;
  score(texts: readonly string[]): Promise<readonly (readonly number[])[]>;
}

/** All texts alike. Trained with it, SNCE learns nothing but at beta 0. */
export const uniformScorer: Scorer = {
  id: "uniform",
  about: "unknown: seven logits of 0 for every sentence",
  tells: false,
  score: async (texts) => texts.map(() => UNSAID_SENTIMENT),
};

const BYTES = 64 * 2 ** 20;

/**
 * Logits from a file: `{"the text": [seven numbers], …}`, or .npy [texts, 7], a row for each line of `lines`, the file in which the
 * sentences were listed for who scores them. A text that is not there is refused when it is asked for.
 */
export async function fileScorer(path: string, lines: string): Promise<Scorer> {
  const { bytes, name } = await readUserFile(path, BYTES);
  const known = /\.npy$/i.test(name) ? rowsOf(bytes, name, await linesIn(lines)) : textsOf(bytes, name);
  const score = async (texts: readonly string[]) => {
    const lacking = texts.filter((text) => !known.has(text));
    if (lacking.length > 0)
      throw new FormatError(
        `${name}: has no logits of ${lacking.length} of ${texts.length} sentences, the first: ${quoted(lacking[0])}; score all of ${lines} again`,
      );
    return texts.map((text) => known.get(text)!);
  };
  const id = createHash("sha256").update(bytes).digest("hex");
  return { id, about: `from ${name}`, tells: true, score };
}

type Known = ReadonlyMap<string, readonly number[]>;

function textsOf(bytes: Uint8Array, name: string): Known {
  const top = parseJson(bytes, name);
  if (!isObject(top)) throw new FormatError(`${name}: expected an object of text: seven logits`);
  return new Map(Object.entries(top).map(([text, value]) => [text, logitsIn(value, text, name)]));
}

/** The sentences as an earlier call has listed them. */
async function linesIn(path: string): Promise<string[]> {
  const found = await readUserFile(path, BYTES).catch((error: unknown) => {
    if (error instanceof FormatError)
      throw new FormatError(
        `${path}: is not there, and rows of logits are for its lines; run the command without sentiment first`,
      );
    throw error;
  });
  return Buffer.from(found.bytes).toString("utf8").split("\n").slice(0, -1);
}

function rowsOf(bytes: Uint8Array, name: string, lines: readonly string[]): Known {
  const [array, ...others] = readNpy(bytes, name);
  const { shape, data } = array;
  if (others.length > 0 || shape.length !== 2 || shape[1] !== SENTIMENTS.length)
    throw new FormatError(`${name}: has the shape [${shape.join(", ")}], expected [sentences, ${SENTIMENTS.length}]`);
  if (shape[0] !== lines.length)
    throw new FormatError(`${name}: has ${shape[0]} rows for ${lines.length} sentences; score the list again`);
  const row = (i: number) =>
    Array.from({ length: SENTIMENTS.length }, (_, q) => Number(data[i * SENTIMENTS.length + q]));
  return new Map(lines.map((text, i) => [text, logitsIn(row(i), text, name)]));
}

function logitsIn(value: unknown, text: string, name: string): number[] {
  const isLogit = (v: unknown): v is number => typeof v === "number" && Math.abs(v) <= clipLimits.logit;
  if (Array.isArray(value) && value.length === SENTIMENTS.length && value.every(isLogit)) return value;
  throw new FormatError(
    `${name}: ${quoted(text)}: expected ${SENTIMENTS.length} logits (${SENTIMENTS.join(", ")}) from -${clipLimits.logit} to ${clipLimits.logit}`,
  );
}

const NEUTRAL = SENTIMENTS.indexOf("neutral");

/** The probability of "neutral". */
export function neutralScore(logits: readonly number[]): number {
  const top = Math.max(...logits);
  const parts = logits.map((logit) => Math.exp(logit - top));
  return parts[NEUTRAL] / parts.reduce((sum, part) => sum + part, 0);
}
