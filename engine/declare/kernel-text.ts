// WGSL text: joined, completed with what every kernel may rely on, and its bindings, immediates and overrides read out of
// it and matched with the pass. Pure, so that texts can be checked without a device.
import { KernelError } from "../errors.ts";
import type { CompiledPass } from "./op.ts";
import type { Source, SourceContext, Variant } from "./pass.ts";
import { type Dtype, isWholeType } from "./signature.ts";

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

const bindingPattern =
  /@binding\(\s*(\d+)\s*\)\s*(?:@group\(0\)\s*)?var<storage\s*(?:,\s*(read|read_write)\s*)?>\s*(\w+)\s*:/g;
/** How sizes and numbers arrive: immediates, or a uniform buffer, which becomes immediates. */
const sizesPattern = /(?:@(?:group|binding)\(\s*\d+\s*\)\s*)*var<(?:uniform|immediate)>\s*(\w+)\s*:\s*(\w+)\s*;/g;
const overridePattern = /^\s*override\s+(\w+)\s*:\s*\w+\s*=\s*([\d.]+)u?\s*;/gm;

/** What the kernel's text is made of. */
export interface TextOptions {
  readonly T: Dtype;
  readonly subgroup: number;
  readonly sizeControl: boolean;
}

export function joinSource(source: Source, context: SourceContext): string {
  if (typeof source === "string") return source;
  return typeof source === "function" ? source(context) : source.join("\n");
}

/** Adds what every kernel may rely on (T, Num, SG, enables) and reads its interface. */
export function completeText(body: string, { T, subgroup, sizeControl }: TextOptions, label: string): KernelText {
  const written = withoutComments(body);
  refuse(written, label);
  const own = [...written.matchAll(directivePattern)].map(([text]) => text.trim());
  const plain = written.replace(directivePattern, "");
  const uses = (word: string) => new RegExp(`\\b${word}\\b`).test(plain);
  const subgroups = /\bsubgroup[A-Z]|\bsubgroup_(id|invocation_id|size)\b/.test(plain);
  const head: string[] = [...own];
  const enable = (what: string) => void (own.includes(`enable ${what};`) || head.push(`enable ${what};`));
  if (uses("f16") || (T === "f16" && uses("T"))) enable("f16");
  if (subgroups) enable("subgroups");
  if (subgroups && sizeControl) enable("subgroup_size_control");
  if (uses("T")) head.push(`alias T = ${T};`);
  // what numbers of type T are computed in
  if (uses("Num") && !/\b(?:alias|struct)\s+Num\b/.test(plain)) head.push(`alias Num = ${isWholeType(T) ? T : "f32"};`);
  if (uses("SG")) head.push(`const SG: u32 = ${subgroup}u;`);
  const moved = own.length > 0 ? body.replace(directivePattern, "") : body;
  const filled = moved.replace(/(?:@(?:group|binding)\(\s*\d+\s*\)\s*)*var<uniform>/g, "var<immediate>");
  const text =
    subgroups && sizeControl ? filled.replace(/@compute\b/g, `@compute @subgroup_size(${subgroup})`) : filled;
  // on the first line of the text, so that the compiler counts lines as the file does
  return { code: `${head.map((each) => `${each} `).join("")}${text}`, ...readInterface(plain, label) };
}

/** Enables and the like of the text's own: they must stand first. */
const directivePattern = /^[ \t]*(?:enable|requires|diagnostic)\b[^;\n]*;/gm;

