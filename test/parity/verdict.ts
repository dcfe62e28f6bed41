// What checking one file came to: every comparison, the worst of them, and what nothing was compared with.
import { type DigestFile, Digests } from "./digest.ts";
import type { Folder, Tolerance } from "./folder.ts";

/** The element of a comparison that is farthest from what is wanted, as a share of its tolerance. */
export interface Worst {
  readonly name: string;
  readonly share: number;
  readonly at: number;
  readonly got: number;
  readonly want: number;
}

/** The largest |got − want| as a share of its tolerance (over 1: failed), and where it is. NaN matches only NaN. */
export function deviation(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  { rtol, atol }: Tolerance,
): { share: number; at: number } {
  if (got.length !== want.length) throw new Error(`${got.length} values, but ${want.length} are wanted`);
  let worst = { share: 0, at: 0 };
  for (let i = 0; i < want.length; i++) {
    if (Object.is(got[i], want[i]) || got[i] === want[i]) continue;
    const allowed = atol + rtol * Math.abs(want[i]);
    const share = Math.abs(got[i] - want[i]) / (allowed || Number.MIN_VALUE);
    if (!(share <= worst.share)) worst = { share: Number.isNaN(share) ? Number.POSITIVE_INFINITY : share, at: i };
  }
  return worst;
}

type Computed = ArrayLike<number> | Promise<ArrayLike<number>>;

export class Verdict {
  readonly failures: string[] = [];
  readonly notes: string[] = [];
  worst: Worst | undefined;
  comparisons = 0;
  readonly #seen = new Set<string>();
  #digests: Digests | undefined;

  constructor(
    readonly folder: Folder,
    readonly file: string,
  ) {}

  get passed(): boolean {
    return this.failures.length === 0;
  }

  /** Digests, where the file is one of them and not of whole tensors. */
  get digests(): Digests | undefined {
    if (!this.file.endsWith(".json")) return undefined;
    return (this.#digests ??= new Digests(this.folder.json<DigestFile>(this.file)));
  }

  /** The tensors that the file holds, or holds digests of. */
  get names(): string[] {
    return (this.digests ?? this.folder.tensors(this.file)).names;
  }

  /** Compares with the tensor of this name in the file, or with its digest, within what the manifest allows it. */
  async tensor(name: string, got: Computed): Promise<void> {
    this.#seen.add(name);
    if (this.digests) {
      this.digests.compare(this, name, await got, this.folder.entry(this.file).tensors?.[name]);
      return;
    }
    const { data, shape } = this.folder.tensor(this.file, name);
    const values = await got;
    if (values.length === data.length) this.compare(name, values, data, this.folder.tolerance(this.file, name));
    else this.fail(`${name}: ${values.length} values, but the file has [${shape}]`);
  }

  /** Compares under a tolerance of the check's own; `name` is only for the reader. */
  compare(name: string, got: ArrayLike<number>, want: ArrayLike<number>, tolerance: Tolerance): void {
    this.comparisons++;
    this.#seen.add(name);
    if (got.length !== want.length) {
      this.fail(`${name}: ${got.length} values, but ${want.length} are wanted`);
      return;
    }
    const { share, at } = deviation(got, want, tolerance);
    const found = { name, share, at, got: got[at], want: want[at] };
    if (!this.worst || share > this.worst.share) this.worst = found;
    if (share > 1) this.fail(`${name}[${at}]: got ${got[at]}, want ${want[at]}: ${times(share)} its tolerance`);
  }

  /** One number under a tolerance of the check's own. */
  number(name: string, got: number, want: number, tolerance: Tolerance): void {
    this.compare(name, [got], [want], tolerance);
  }

  /** Equality of anything that is written the same in JSON. */
  same(name: string, got: unknown, want: unknown): void {
    this.comparisons++;
    this.#seen.add(name);
    const [a, b] = [JSON.stringify(got), JSON.stringify(want)];
    if (a !== b) this.fail(`${name}: got ${brief(a)}, want ${brief(b)}`);
  }

  /** Says that tensors are what others are computed from. */
  input(...names: readonly string[]): void {
    for (const name of names) this.#seen.add(name);
  }

  fail(why: string): void {
    this.failures.push(why);
  }

  /** Says something of the file, once. */
  note(what: string): void {
    if (!this.notes.includes(what)) this.notes.push(what);
  }

  /**
   * Compares what is computed with what the file has of it. `whole`: nothing computed may be absent from a file of whole tensors; of
   * digests, and elsewhere, what is absent is noted.
   */
  async all(computed: Iterable<readonly [string, () => Computed]>, whole: boolean): Promise<void> {
    const names = new Set(this.names);
    const absent: string[] = [];
    for (const [name, read] of computed)
      if (names.has(name)) await this.tensor(name, read());
      else absent.push(name);
    if (absent.length === 0) return;
    const said = `${absent.length} not in the file: ${absent.slice(0, 5).join(", ")}${absent.length > 5 ? " …" : ""}`;
    if (whole && !this.digests) this.fail(said);
    else this.note(said);
  }

  /** Tensors of the file that were neither compared nor declared an input. */
  get left(): string[] {
    const names = this.file.endsWith(".safetensors") ? this.names : (this.#digests?.names ?? []);
    return names.filter((name) => !this.#seen.has(name));
  }
}

const brief = (text: string | undefined) =>
  text === undefined || text.length <= 160 ? text : `${text.slice(0, 160)}…`;

/** 12.3 x, or what JSON has no number for in words. */
export const times = (share: number): string =>
  Number.isFinite(share) && share < 1e9 ? `${share.toPrecision(3)} x` : "beyond";
