// Flags that several commands have, and how their texts become values.
import { availableParallelism } from "node:os";
import { type Command, Option } from "commander";
import { quoted } from "../data/formats/json.ts";
import { nearest, UsageError } from "../engine/errors.ts";

/** What `--config` takes (model/checkpoint/config-file.ts). */
export const CONFIG = [
  "--config <model>",
  "the model's configuration where shapes do not tell it: ViT-B-16 and the like, or a .json file",
] as const;

/** The model of a command that needs one. */
export function withCheckpoint(command: Command): Command {
  return command
    .requiredOption("--checkpoint <path>", "what `emotionclip inspect` knows: .pt, .safetensors, a run's folder")
    .option(...CONFIG);
}

/** What the numbers in a file of `--boxes` mean. */
export const boxRule = (): Option =>
  new Option(
    "--box-rule <rule>",
    "what a file's numbers mean: pixels of the picture, or the person detector's 640 as in the official files",
  )
    .choices(["pixels", "compat", "exact"])
    .default("pixels");

/** What is said of footage whose masks are all empty. */
export const NO_SUBJECT = "no frame shows the subject: give its place with --boxes";

/** Of windows that are shorter than what a model takes. */
export const FEW_FRAMES = "have fewer frames than the model takes; some count twice or more";

/** Those of some flags that were given. */
const given = (command: Command, attributes: readonly string[]): Option[] =>
  command.options.filter((option) => {
    const name = option.attributeName();
    return attributes.includes(name) && command.getOptionValueSource(name) === "cli";
  });

/** Refuses flags that were given and that say something of what is not there: `whose` says of what, and of what not. */
export function refuseFlags(command: Command, attributes: readonly string[], whose: string): void {
  const [first] = given(command, attributes);
  if (first) throw new UsageError(`${first.long} says something of ${whose}`);
}

/** A sentence for each of these flags that was given, where nothing reads it. */
export const idleFlags = (command: Command, attributes: readonly string[], when: string): string[] =>
  given(command, attributes).map(({ long }) => `${long} has no effect here; it goes with ${when}`);

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const digits = /^\d+$/;

function numberIn(flag: string, text: string, form: RegExp, least: number, most: number): number {
  const value = Number(text);
  if (form.test(text) && value >= least && value <= most) return value;
  const range = Number.isFinite(least) ? ` from ${least} to ${most}` : "";
  throw new UsageError(`--${flag}: "${text.slice(0, 40)}" is not a ${form === digits ? "whole " : ""}number${range}`);
}

/** The value of a flag that counts something. */
export const whole = (flag: string, text: string, least: number, most: number): number =>
  numberIn(flag, text, digits, least, most);

/** The value of a flag that measures something, written as a plain decimal. */
export const real = (flag: string, text: string, least = -Infinity, most = Infinity): number =>
  numberIn(flag, text, decimal, least, most);

/** The rule for samples that cannot be read, where they are measured. */
export const maxBad = (): Option =>
  new Option("--max-bad <share>", "share of unreadable samples that stops the work; they are left out")
    .argParser((text) => real("max-bad", text, 0, 1))
    .default(0.01);

/** Rows given to a model at once. */
export const batchFlag = (text: string): number => whole("batch-size", text, 1, 4096);

/** Decoding threads; a core is left for the rest where nobody says how many. */
export const workersFlag = (text: string | undefined): number =>
  text === undefined ? Math.min(16, Math.max(1, availableParallelism() - 1)) : whole("workers", text, 0, 64);

/** One of the known names; `what` they are names of begins the message. */
export function oneOf<const T extends string>(what: string, name: string, known: readonly T[]): T {
  const found = known.find((each) => each === name);
  if (found) return found;
  const near = nearest(name, known);
  throw new UsageError(
    `unknown ${what} ${quoted(name)}${near ? ` (did you mean ${near}?)` : ""}; known: ${known.join(", ")}`,
  );
}