/** The text with blanks for comments: places in it stay. */
const withoutComments = (body: string): string =>
  body.replace(/\/\/.*$|\/\*[\s\S]*?\*\//gm, (comment) => comment.replace(/[^\n]/g, " "));

/** "label:line" */
const placeOf = (text: string, index: number, label: string): string =>
  `${label}:${text.slice(0, Math.max(0, index)).split("\n").length}`;

/** What a kernel of WebGPU may have and one of an op may not, with the sentence that says what to write. */
const refusals: readonly [pattern: RegExp, sentence: string][] = [
  [/@group\(\s*(?!0\b)\d+\s*\)/, "bindings of another group; the tensors of a pass are bound in @group(0)"],
  [
    /\bvar\s+\w+\s*:\s*(?:texture|sampler)\w*/,
    "a texture or sampler; a pass has tensors: var<storage, read> x: array<f32>",
  ],
  [/\boverride\s+\w+\s*(?::\s*\w+\s*)?;/, "an override without a default; write one, constants of the pass replace it"],
];

function refuse(plain: string, label: string): void {
  for (const [pattern, sentence] of refusals) {
    const found = pattern.exec(plain);
    if (found) throw new KernelError(`${placeOf(plain, found.index, label)}: ${found[0]} is ${sentence}`);
  }
  const entries = [...plain.matchAll(/@(?:compute|vertex|fragment)\b[^{]*?\bfn\s+(\w+)/g)];
  if (entries.length === 0)
    throw new KernelError(`${label}: no entry point; a kernel has @compute @workgroup_size(WG) fn main(…)`);
  if (entries.length > 1)
    throw new KernelError(
      `${placeOf(plain, entries[1].index, label)}: a second entry point, ${entries[1][1]}; a kernel has one, main: make a pass of each`,
    );
  const [{ 0: text, 1: name, index }] = entries;
  if (name !== "main" || !text.startsWith("@compute"))
    throw new KernelError(`${placeOf(plain, index, label)}: the entry point is ${name}; a kernel has @compute fn main`);
}

function readInterface(plain: string, label: string): Omit<KernelText, "code"> {
  const bindings = [...plain.matchAll(bindingPattern)].map(([, index, access, name]) => {
    return { name, index: Number(index), write: access === "read_write" };
  });
  const overrides: Record<string, number> = {};
  for (const [, name, value] of plain.matchAll(overridePattern)) overrides[name] = Number(value);
  return { bindings, fields: fieldsOf(plain, label), overrides };
}

/** The numbers that a kernel takes: the members of its `Dims`, whatever the struct is called, or one scalar. */
function fieldsOf(plain: string, label: string): Field[] {
  const [declared, second] = [...plain.matchAll(sizesPattern)];
  const at = (text: string) => placeOf(plain, plain.indexOf(text), label);
  if (second)
    throw new KernelError(
      `${at(second[0])}: a second variable for sizes, ${second[1]}; put all numbers into one struct, as in struct Dims { N: u32, eps: f32 }`,
    );
  const [, name = "dim", type = "Dims"] = declared ?? [];
  if (isScalar(type)) return [{ name, type }];
  const struct = new RegExp(`struct\\s+${type}\\s*\\{([^}]*)\\}`).exec(plain);
  if (declared && !struct) throw new KernelError(`${at(declared[0])}: ${name} is ${type}; ${howSizesArrive}`);
  const parts = (struct?.[1] ?? "").split(",").map((part) => part.trim());
  const fields = parts.filter(Boolean).map((part): Field => {
    const [, field, of] = /^(\w+)\s*:\s*(\w+)$/.exec(part) ?? [];
    if (!field || !isScalar(of)) throw new KernelError(`${at(part)}: ${type} has "${part}"; ${howSizesArrive}`);
    return { name: field, type: of };
  });
  if (fields.length > 16)
    throw new KernelError(`${at(struct![0])}: ${type} has ${fields.length} fields; immediates hold 16`);
  return fields;
}

const isScalar = (type: string): type is Field["type"] => type === "u32" || type === "i32" || type === "f32";
const howSizesArrive =
  "sizes and attributes arrive in one struct of u32, i32 and f32, filled by the names of axes, attributes and uniforms";

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
      throw new KernelError(
        `${label}: ${name} in the struct of sizes is no axis, attribute or uniform of the pass; it is filled by name`,
      );
    if (type === "f32") into.setFloat32(4 * i, Number(value), true);
    else if (type === "u32") into.setUint32(4 * i, Number(value), true);
    else into.setInt32(4 * i, Number(value), true);
  }
}
