// What a golden file says of tensors that it does not hold: their norms, sums, largest elements, and some of their elements. Gradients
// of full size are 680 MB; their digests are a few kilobytes. The format is in docs/PARITY.md.
import type { Tolerance } from "./folder.ts";

/** rtol and atol of an element; `of_max` adds that share of the tensor's largest element to atol. */
export type Allowed = Partial<Tolerance> & { readonly of_max?: number };

type Digest = Allowed & { readonly shape?: readonly number[] } & Readonly<Record<string, unknown>>;
type Values = ArrayLike<number>;

/** What emotionclip's manifests allow gradients, where neither the file nor the manifest says anything. */
const usual: Allowed = { rtol: 1e-3, atol: 1e-7, of_max: 2e-5 };

const total = (v: Values, of: (x: number) => number): number => {
  let sum = 0;
  for (let i = 0; i < v.length; i++) sum += of(v[i]);
  return sum;
};
const largest = (v: Values, of: (x: number) => number): number => {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < v.length; i++) most = Math.max(most, of(v[i]));
  return most;
};
const square = (x: number): number => x * x;
const itself = (x: number): number => x;
const normOf = (v: Values): number => Math.sqrt(total(v, square));

/**
 * A figure of a whole tensor: what it is called, its value, and what it may be off by when every element is within rtol and atol. Of
 * norms and of sums of sizes that is a bound; of sums and means it holds for errors that are independent of one another.
 */
interface Figure {
  readonly names: readonly string[];
  readonly of: (v: Values) => number;
  readonly room: (t: Tolerance, want: number, v: Values) => number;
}

const ofOne = ({ rtol, atol }: Tolerance, want: number): number => atol + rtol * Math.abs(want);
const figures: readonly Figure[] = [
  {
    names: ["norm", "l2", "l2_norm"],
    of: normOf,
    room: ({ rtol, atol }, want, { length }) => atol * Math.sqrt(length) + rtol * want,
  },
  {
    names: ["sum"],
    of: (v) => total(v, itself),
    room: ({ rtol, atol }, _, v) => atol * Math.sqrt(v.length) + rtol * normOf(v),
  },
  {
    names: ["mean"],
    of: (v) => total(v, itself) / v.length,
    room: ({ rtol, atol }, _, v) => atol / Math.sqrt(v.length) + (rtol * normOf(v)) / v.length,
  },
  {
    names: ["abs_sum", "sum_abs", "l1", "l1_norm"],
    of: (v) => total(v, Math.abs),
    room: ({ rtol, atol }, want, { length }) => atol * length + rtol * want,
  },
  { names: ["abs_mean", "mean_abs"], of: (v) => total(v, Math.abs) / v.length, room: ofOne },
  { names: ["max_abs", "abs_max", "absmax", "linf"], of: (v) => largest(v, Math.abs), room: ofOne },
  { names: ["max"], of: (v) => largest(v, itself), room: ofOne },
  { names: ["min"], of: (v) => -largest(v, (x) => -x), room: ofOne },
];

/** Elements at given places; `first` are those from the beginning. */
const places = ["at", "index", "indices"];
const elements = ["values", "samples", "elements"];

const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((v) => typeof v === "number");

/** Tensors by name, in `tensors` or at the top. */
export interface DigestFile {
  readonly tensors?: Readonly<Record<string, Digest>>;
  readonly tolerance?: Allowed;
}

/** What hears the comparisons. */
interface Judge {
  number(name: string, got: number, want: number, tolerance: Tolerance): void;
  compare(name: string, got: Values, want: Values, tolerance: Tolerance): void;
  note(what: string): void;
  fail(why: string): void;
}

/** The digests of one file, by the names of the tensors. */
export class Digests {
  readonly #tensors: Readonly<Record<string, Digest>>;
  readonly #tolerance: Allowed | undefined;

  constructor({ tensors, tolerance, ...others }: DigestFile) {
    this.#tensors = tensors ?? (others as Record<string, Digest>);
    this.#tolerance = tolerance;
  }

  get names(): string[] {
    return Object.keys(this.#tensors);
  }

  /** Compares every figure that is known; `told` is what the manifest allows the tensor. Others are noted. */
  compare(judge: Judge, name: string, got: Values, told: Allowed | undefined): void {
    const want = this.#tensors[name];
    const allowed = this.#allowed(want, told);
    if (!allowed)
      judge.note(`no tolerance is given; as gradients: rtol ${usual.rtol}, and ${usual.of_max} of the largest`);
    const { rtol = 0, atol = 0, of_max = 0 } = allowed ?? usual;
    const tolerance = { rtol, atol: atol + (of_max && of_max * largest(got, Math.abs)) };
    const { shape } = want;
    if (shape && got.length !== shape.reduce((n, size) => n * size, 1)) {
      judge.fail(`${name}: ${got.length} values, but the file has [${shape}]`);
      return;
    }
    for (const { names, of, room } of figures)
      for (const key of names) {
        const value = want[key];
        if (typeof value !== "number") continue;
        // a sum in another order: one rounding of float64 for each element at most
        const atol = room(tolerance, value, got) + 2 ** -52 * total(got, Math.abs);
        judge.number(`${name}.${key}`, of(got), value, { rtol: 2 ** -36, atol }); // figures have twelve digits
      }
    this.#elements(judge, name, got, tolerance);
    const unknown = Object.keys(want).filter((key) => !known.has(key));
    if (unknown.length > 0) judge.note(`not compared: ${unknown.join(", ")}`);
  }

  #allowed({ rtol, atol, of_max }: Digest, told: Allowed | undefined): Allowed | undefined {
    const own = rtol !== undefined || atol !== undefined ? { rtol, atol, of_max } : undefined;
    return own ?? (told?.rtol !== undefined || told?.atol !== undefined ? told : this.#tolerance);
  }

  #elements(judge: Judge, name: string, got: Values, tolerance: Tolerance): void {
    const want = this.#tensors[name];
    const listed = places.map((key) => want[key]).find(isNumbers);
    for (const key of [...elements, "first"]) {
      const values = want[key];
      if (!isNumbers(values)) continue;
      const at = key === "first" ? values.map((_, i) => i) : listed;
      if (!at || at.some((i) => !(i >= 0 && i < got.length))) judge.fail(`${name}: ${key} without places inside it`);
      else
        judge.compare(
          `${name}.${key}`,
          Float64Array.from(at, (i) => got[i]),
          values,
          tolerance,
        );
    }
  }
}

const known = new Set([
  ...figures.flatMap(({ names }) => names),
  ...[...places, ...elements, "first", "shape", "dtype", "rtol", "atol", "of_max"],
]);
