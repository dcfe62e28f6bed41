// The options of `checkOp`, read: each mistake is refused in words.
import { nearest, UsageError } from "../../engine/index.ts";
import type { Attrs } from "../../engine/declare/pass.ts";
import { type Case, inputAxes, type Op } from "./derive.ts";
import type { CheckCase, ClaimOptions, Replay } from "./replay.ts";

const known = ["seed", "path", "runs", "case", "claim", "passed"];

/** Reads options for an op with these claims. Errors: UsageError; ShapeError where the op refuses a given case. */
export function readOptions(op: Op, options: ClaimOptions, claims: readonly string[]): Replay {
  const refuse = (what: string): never => {
    throw new UsageError(`checkOp(${op.name}): ${what}`);
  };
  if (typeof options !== "object" || options === null) refuse(`options are an object like { seed: 7 }, not ${options}`);
  for (const name of Object.keys(options))
    if (!known.includes(name))
      refuse(`there is no option ${name}${hint(name, known)}; options are ${known.join(", ")}`);
  const { seed = 2022, path, runs, claim } = options;
  if (!Number.isInteger(seed) || Math.abs(seed) >= 2 ** 31)
    refuse(`seed is ${seed}; expected a whole number below 2^31`);
  if (runs !== undefined && !(Number.isSafeInteger(runs) && runs >= 1))
    refuse(`runs is ${runs}; expected a whole number from 1 on`);
  if (claim !== undefined && !claims.includes(claim))
    refuse(`there is no claim "${claim}"; of this op there are\n${claims.map((each) => `  ${each}`).join("\n")}`);
  if (path !== undefined) {
    if (typeof path !== "string" || !/^\d+(:\d+)*$/.test(path))
      refuse(`path is ${JSON.stringify(path)}; expected numbers as a failure prints them, like "3:1:0"`);
    if (claim === undefined)
      refuse("path belongs to one claim; give that claim too, as the last line of a failure does");
    if (options.case !== undefined) refuse("path and case are two ways to name one case; give one of them");
  }
  return { seed, path, runs, claim, case: options.case === undefined ? undefined : readCase(op, options.case, refuse) };
}

const hint = (name: string, among: readonly string[]): string => {
  const meant = nearest(name, among);
  return meant ? `; did you mean ${meant}?` : "";
};

function readCase(op: Op, given: CheckCase, refuse: (what: string) => never): Case {
  const axes = inputAxes(op);
  const example = `{ ${axes.map((axis) => `${axis}: 2`).join(", ")} }`;
  if (typeof given !== "object" || given === null) return refuse(`case is ${given}; expected sizes like ${example}`);
  const { attrs = {}, ...sizes } = given as { attrs?: Partial<Attrs>; [axis: string]: unknown };
  for (const [axis, size] of Object.entries(sizes)) {
    if (!axes.includes(axis)) refuse(`case has ${axis}; the inputs have the axes ${axes.join(", ") || "(none)"}`);
    if (!Number.isSafeInteger(size) || (size as number) < 1)
      refuse(`case: ${axis} is ${size}; sizes are whole, from 1 on`);
  }
  const missing = axes.filter((axis) => sizes[axis] === undefined);
  if (missing.length > 0) refuse(`case has no ${missing.join(", ")}; write it like ${example}`);
  const whole = { sizes: sizes as Case["sizes"], attrs: readAttrs(op, attrs, refuse), seed: 0 };
  op.derive?.(whole.sizes, whole.attrs);
  if (op.test.where && !op.test.where(whole.sizes, whole.attrs as never))
    refuse("test.where of its declaration excludes this case");
  return whole;
}

function readAttrs(op: Op, given: Partial<Attrs>, refuse: (what: string) => never): Attrs {
  const names = Object.keys(op.attrs);
  for (const [name, value] of Object.entries(given)) {
    if (!names.includes(name))
      refuse(`case.attrs has ${name}${hint(name, names)}; attributes are ${names.join(", ") || "(none)"}`);
    if (typeof value !== typeof op.attrs[name])
      refuse(`case.attrs.${name} is ${typeof value}; expected ${typeof op.attrs[name]}`);
  }
  return { ...op.attrs, ...given } as Attrs;
}
