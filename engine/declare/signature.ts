// Signatures with shape suffixes: "x_ND gain_D -> y_ND". Types, parser, and the binding of axes to sizes.
// An upper-case letter is an axis, a digit a fixed length; N in first place folds all leading axes into one.
import { ShapeError } from "../errors.ts";
import { takes } from "../takes.ts";

/** Element types. `T` in a signature is the op's storage type, the same for all its tensors: one of those it is declared for. */
export type Dtype = "f32" | "f16" | "u32" | "i32";

/** Types with fractions, and gradients: what a tensor is of where nothing else is said. */
export type Float = "f32" | "f16";

/** A type as tensors have it: f32 and f16 are told apart when a program runs. */
export type TypeClass<D extends Dtype> = D extends Float ? Float : D;

/** Storage types of an op that says nothing else. */
export const floats: readonly Float[] = ["f32", "f16"];
/** Those of an op that computes with whole numbers. */
export const wholes: readonly ("u32" | "i32")[] = ["u32", "i32"];
/** Those of an op that moves elements, or whose kernel says the same of all numbers. */
export const anyType: readonly Dtype[] = [...floats, ...wholes];

/** Whether elements of this type are integers: exact, and without gradient. */
export const isWholeType = (dtype: Dtype): dtype is "u32" | "i32" => dtype === "u32" || dtype === "i32";

/** One tensor of a signature: `tokens_NW:u32` is { name: "tokens", axes: ["N", "W"], dtype: "u32" }. */
export interface Term {
  readonly text: string;
  readonly name: string;
  readonly axes: readonly string[];
  /** The first axis is N: it stands for any number of leading axes. */
  readonly folds: boolean;
  readonly dtype: Dtype | "T";
}

export interface Signature {
  readonly text: string;
  readonly inputs: readonly Term[];
  readonly outputs: readonly Term[];
}

const termPattern = /^([a-zA-Z][a-zA-Z0-9]*)(?:_([A-Z0-9]+))?(?::(f32|f16|u32|i32))?$/;

function parseTerm(text: string, where: string): Term {
  const found = termPattern.exec(text);
  if (!found) throw new ShapeError(`signature "${where}": cannot read "${text}"; expected name_AXES or name_AXES:type`);
  const axes = [...(found[2] ?? "")];
  return { text, name: found[1], axes, folds: axes[0] === "N", dtype: (found[3] as Dtype | undefined) ?? "T" };
}

/** Parses "a_NK b_KM -> y_NM"; either side may be empty. */
export function parseSignature(text: string): Signature {
  takes("parseSignature(text: text)", arguments);
  const sides = text.split("->");
  if (sides.length !== 2) throw new ShapeError(`signature "${text}": expected one "->"`);
  const [inputs, outputs] = sides.map((side) => {
    const terms = side.trim().split(/\s+/).filter(Boolean);
    return terms.map((term) => parseTerm(term, text));
  });
  return { text, inputs, outputs };
}

/** The letters of a term's axes, without digits. */
export const lettersOf = (term: Term): string[] => term.axes.filter((axis) => axis >= "A");

/** Sizes of the axes, by letter. */
export type Sizes = Record<string, number>;

/** Bytes of one element. */
export const bytesPer = (dtype: Dtype): number => (dtype === "f16" ? 2 : 4);

/** Number of elements of a term under these sizes. */
export function numelOf(term: Term, sizes: Sizes): number {
  let n = 1;
  for (const axis of term.axes) n *= axis >= "A" ? sizes[axis] : Number(axis);
  return n;
}

/** A ShapeError in the engine's form: the op, what disagrees, what was expected and received. */
export function shapeError(
  op: { name: string; sig: Signature },
  what: string,
  shapes: readonly (readonly number[])[],
): ShapeError {
  takes("shapeError(op: object | function, what: text, shapes: any[])", arguments);
  const received = op.sig.inputs.map((term, i) => `${term.name}[${shapes[i]?.join(",") ?? "missing"}]`).join("  ");
  return new ShapeError(
    `${op.name}: ${what}\n  expected  ${op.sig.inputs.map((term) => term.text).join("  ")}\n  received  ${received}`,
  );
}

/** What a tensor is to a signature. */
export interface Shaped {
  readonly shape: readonly number[];
  readonly dtype: Dtype;
}

/** The axes' sizes as the shapes of the inputs give them, the leading axes behind `N`, and the storage type. */
export interface BoundAxes {
  readonly dims: Sizes;
  readonly lead: readonly number[];
  /** Undefined where no input is of type T. */
  readonly T: Dtype | undefined;
}

/** What binding needs of an op. */
export interface Typed {
  readonly name: string;
  readonly sig: Signature;
  /** What `T` may be. */
  readonly storage: readonly Dtype[];
}

