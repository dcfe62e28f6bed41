// Whether a training of mixed precision can be had here, and what is said where not.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Gpu } from "../engine/index.ts";
import type { Precision } from "../train/precision.ts";
import type { PreparedTraining } from "./training-plan.ts";

/** A program that tries half precision on an adapter in a process of its own (cli/launch/half.mjs), and how long it may take. */
export interface Trial {
  readonly script: string;
  readonly seconds: number;
}

const ours = (): Trial => ({ script: fileURLToPath(new URL("../cli/launch/half.mjs", import.meta.url)), seconds: 60 });

type Place = Pick<Gpu, "facts">;

/**
 * The precision to train in: the one that is wanted, or f32 where the adapter has no half precision, or fails at it in a trial; that is
 * said in one sentence. Only where Dawn hides half precision (NVIDIA) there is a trial.
 */
export async function precisionOn(
  { facts }: Place,
  wanted: Precision,
  say: (line: string) => void,
  trial?: Trial,
): Promise<Precision> {
  if (wanted === "f32") return wanted;
  const fault = facts.f16 ? await faultOf(facts.adapter, trial) : "has no half precision (shader-f16)";
  if (fault === undefined) return wanted;
  say(`warning: --precision amp: ${facts.adapter} ${fault}; this run is f32, which takes more memory`);
  return "f32";
}

/** Why a training that was to be of mixed precision is not, as a value's source. */
export const noHalf = "the adapter has no half precision";

/** A training in the precision that there is; what is said of it is one of its remarks. */
export async function inPrecision(
  place: Place,
  prepared: PreparedTraining,
  hear: (line: string) => void,
): Promise<PreparedTraining> {
  const said: string[] = [];
  const precision = await precisionOn(place, prepared.recipe.precision, (line) => said.push(line));
  for (const line of said) hear(line);
  const { recipe, from, remarks } = prepared;
  const reason = said.length > 0 ? { precision: noHalf } : {};
  return {
    ...prepared,
    recipe: { ...recipe, precision },
    from: { ...from, ...reason },
    remarks: [...remarks, ...said],
  };
}

async function faultOf(adapter: string, trial?: Trial): Promise<string | undefined> {
  if (!trial && !/nvidia/i.test(adapter)) return undefined;
  const fault = await tried(adapter, trial ?? ours());
  return fault && `fails at half precision: ${fault}`;
}

/** Half precision in a process that may crash or hang: what was wrong, or undefined. */
function tried(adapter: string, { script, seconds }: Trial): Promise<string | undefined> {
  const root = fileURLToPath(new URL("../package.json", import.meta.url));
  const name = adapter.split(" | ").at(-1)!; // as Dawn matches it
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [script, root, name], { stdio: ["ignore", "pipe", "ignore"] });
    let out = "";
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
      child.kill("SIGKILL");
    }, 1000 * seconds);
    child.stdout.on("data", (text) => (out += text));
    child.on("error", ({ message }) => resolve(message));
    child.on("close", (code, signal) => {
      clearTimeout(late);
      if (isLate) resolve(`a trial had no answer after ${seconds} s`);
      else resolve(code === 0 ? wrongIn(out) : `a trial ended with ${signal ?? `exit code ${code}`}`);
    });
  });
}

/** What a trial's one line of JSON tells. */
function wrongIn(out: string): string | undefined {
  try {
    const { wrong, error } = JSON.parse(out) as { wrong?: number; error?: string };
    if (wrong === 0) return undefined;
    return error ?? `a trial computed ${wrong} wrong numbers`;
  } catch {
    return "a trial gave no answer";
  }
}
