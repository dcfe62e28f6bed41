// A user's own kernel: its bindings are read from the text, its sizes are given, its buffers are filled with seeded
// numbers. The conventions are those of kernels/: `// [N, D]` behind a binding is its shape in scalars, `Dims` its numbers.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { readFault } from "../data/formats/cause.ts";
import { UsageError } from "../engine/errors.ts";
import type { Gpu } from "../engine/device/gpu.ts";
import { toHalf } from "../engine/half.ts";
import type { Kernel } from "../engine/device/pipeline.ts";
import type { Storage } from "../engine/record/value.ts";
import { uniform } from "../engine/device/draws.ts";
import { gaussians } from "./draw.ts";
import { bindRaw, bufferOf, compileRaw, type RawLaunch } from "./raw.ts";

/** Numbers by name: sizes given, overrides of the kernel, SG. */
export type Names = Readonly<Record<string, number>>;

/** What the flags say about a kernel file. */
export interface KernelFlags {
  /** "N=1024,D=768": axes and the fields of Dims. */
  readonly sizes?: string;
  /** "x=N*D" for a binding whose shape no comment gives. */
  readonly shape?: readonly string[];
  /** "N/WG" or "N,D/4": workgroups; divisions round up. Default: an invocation per element of the first output. */
  readonly grid?: string;
  /** "WG=128": overrides of the kernel. */
  readonly constants?: string;
}

/** A kernel ready to be launched, and what one launch moves. */
export interface KernelFile {
  readonly label: string;
  readonly launch: RawLaunch;
  readonly bytes: number;
  readonly shapes: readonly BoundArray[];
  readonly names: Names;
}

/** One binding: its scalars, their type, and how many make one element of the array (4 for vec4). */
interface BoundArray {
  readonly name: string;
  readonly elements: number;
  readonly type: string;
  readonly width: number;
  readonly written: boolean;
}

/** Reads "N=1024,D=768". */
export function readNumbers(flag: string, text = ""): Record<string, number> {
  const numbers: Record<string, number> = {};
  for (const part of text.split(",").filter((each) => each.trim() !== "")) {
    const [, name, value] = /^\s*(\w+)\s*=\s*([-+.\de]+)\s*$/i.exec(part) ?? [];
    if (!name || Number.isNaN(Number(value)))
      throw new UsageError(`${flag}: cannot read "${part.trim()}"; write ${flag} N=1024,D=768`);
    numbers[name] = Number(value);
  }
  return numbers;
}

/** "N*D/4/WG" with numbers for names: products first, then divisions that round up. */
export function launchCount(text: string, names: Names, what: string): number {
  const [product, ...divisors] = text.split("/");
  const numberOf = (token: string): number => {
    const word = token.trim();
    const value = /^\d+$/.test(word) ? Number(word) : names[word];
    if (value === undefined)
      throw new UsageError(`${what}: "${word}" in "${text}" has no value; known: ${Object.keys(names).join(", ")}`);
    return value;
  };
  let count = product.split("*").reduce((all, token) => all * numberOf(token), 1);
  for (const divisor of divisors) count = Math.ceil(count / numberOf(divisor));
  if (!Number.isSafeInteger(count) || count < 1)
    throw new UsageError(`${what}: "${text}" is ${count}; expected a whole number from 1 on`);
  return count;
}

const mostBytes = 1 << 20;

function readText(path: string): string {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > mostBytes)
      throw new UsageError(`${basename(path)}: ${bytes.length} bytes; a kernel has at most 1 MB`);
    return bytes.toString("utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new UsageError(`${basename(path)}: ${readFault(error)}`);
  }
}

const widthOf = (type: string): number => Number(/^vec([234])/.exec(type)?.[1] ?? 1);
const scalar = (type: string): string => /^vec[234]<\s*(\w+)\s*>$/.exec(type)?.[1] ?? suffixes[type.slice(4)] ?? type;
const suffixes: Record<string, string> = { f: "f32", h: "f16", u: "u32", i: "i32" };
const sizes: Record<string, number> = { f32: 4, u32: 4, i32: 4, f16: 2, T: 4 };

/** Name -> scalar type and the shape in the comment behind it, if there is one. */
function declarations(text: string): Map<string, { type: string; shape: string | undefined }> {
  const found = new Map<string, { type: string; shape: string | undefined }>();
  const pattern =
    /var<storage[^>]*>\s*(\w+)\s*:\s*(?:array<\s*(.+?)\s*(?:,\s*\d+\s*)?>|(\w+))\s*;(?:\s*\/\/\s*\[([^\]]*)\])?/g;
  for (const [, name, element, plain, shape] of text.matchAll(pattern))
    found.set(name, { type: element ?? plain, shape: shape?.split(",").join("*") });
  return found;
}

