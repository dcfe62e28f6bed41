// What of a list was left out: counted by kind, the first ten by name.
import { FormatError } from "../../engine/errors.ts";

/** A clip of a list that cannot be made, and what kind of fault that is. */
export class Unfit extends FormatError {
  constructor(
    readonly kind: string,
    message: string,
  ) {
    super(message);
  }
}

/** The same work, but what a person could mend in the file or its boxes is a fault of this kind. */
export async function asKind<T>(kind: string, where: string, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof FormatError) || error instanceof Unfit) throw error;
    throw new Unfit(kind, `${where}: ${error.message}`);
  }
}

/** Faults that are shown by name. */
const SHOWN = 10;

/** How many of what kind there are, and the first of them. */
export interface Account {
  readonly count: number;
  readonly kinds: Readonly<Record<string, number>>;
  readonly first: readonly string[];
}

export function accountOf(faults: readonly Pick<Unfit, "kind" | "message">[]): Account {
  const kinds: Record<string, number> = {};
  for (const { kind } of faults) kinds[kind] = (kinds[kind] ?? 0) + 1;
  return { count: faults.length, kinds, first: faults.slice(0, SHOWN).map(({ message }) => message) };
}

/** The counts in a line, and the first ten in lines of their own. */
export function accountLines({ count, kinds, first }: Account): string[] {
  return [countsOf(kinds), ...first.map((line) => `  ${line}`), ...(count > first.length ? ["  …"] : [])];
}

/** `missing file 3, caption 1` */
const countsOf = (kinds: Account["kinds"]): string =>
  Object.entries(kinds)
    .map(([kind, n]) => `${kind} ${n}`)
    .join(", ");

/** A list that does not match itself or the disk. */
export class Mismatch extends FormatError {
  constructor(
    readonly file: string,
    readonly rows: number,
    readonly account: Account,
  ) {
    super(
      `${file}: ${account.count} faults in ${rows} rows (${countsOf(account.kinds)}): ${account.first[0]}; mend or remove such rows, nothing was made`,
    );
  }
}
