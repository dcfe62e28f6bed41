// WGSL text: joined, completed with what every kernel may rely on, and its bindings, immediates and overrides read out of
// it and matched with the pass. Pure, so that texts can be checked without a device.
import { KernelError } from "../errors.ts";
import type { DeviceFacts } from "./facts.ts";
import type { CompiledPass } from "./op.ts";
import type { Attrs, Source, Variant } from "./pass.ts";
import type { Sizes } from "./signature.ts";

export interface Binding {
  readonly name: string;
  readonly index: number;
  readonly write: boolean;
}

export interface Field {
  readonly name: string;
  readonly type: "u32" | "i32" | "f32";
}

/** What the engine knows of a kernel's text. */
export interface KernelText {
  readonly code: string;
  readonly bindings: readonly Binding[];
  readonly fields: readonly Field[];
  readonly overrides: Readonly<Record<string, number>>;
}

const bindingPattern = /@group\(0\)\s*@binding\((\d+)\)\s*var<storage\s*,\s*(read|read_write)>\s*(\w+)\s*:/g;
const overridePattern = /^\s*override\s+(\w+)\s*:\s*\w+\s*=\s*([\d.]+)u?\s*;/gm;

/** What the kernel's text is made of. */
export interface TextOptions {
  readonly T: "f32" | "f16";
  readonly subgroup: number;
  readonly sizeControl: boolean;
}

export function joinSource(source: Source, context: { dims: Sizes; attrs: Attrs; device: DeviceFacts }): string {
  if (typeof source === "string") return source;
  return typeof source === "function" ? source(context) : source.join("\n");
}

/** Adds what every kernel may rely on (T, SG, enables) and reads its interface. */
export function completeText(body: string, { T, subgroup, sizeControl }: TextOptions, label: string): KernelText {
  const plain = body.replace(/\/\/.*$/gm, "");
  const uses = (word: string) => new RegExp(`\\b${word}\\b`).test(plain);
  const subgroups = /\bsubgroup[A-Z]|\bsubgroup_(id|invocation_id|size)\b/.test(plain);
  const head: string[] = [];
  if (uses("f16") || (T === "f16" && uses("T"))) head.push("enable f16;");
  if (subgroups) head.push("enable subgroups;");
  if (subgroups && sizeControl) head.push("enable subgroup_size_control;");
  if (uses("T")) head.push(`alias T = ${T};`);
  if (uses("SG")) head.push(`const SG: u32 = ${subgroup}u;`);
  const text = subgroups && sizeControl ? body.replace(/@compute\b/g, `@compute @subgroup_size(${subgroup})`) : body;
  // on the first line of the text, so that the compiler counts lines as the file does
  return { code: `${head.map((each) => `${each} `).join("")}${text}`, ...readInterface(plain, label) };
}

function readInterface(plain: string, label: string): Omit<KernelText, "code"> {
  const bindings = [...plain.matchAll(bindingPattern)].map(([, index, access, name]) => {
    return { name, index: Number(index), write: access === "read_write" };
  });
  const overrides: Record<string, number> = {};
  for (const [, name, value] of plain.matchAll(overridePattern)) overrides[name] = Number(value);
  const fields: Field[] = [];
  const struct = /struct\s+Dims\s*\{([^}]*)\}/.exec(plain);
  for (const part of (struct?.[1] ?? "")
    .split(",")
    .map((p) => p.trim())
    .filter(Boolean)) {
    const [, name, type] = /^(\w+)\s*:\s*(u32|i32|f32)$/.exec(part) ?? [];
    if (!name) throw new KernelError(`${label}: Dims has "${part}"; its fields are name: u32, i32 or f32`);
    fields.push({ name, type: type as Field["type"] });
  }
  if (fields.length > 16) throw new KernelError(`${label}: Dims has ${fields.length} fields; immediates hold 16`);
  return { bindings, fields, overrides };
}

/** Which tensor of the pass each binding takes: positions in pass.terms, in the order of the bindings. */
export function matchBindings(text: KernelText, pass: CompiledPass, variant: Variant): number[] {
  const order = text.bindings.map(({ name, write }) => {
    const wanted = variant.rename?.[name] ?? name;
    const at = pass.terms.findIndex((term) => term.name === wanted);
    const known = pass.terms.map((term) => term.name).join(", ");
    if (at < 0) throw new KernelError(`${pass.label}: the kernel binds ${name}, the pass has ${known}`);
    if (write !== pass.writes[at])
      throw new KernelError(
        `${pass.label}: ${name} is ${write ? "read_write" : "read"} in the kernel, ${write ? "an input" : "an output"} of the pass`,
      );
    return at;
  });
  for (const [i, term] of pass.terms.entries())
    if (!order.includes(i)) throw new KernelError(`${pass.label}: the kernel does not bind ${term.name}`);
  return order;
}

/** Writes the immediates: axes, attributes and uniforms by field name. */
export function writeFields(
  into: DataView,
  fields: readonly Field[],
  sources: readonly Record<string, number | string | boolean>[],
  label: string,
): void {
  for (const [i, { name, type }] of fields.entries()) {
    const value = sources.find((source) => Object.hasOwn(source, name))?.[name];
    if (typeof value !== "number" && typeof value !== "boolean")
      throw new KernelError(`${label}: Dims.${name} is no axis, attribute or uniform`);
    if (type === "f32") into.setFloat32(4 * i, Number(value), true);
    else if (type === "u32") into.setUint32(4 * i, Number(value), true);
    else into.setInt32(4 * i, Number(value), true);
  }
}