function fill(gpu: Gpu, elements: number, type: string, seed: number, most: number): Storage {
  const padded = Math.ceil(elements / 8) * 8; // bindings end on 16 bytes, as tensors do
  if (type === "u32" || type === "i32") {
    const random = uniform(seed);
    return bufferOf(
      gpu,
      Uint32Array.from({ length: padded }, () => Math.floor(random() * most)),
    );
  }
  const values = gaussians(padded, seed);
  return bufferOf(gpu, type === "f16" ? Uint16Array.from(values, toHalf) : values);
}

/** Compiles a kernel file and gives it buffers. Mistakes in the text come with the next wait, as KernelError. */
export function prepareKernelFile(gpu: Gpu, path: string, flags: KernelFlags): KernelFile {
  const label = basename(path);
  const text = readText(path);
  const given = readNumbers("--sizes", flags.sizes);
  const kernel = compileRaw(gpu, text, label, checkedConstants(flags.constants, text));
  const names: Names = { ...kernel.consts, SG: gpu.facts.subgroup, ...given };
  if (kernel.text.bindings.length === 0)
    throw new UsageError(
      `${label}: no bindings; they are read as "@group(0) @binding(0) var<storage, read> x: array<f32>;  // [N]"`,
    );
  for (const { name } of kernel.text.fields)
    if (given[name] === undefined) throw new UsageError(`${label}: Dims.${name} has no value; --sizes ${name}=…`);

  const shapes = shapesOf(kernel, text, flags, names, label);
  const whole = Object.values(given).filter((n) => Number.isInteger(n) && n > 0);
  const buffers: Record<string, Storage> = {};
  let bytes = 0;
  for (const [i, { name, elements, type }] of shapes.entries()) {
    buffers[name] = fill(gpu, elements, type, 2022 + i, Math.min(65536, ...whole));
    bytes += elements * sizes[type];
  }
  const grid = gridOf(flags.grid, shapes, names);
  return { label, launch: bindRaw(gpu, kernel, buffers, given, grid, label), bytes, shapes, names };
}

function checkedConstants(flag: string | undefined, text: string): Record<string, number> {
  const constants = readNumbers("--constants", flag);
  for (const name of Object.keys(constants))
    if (!new RegExp(`\\boverride\\s+${name}\\b`).test(text))
      throw new UsageError(`--constants: the kernel has no override ${name}`);
  return constants;
}

function shapesOf(kernel: Kernel, text: string, flags: KernelFlags, names: Names, label: string): KernelFile["shapes"] {
  const declared = declarations(text);
  const flagged = new Map(flags.shape?.map((each) => each.split("=", 2) as [string, string]));
  for (const name of flagged.keys())
    if (!declared.has(name))
      throw new UsageError(`--shape: the kernel binds no ${name}; it has ${[...declared.keys()].join(", ")}`);
  return kernel.text.bindings.map(({ name, write }) => {
    const { type: element, shape: commented } = declared.get(name) ?? { type: "", shape: undefined };
    const shape = flagged.get(name) ?? commented;
    const type = scalar(element);
    if (!sizes[type])
      throw new UsageError(
        `${label}: ${name} holds ${element || "something"}; arrays of f32, f16, u32, i32 and their vectors can be filled`,
      );
    if (shape === undefined)
      throw new UsageError(
        `${label}: how large is ${name}? write its shape behind it, // [N, D], or --shape ${name}=N*D`,
      );
    return {
      name,
      elements: shape === "" ? 1 : launchCount(shape, names, `${label}: shape of ${name}`),
      type: type === "T" ? "f32" : type,
      width: widthOf(element),
      written: write,
    };
  });
}

function gridOf(flag: string | undefined, shapes: KernelFile["shapes"], names: Names): number[] {
  const output = shapes.find(({ written }) => written) ?? shapes[0];
  const counts = (flag ?? `${output.elements}/${output.width}${names.WG ? "/WG" : ""}`).split(",");
  const grid = counts.map((text) => launchCount(text, names, "--grid"));
  if (grid.length > 3) throw new UsageError(`--grid: ${grid.length} dimensions; a grid has at most 3`);
  if (grid.length === 1 && grid[0] > 65535) return [65535, Math.ceil(grid[0] / 65535)];
  for (const n of grid) if (n > 65535) throw new UsageError(`--grid: ${n} workgroups in one dimension; at most 65535`);
  return grid;
}
