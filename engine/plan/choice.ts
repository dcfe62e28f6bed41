// Which kernel a recorded launch gets on a device, with which text, grid and immediates. Pure: needs no device.
import type { DeviceFacts } from "../declare/facts.ts";
import { completeText, type Field, joinSource, type KernelText, writeFields } from "../declare/kernel-text.ts";
import type { Consts, Variant } from "../declare/pass.ts";
import { KernelError } from "../errors.ts";
import type { Call } from "../record/segment.ts";

/** What texts and choices depend on, beside the call. */
export interface Situation {
  readonly facts: DeviceFacts;
  readonly forced: ReadonlySet<string>;
  /** Kernels may ask for a number of lanes. */
  readonly sizeControl: boolean;
}

/** The kernel of one launch. */
export interface Choice {
  readonly name: string;
  readonly variant: Variant;
  readonly text: KernelText;
}

/** The variant that is forced, or the one that the pass picks. */
export function choose(call: Call, { facts, forced, sizeControl }: Situation): Choice {
  const { pass, dims, attrs, T } = call;
  const name = forcedName(call, facts, forced) ?? pass.pass.pick(dims, facts, attrs, T);
  const { variants } = pass.pass;
  const variant = variants.get(name);
  if (!variant) throw new KernelError(`${pass.label}: picked "${name}"; it has ${[...variants.keys()].join(", ")}`);
  const source = joinSource(variant.source, { dims, attrs, device: facts, T });
  return { name, variant, text: completeText(source, { T, subgroup: facts.subgroup, sizeControl }, pass.label) };
}

function forcedName(
  { pass, dims, attrs, T }: Call,
  facts: DeviceFacts,
  forced: ReadonlySet<string>,
): string | undefined {
  for (const [name, variant] of pass.pass.variants)
    if (forced.has(name) && (variant.available?.(facts, dims, attrs, T) ?? true)) return name;
  return undefined;
}

/** Writes a launch's immediates: the call's sizes, attributes and uniforms by field name. */
export function writeImmediates(
  into: ArrayBuffer,
  fields: readonly Field[],
  variant: Variant,
  { pass, dims, attrs }: Call,
): void {
  const uniforms = variant.uniforms?.(dims, attrs) ?? {};
  writeFields(new DataView(into), fields, [uniforms, attrs, dims], pass.label);
}

/** Workgroups of a launch. Up to 65535 in x; more are folded into y. */
export function launchGrid(variant: Variant, consts: Consts, { pass, dims, attrs }: Call): [number, number, number] {
  const grid = variant.grid(dims, consts, attrs);
  const { label } = pass;
  const [x, y = 1, z = 1] = typeof grid === "number" ? [grid] : grid;
  if (!Number.isInteger(x * y * z) || x < 1) throw new KernelError(`${label}: the grid is [${x}, ${y}, ${z}]`);
  if (typeof grid === "number" && x > 65535) return [65535, Math.ceil(x / 65535), 1];
  if (x > 65535 || y > 65535 || z > 65535) throw new KernelError(`${label}: the grid [${x}, ${y}, ${z}] passes 65535`);
  return [x, y, z];
}
