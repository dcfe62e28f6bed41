// Kernels without a GPU: wgsl_reflect's interpreter steps all invocations of a workgroup from barrier to barrier and reports
// what they touch. From that come races, also between workgroups, and what no device tells: accesses outside a buffer.
// A subgroup has one lane here, which makes subgroup operations identities: kernels that use them run as well.
import { detectRaces, ScalarData, WgslDebug, WgslExec } from "wgsl_reflect/wgsl_reflect.module.js";
import {
  completeText,
  joinSource,
  type KernelText,
  matchBindings,
  writeFields,
} from "../../engine/declare/kernel-text.ts";
import type { DeviceFacts } from "../../engine/declare/facts.ts";
import type { CompiledPass } from "../../engine/declare/op.ts";
import type { Attrs, Variant } from "../../engine/declare/pass.ts";
import { numelOf, type Sizes, type Term } from "../../engine/declare/signature.ts";
import { type Fault, patched, watched } from "./watch.ts";

export type Memory = Float32Array | Uint32Array | Int32Array;

/** A launch: one variant of one pass at some sizes. */
export interface Launch {
  readonly pass: CompiledPass;
  readonly variant: Variant;
  readonly text: KernelText;
  readonly dims: Sizes;
  readonly attrs: Attrs;
}

/** Invocations of a workgroup where the kernel leaves that open: few, so that small cases have several workgroups. */
const mostLanes = 4;

/** The launch with its text for subgroups of one lane and f32 storage. */
export function launchOf(pass: CompiledPass, variant: Variant, dims: Sizes, attrs: Attrs, device: DeviceFacts): Launch {
  const [T] = pass.op.storage;
  const source = joinSource(variant.source, { dims, attrs, device, T });
  const text = completeText(source, { T, subgroup: 1, sizeControl: false }, pass.label);
  return { pass, variant, text, dims, attrs };
}

/**
 * Runs a launch on `values` (by position in op.names) in place and says what was wrong, each fault of a variable once. Workgroups have
 * at most `lanes` invocations where the kernel leaves that open (WG).
 */
export function interpret(
  { pass, variant, text, dims, attrs }: Launch,
  values: (Memory | undefined)[],
  lanes = mostLanes,
): Fault[] {
  const constants = { ...text.overrides, ...variant.constants };
  if (constants.WG > lanes) constants.WG = lanes;
  const immediates = new ArrayBuffer(Math.max(16, 4 * text.fields.length));
  writeFields(new DataView(immediates), text.fields, [variant.uniforms?.(dims, attrs) ?? {}, attrs, dims], pass.label);
  const grid = variant.grid(dims, { ...constants, SG: 1 }, attrs);
  const order = matchBindings(text, pass, variant);
  const buffers: Record<string, unknown> = { [uniformAt(text)]: { uniform: immediates } };
  const bytes = new Map<string, number>();
  for (const [i, { index, name }] of text.bindings.entries()) {
    const memory = (values[pass.slots[order[i]]] ??= memoryOf(
      numelOf(pass.terms[order[i]], dims),
      pass.terms[order[i]].dtype === "T" ? pass.op.storage[0] : pass.terms[order[i]].dtype,
    ));
    buffers[index] = memory.buffer;
    bytes.set(name, memory.byteLength);
  }
  const workgroups = typeof grid === "number" ? [grid] : [...grid];
  const code = rewritten(text, constants);
  return mended(() => watched(bytes, code, () => detectRaces(code, "main", workgroups, { 0: buffers }).errors));
}

/** Memory that holds NaN until it is written, padded to 16 bytes as the engine's, with more NaN behind it. */
export function memoryOf(numel: number, dtype: Term["dtype"]): Memory {
  const words = 4 * Math.ceil(numel / 4);
  const buffer = new ArrayBuffer(4 * words + beyond);
  new Uint32Array(buffer).fill(0x7fff7fff);
  if (dtype === "u32") return new Uint32Array(buffer, 0, words);
  return dtype === "i32" ? new Int32Array(buffer, 0, words) : new Float32Array(buffer, 0, words);
}

/** Bytes behind a buffer in which an access is a fault and not the end. */
const beyond = 1 << 14;

const uniformAt = (text: KernelText): number => Math.max(-1, ...text.bindings.map(({ index }) => index)) + 1;

/**
 * WGSL that the interpreter (1.6.0) runs as written: no enables, aliases, overrides and immediates, subgroups of one lane, no
 * `while` (its end jumps the wrong way), no barrier at the start of a block (it is not seen there), no variable named `block`.
 */