/** Binds a signature's axes to sizes. Errors: ShapeError where a rank, a type or a size does not fit. */
export function bindAxes(op: Typed, tensors: readonly Shaped[]): BoundAxes {
  const dims: Sizes = {};
  let lead: readonly number[] | undefined;
  let T: Dtype | undefined;
  const refuse = (what: string): never => {
    throw shapeError(
      op,
      what,
      tensors.map((t) => t?.shape),
    );
  };
  for (let i = 0; i < op.sig.inputs.length; i++) {
    const term = op.sig.inputs[i];
    const { shape, dtype } = tensors[i];
    if (term.dtype === "T") {
      if (T === undefined && op.storage.includes(dtype)) T = dtype;
      if (dtype !== T) refuse(otherType(term, dtype, T ? [T] : op.storage));
    } else if (dtype !== term.dtype) refuse(otherType(term, dtype, [term.dtype]));
    const folded = term.folds ? shape.length - term.axes.length + 1 : 0;
    if (term.folds ? folded < 0 : shape.length !== term.axes.length)
      refuse(`${term.text} has ${term.axes.length} axes${term.folds ? " or more" : ""}, received [${shape}]`);
    if (term.folds && lead === undefined) lead = shape.slice(0, folded);
    for (let a = 0; a < term.axes.length; a++) {
      const axis = term.axes[a];
      const size = term.folds ? (a === 0 ? product(shape, folded) : shape[a + folded - 1]) : shape[a];
      const known = axis >= "A" ? dims[axis] : Number(axis);
      if (known === undefined) dims[axis] = size;
      else if (known !== size)
        refuse(`${term.text} has ${axis >= "A" ? `${axis} = ` : "length "}${size}, expected ${known}`);
    }
  }
  return { dims, lead: lead ?? [], T };
}

const otherType = ({ name, text }: Term, found: Dtype, expected: readonly Dtype[]): string =>
  `${text} is ${found}, expected ${expected.join(" or ")}; cast(${name}, "${expected[0]}") converts`;

function product(shape: readonly number[], count: number): number {
  let n = 1;
  for (let i = 0; i < count; i++) n *= shape[i];
  return n;
}

/** The shape of an output: its axes, with the leading ones back in place of `N`. */
export function shapeOf(term: Term, dims: Sizes, lead: readonly number[]): number[] {
  const sizes = term.axes.map((axis) => (axis >= "A" ? dims[axis] : Number(axis)));
  return term.folds && product(lead, lead.length) === sizes[0] ? [...lead, ...sizes.slice(1)] : sizes;
}

// ---- types -----------------------------------------------------------------------------------------------------

type Digit = "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9";
type Letters<S extends string> = S extends `${infer C}${infer R}` ? (C extends Digit ? never : C) | Letters<R> : never;
type Words<S extends string> = S extends "" ? [] : S extends `${infer H} ${infer R}` ? [H, ...Words<R>] : [S];
type Untyped<W extends string> = W extends `${infer A}:${string}` ? A : W;
type AxesOfWord<W extends string> = W extends string
  ? Untyped<W> extends `${string}_${infer A}`
    ? Letters<A>
    : never
  : never;
type NameOfWord<W extends string> = W extends string
  ? Untyped<W> extends `${infer A}_${string}`
    ? A
    : Untyped<W>
  : never;
type Left<S extends string> = S extends `${infer L} -> ${string}` ? L : S extends `-> ${string}` ? "" : never;
type Right<S extends string> = S extends `${string}-> ${infer R}` ? R : never;

/** The axis letters that a signature mentions. */
export type AxesIn<S extends string> = AxesOfWord<[...Words<Left<S>>, ...Words<Right<S>>][number]>;
/** The names of a signature's inputs, in order. */
export type InputWords<S extends string> = Words<Left<S>>;
export type InputNames<S extends string> = Words<Left<S>> extends [] ? never : NameOfWord<Words<Left<S>>[number]>;
type Fresh<Ws extends string[], Known> = Ws extends [infer H extends string, ...infer R extends string[]]
  ? NameOfWord<H> extends Known
    ? Fresh<R, Known>
    : [H, ...Fresh<R, Known>]
  : [];
/** The outputs that are not updates in place. */
export type FreshOutputs<S extends string> = Fresh<Words<Right<S>>, InputNames<S>>;
/** Every tensor name of a signature. */
export type NamesIn<S extends string> = NameOfWord<[...Words<Left<S>>, ...Words<Right<S>>][number]>;
/** Sizes by axis, as grids, references and costs receive them. */
export type Dims<S extends string> = { readonly [K in AxesIn<S>]: number };
