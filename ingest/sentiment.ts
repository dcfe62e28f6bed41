// What a sentence feels like: seven logits from whoever scores texts. Another classifier is another Scorer.
import { createHash } from "node:crypto";
import { readUserFile } from "../data/footage/files.ts";
import { isObject, parseJson, quoted } from "../data/formats/json.ts";
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

/** Logits from a file, `{"the text": [seven numbers], …}`. A text that is not there is refused when it is asked for. */
export async function fileScorer(path: string): Promise<Scorer> {
  const { bytes, name } = await readUserFile(path, BYTES);
  const top = parseJson(bytes, name);
  if (!isObject(top)) throw new FormatError(`${name}: expected an object of text: seven logits`);
  const known = new Map(Object.entries(top).map(([text, value]) => [text, logitsIn(value, text, name)]));
  const score = async (texts: readonly string[]) => {
    const lacking = texts.filter((text) => !known.has(text));
    if (lacking.length > 0)
      throw new FormatError(
        `${name}: has no logits of ${lacking.length} of ${texts.length} sentences, the first: ${quoted(lacking[0])}; all of them are in work/sentences.txt`,
      );
    return texts.map((text) => known.get(text)!);
  };
  const id = createHash("sha256").update(bytes).digest("hex");
  return { id, about: `from ${name}`, tells: true, score };
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
