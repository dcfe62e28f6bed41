// Readers for the fields of an object from JSON, which say what was found and what is allowed.
import { FormatError, nearest } from "../../engine/errors.ts";
import { quoted } from "./json.ts";

/** Reads the fields of one object; every refusal begins with `name` and the field's path. */
export class Fields {
  private readonly fields: Map<string, unknown>;

  constructor(
    value: unknown,
    readonly name: string,
    readonly path: string,
    /** Fields that there may be; without them any. */
    known?: readonly string[],
  ) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new FormatError(`${name}: ${path || "the top"} is ${shown(value)}, expected an object`);
    this.fields = new Map(Object.entries(value));
    for (const key of this.fields.keys()) {
      if (!known || known.includes(key)) continue;
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

  /** A list of finite numbers, none further from 0 than `most`. */
  numbers(key: string, length: number, most = Number.MAX_VALUE): number[] {
    return this.list(key, length, length).map((value, i) => {
      if (typeof value !== "number") return this.refuse(`${key}[${i}]`, value, "a number");
      if (!(Math.abs(value) <= most)) return this.refuse(`${key}[${i}]`, value, `a number from -${most} to ${most}`);
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

/** A value from JSON as a message may show it. */
function shown(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return value === null ? "null" : typeof value === "object" ? "an object" : String(value);
}