function rewritten(text: KernelText, constants: Readonly<Record<string, number>>): string {
  let code = text.code.replace(/\benable \w+;/g, "").replace(/\/\/.*$/gm, "");
  for (let alias = aliasOf(code); alias; alias = aliasOf(code))
    code = code.replace(alias[0], "").replace(new RegExp(`\\b${alias[1]}\\b`, "g"), alias[2]);
  code = indexed(specialised(code))
    .replace(
      /\boverride (\w+)\s*:\s*(\w+)\s*=[^;]+;/g,
      (_, name, type) => `const ${name}: ${type} = ${constants[name]};`,
    )
    .replace("@workgroup_size(WG)", `@workgroup_size(${constants.WG})`)
    .replace("@workgroup_size(SG)", "@workgroup_size(1)")
    .replace("var<immediate>", `@group(0) @binding(${uniformAt(text)}) var<uniform>`)
    .replace("@builtin(subgroup_id)", "@builtin(local_invocation_index)")
    .replace(/fn (?!main\b)\w+\(([^)]*)\) \{[\s\S]*?\n\}/g, procedure)
    .replace(/\bwhile \((.*)\) \{/g, "for (; $1; ) {")
    .replace(/\{\s*(?=workgroupBarrier\(\))/g, "{ let first = 0u; ")
    .replace(
      /([^;{}]*)\bworkgroupUniformLoad\(&([^()]*)\)([^;{}]*;)/g,
      "workgroupBarrier(); $1$2$3 workgroupBarrier();",
    )
    .replace(/\bblock\b/g, "quartet");
  const lane = /,?\s*@builtin\(subgroup_invocation_id\) (\w+): u32/.exec(code);
  return lane ? code.replace(lane[0], "").replace(/fn main\([^{]*\{/, `$& let ${lane[1]} = 0u;`) : code;
}

/** Workgroup memory that is no array becomes one of length 1: accesses of others are not seen. */
function indexed(code: string): string {
  const pattern = /\bvar<workgroup>\s*(\w+)\s*:\s*((?:u32|i32|f32|vec[234][fui]|vec[234]<\w+>|atomic<\w+>))\s*;/;
  const found = pattern.exec(code);
  if (!found) return code;
  const [text, name, type] = found;
  const uses = code.replace(text, "\0").replace(new RegExp(`\\b${name}\\b`, "g"), `${name}[0]`);
  return indexed(uses.replace("\0", `var<workgroup> ${name} : array<${type}, 1>;`));
}

/** A function that takes a pointer to a buffer becomes one function for each buffer. */
function specialised(code: string): string {
  const pattern = /fn (\w+)\((\w+): ptr<storage, array<\w+(?:<\w+>)?>, \w+>, [\s\S]*?\n\}/g;
  let made = code;
  for (const [text, name, row] of code.matchAll(pattern)) {
    const buffers = new Set([...code.matchAll(new RegExp(`\\b${name}\\(&(\\w+)`, "g"))].map(([, buffer]) => buffer));
    const copies = [...buffers].map((buffer) => {
      const own = text.replace(/\(\w+: ptr<storage, array<\w+(?:<\w+>)?>, \w+>, /, `_${buffer}(`);
      return own.replace(new RegExp(`\\b${row}\\b`, "g"), buffer);
    });
    made = made.replace(text, copies.join("\n")).replace(new RegExp(`\\b${name}\\(&(\\w+), `, "g"), `${name}_$1(`);
  }
  return made;
}

const aliasOf = (code: string) => /\balias (\w+) = ([^;]+);/.exec(code);

/**
 * A function without a result: a return inside it would end the invocation, and its parameters are variables of the caller.
 */
function procedure(text: string, parameters: string): string {
  const plain = text.replace(/\{\s*if \(([^{}]*)\) \{ return; \}([\s\S]*)\}$/, "{ if (!($1)) {$2} }");
  const names = parameters.split(",").map((each) => each.split(":")[0].trim());
  return names.reduce((code, name) => code.replace(new RegExp(`\\b${name}\\b`, "g"), `own_${name}`), plain);
}

/** The library's faults of 1.6.0 that rewriting cannot mend, mended while `run` runs: others in the process see it as it is. */
function mended<R>(run: () => R): R {
  // It keeps one result per place in the text when it steps into functions, whichever invocation made it. Stepping over them gives
  // each invocation its own; a text with a barrier inside a function is left out.
  const whole = patched(WgslDebug.prototype, {
    stepStack(this: unknown, stack: unknown) {
      return whole.before.stepStack.call(this, stack, false);
    },
  });
  // It evaluates both sides of && and ||, also where the left one guards an index in the right one.
  const lazy = patched(WgslExec.prototype, {
    _evalBinaryOpValue(this: WgslExec, node: BinaryOperator, context: ExecContext) {
      if (node.operator !== "&&" && node.operator !== "||")
        return lazy.before._evalBinaryOpValue.call(this, node, context);
      const left = this.evalExpression(node.left, context);
      const decided = left instanceof ScalarData && Boolean(left.value) === (node.operator === "||");
      return decided ? left : this.evalExpression(node.right, context);
    },
  });
  try {
    return run();
  } finally {
    whole();
    lazy();
  }
}

type BinaryOperator = Parameters<WgslExec["_evalBinaryOpValue"]>[0];
type ExecContext = Parameters<WgslExec["evalExpression"]>[1];
