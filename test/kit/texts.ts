// Every kernel text an op can ask for: all ways, passes and variants, at sizes the tests draw.
import fc from "fast-check";
import { completeText, joinSource, type KernelText } from "../../engine/declare/kernel-text.ts";
import type { DeviceFacts } from "../../engine/declare/facts.ts";
import type { CompiledPass } from "../../engine/declare/op.ts";
import type { Variant } from "../../engine/declare/pass.ts";
import { type Dtype, isWholeType, type Sizes } from "../../engine/declare/signature.ts";
import { type Case, casesOf, fullSizes, type Op } from "../kernels/derive.ts";

/** A text together with where it is from and one case that asks for it. */
export interface Asked {
  readonly label: string;
  readonly pass: CompiledPass;
  readonly variant: Variant;
  readonly text: KernelText;
  readonly sizes: Sizes;
  readonly c: Case;
}

/** A device of made-up properties: what choices and emitters see. */
export const madeUp = (subgroup: number, software: boolean, f16: boolean): DeviceFacts => ({
  adapter: "made up",
  software,
  subgroup,
  f16,
  workgroupBytes: 16384,
  workgroupSize: 256,
  tuned: new Map(),
});

/** The distinct texts of an op for a device and a storage type that the op has; integers have no gradient. */
export function textsOf(op: Op, device: DeviceFacts, T: Dtype, sizeControl: boolean): Asked[] {
  const found = new Map<string, Asked>();
  if (!op.storage.includes(T)) return [];
  for (const c of fc.sample(casesOf(op), { numRuns: 12, seed: 2022 })) {
    const sizes = fullSizes(op, c)!;
    for (const { forward, backward } of op.ways.values())
      for (const pass of isWholeType(T) ? forward : [...forward, ...backward])
        for (const [name, variant] of pass.pass.variants) {
          if (!(variant.available?.(device, sizes, c.attrs, T) ?? true)) continue;
          const label = `${pass.label} ${name}`;
          const source = joinSource(variant.source, { dims: sizes, attrs: c.attrs, device, T });
          const text = completeText(source, { T, subgroup: device.subgroup, sizeControl }, label);
          if (!found.has(text.code)) found.set(text.code, { label, pass, variant, text, sizes, c });
        }
  }
  return [...found.values()];
}
