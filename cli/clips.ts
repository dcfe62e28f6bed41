// The clips of a job, and what is wrong with them: said once, counted, and kept with the results.
import { createHash } from "node:crypto";
import type { BadSample } from "../data/bad-samples.ts";
import { openShards, type ShardSet } from "../data/shards/shards.ts";
import { type ShortClips, type Survey, shortClips, shortText, survey } from "../data/shards/survey.ts";
import { FormatError, HealthError } from "../engine/errors.ts";
import type { EvaluationSets } from "../eval/probes/evaluate.ts";
import type { Settings } from "../train/settings.ts";

type Split = keyof EvaluationSets;

/** Says a line that stays. */
export type Say = (line: string) => void;

/** The same, but no line twice. */
export function once(say: Say): Say {
  const said = new Set<string>();
  return (line) => {
    if (said.has(line)) return;
    said.add(line);
    say(line);
  };
}

/** A split of a job. */
export interface Clips {
  readonly split: Split;
  /** What is trained or measured on. */
  readonly set: ShardSet;
  readonly survey: Survey;
  /** Clips of fewer frames than the model takes, and what is done about them. */
  readonly short?: ShortClips & { readonly rule: Settings["shortClips"] };
}

/** What becomes of bad clips. */
const MEANWHILE: Record<Split, string> = {
  train: "\n  training shows another in its place, measurements leave it out",
  test: "\n  measurements leave it out",
};

/** Names that a message shows. */
const SHOWN = 3;

/**
 * sha256 of which clips a set has. Shards are told by their bytes, as their index has them: others are other clips, whatever their
 * names. Tars without an index are told by their members' names, places and sizes.
 */
export function digestOf({ index: { shards }, samples, items }: ShardSet): string {
  const hash = createHash("sha256").update(`${samples}`);
  for (const { sha256 } of shards) hash.update(`\n${sha256}`);
  if (shards.length === 0) for (const { key, frames } of items) hash.update(`\n${key} ${frames.join(" ")}`);
  return hash.digest("hex");
}

/** Opens a split of shards; too many clips that cannot be read are a HealthError. Says what is not as it should be. */
export async function openClips(
  folder: string,
  split: Split,
  frames: number,
  { shortClips: rule, maxBad }: Pick<Settings, "shortClips" | "maxBad">,
  say: Say,
): Promise<Clips> {
  const all = await openShards(folder, split, { say });
  const list = `emotionclip data check ${folder}`;
  return { split, ...lookedOver(all, split, frames, { shortClips: rule, maxBad, list }, say) };
}

/** What is done about clips that are short or cannot be read. */
export interface ClipsRule extends Pick<Settings, "shortClips" | "maxBad"> {
  /** The command that lists all bad ones, where there is one. */
  readonly list?: string;
}

/** A look at a set that is open; `called` begins what is said. Errors: HealthError for too many clips that cannot be read. */
export function lookedOver(
  all: ShardSet,
  called: string,
  frames: number,
  { shortClips: rule, maxBad, list }: ClipsRule,
  say: Say,
): Omit<Clips, "split"> {
  const short = shortClips(all, frames);
  if (short) say(`${called}: ${shortText(short, all.samples)}; ${rule === "repeat" ? REPEATED : LEFT_OUT}`);
  const set = short && rule === "leave-out" ? all.ofAtLeast(frames) : all;
  if (set.samples === 0) throw new FormatError(`${called}: no clip has ${frames} frames, which the model takes`);
  const found = survey(set);
  const faults = found.bad.length === 0 ? "" : `${called}: ${badText(found.bad, set)}`;
  if (found.bad.length > maxBad * set.samples) throw new HealthError(`${faults}\n${tooMany(maxBad, list)}`);
  if (faults) say(faults + MEANWHILE[called === "test" ? "test" : "train"]);
  return { set, survey: found, ...(short && { short: { ...short, rule } }) };
}

const REPEATED = "some of their frames are shown twice or more (--short-clips leave-out leaves them out)";
const LEFT_OUT = "they are left out (--short-clips repeat shows some of their frames twice or more)";

function badText(bad: readonly BadSample[], { samples }: ShardSet): string {
  const reasons = bad.slice(0, SHOWN).map(({ reason }) => `\n  ${reason}`);
  const more = bad.length > SHOWN ? "\n  …" : "";
  return `${bad.length} of ${samples} clips cannot be read:${reasons.join("")}${more}`;
}

const tooMany = (maxBad: number, list?: string) =>
  `  allowed are ${100 * maxBad} % (--max-bad)${list === undefined ? "" : `; \`${list}\` lists them all`}`;

/** What results.json says of a split. */
export interface ClipsOutcome {
  readonly clips: number;
  readonly short?: Clips["short"];
  /** Clips that could not be read, each once. */
  readonly bad: readonly { readonly clip: string; readonly reason: string }[];
}

/** The clips of one run that were found bad. */
export class Ledger {
  readonly #bad: Record<Split, Map<number, string>>;

  constructor(
    private readonly clips: Record<Split, Clips>,
    private readonly say: Say,
  ) {
    const known = ({ survey }: Clips) => new Map(survey.bad.map(({ index, reason }) => [index, reason]));
    this.#bad = { train: known(clips.train), test: known(clips.test) };
  }

  /** Notes a bad clip; the first time it is said, with what is done about it. */
  note(split: Split, { index, reason }: BadSample): void {
    if (this.#bad[split].has(index)) return;
    this.#bad[split].set(index, reason);
    this.say(`bad sample: ${reason}${MEANWHILE[split]}`);
  }

  outcome(split: Split): ClipsOutcome {
    const { set, short } = this.clips[split];
    const bad = Array.from(this.#bad[split], ([index, reason]) => ({ clip: set.items[index].key, reason }));
    return { clips: set.samples, ...(short && { short }), bad };
  }
}
