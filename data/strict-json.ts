// JSON from files we do not trust: strict UTF-8, bounded size and depth, no duplicate keys (JSON.parse hides them), no
// number that overflows; and readers for the fields of an object that say what was found and what is allowed.
import { FormatError, nearest } from "../engine/errors.ts";
import { quoted, shown } from "./quoted.ts";

const DEPTH = 64;
const strict = new TextDecoder("utf-8", { fatal: true });

/** The value of a JSON document of at most `limit` bytes; messages begin with `name`. */
export function parseStrict(bytes: Uint8Array, name: string, limit: number): unknown {
  const refuse = (why: string) => new FormatError(`${name}: ${why}`);
  if (bytes.length > limit) throw refuse(`${bytes.length} bytes of JSON, allowed are ${limit}`);
  let text: string;
  try {
    text = strict.decode(bytes);
  } catch {
    throw refuse("is not valid UTF-8");
  }
  const fault = structureFault(text);
  if (fault) throw refuse(fault);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw refuse(`is not valid JSON: ${quoted((error as Error).message)}`);
  }
}

/** Depth, duplicate keys and overflowing numbers; all other grammar is JSON.parse's business. */
function structureFault(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = []; // the keys of each open object; undefined for a list
  const token = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[{}[\]]/gs;
  for (let match = token.exec(text); match; match = token.exec(text)) {
    const [found] = match;
    if (found === "{" || found === "[") {
      open.push(found === "{" ? new Set() : undefined);
      if (open.length > DEPTH) return `is nested deeper than ${DEPTH}`;
    } else if (found === "}" || found === "]") {
      open.pop();
    } else if (found[0] !== '"') {
      if (Math.abs(Number(found)) === Number.POSITIVE_INFINITY) return `number ${quoted(found)} is too large`;
    } else if (isKey(text, token.lastIndex)) {
      const keys = open.at(-1);
      const key = unescaped(found);
      if (keys?.has(key)) return `has the key ${quoted(key)} twice`;
      keys?.add(key);
    }
  }
  return undefined;
}

function isKey(text: string, at: number): boolean {
  while (at < text.length && " \t\r\n".includes(text[at])) at++;
  return text[at] === ":";
}

function unescaped(literal: string): string {
  if (!literal.includes("\\")) return literal.slice(1, -1);
  try {
    return JSON.parse(literal);
  } catch {
    return literal; // JSON.parse of the whole refuses it in a moment
  }
}

/** Reads the fields of one object; every refusal begins with `name` and the field's path. */
export class Fields {
  private readonly fields: Map<string, unknown>;

  constructor(
    value: unknown,
    readonly name: string,
    readonly path: string,
    known: readonly string[],
  ) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new FormatError(`${name}: ${path || "the top"} is ${shown(value)}, expected an object`);
    this.fields = new Map(Object.entries(value));
    for (const key of this.fields.keys()) {
      if (known.includes(key)) continue;
      const guess = nearest(key, known);
      throw new FormatError(
        `${name}: unknown field ${quoted(this.pathOf(key))}, ${guess ? `did you mean ${guess}?` : `known are ${known.join(", ")}`}`,
      );
    }
  }

  has(key: string): boolean {
    return this.fields.has(key);
  }

  get(key: string): unknown {
    return this.fields.get(key);
  }

  text(key: string, { min = 0, max = 4096 } = {}): string {
    const value = this.fields.get(key);
    if (typeof value !== "string") return this.refuse(key, value, "a string");
    if (value.length < min || value.length > max)
      return this.refuse(key, `${value.length} characters`, `${min} to ${max}`);
    return value;
  }

  whole(key: string, min: number, max: number): number {
    const value = this.fields.get(key);
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max)
      return this.refuse(key, value, `a whole number from ${min} to ${max}`);
    return value as number;
  }

  real(key: string, min: number, max: number): number {
    const value = this.fields.get(key);
    if (typeof value !== "number" || !(value >= min && value <= max))
      return this.refuse(key, value, `a number from ${min} to ${max}`);
    return value;
  }

  list(key: string, min = 0, max = 2 ** 24): unknown[] {
    const value = this.fields.get(key);
    if (!Array.isArray(value)) return this.refuse(key, value, "a list");
    if (value.length < min || value.length > max)
      return this.refuse(key, value, min === max ? `a list of ${min}` : `a list of ${min} to ${max}`);
    return value;
  }

  /** A list of finite numbers. */
  numbers(key: string, length: number): number[] {
    return this.list(key, length, length).map((value, i) => {
      if (typeof value !== "number") return this.refuse(`${key}[${i}]`, value, "a number");
      return value;
    });
  }

  refuse(key: string, found: unknown, allowed: string): never {
    const what = found === undefined ? "is missing" : `is ${shown(found)}`;
    throw new FormatError(`${this.name}: ${this.pathOf(key)} ${what}, expected ${allowed}`);
  }

  private pathOf(key: string): string {
    return this.path ? `${this.path}.${key}` : key;
  }
}
