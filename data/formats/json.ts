// JSON from files we do not trust: strict UTF-8, no duplicate keys (JSON.parse hides them), bounded depth, whole input
// consumed, and names that may be "__proto__" without harm. It scans bytes, so a reader can stop at the first fault.
import { FormatError } from "../../engine/errors.ts";

/** A value of JSON; objects have no prototype, so every key is only a key. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** An object, and neither a list nor null. */
export const isObject = (value: Json | undefined): value is { [key: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const DEPTH = 64;
/** Values of one document that become objects: 64 MB of "[],[],…" would be gigabytes of them. */
const VALUES = 400_000;

/** Text from a file as it may appear in a message: quoted, at most 80 characters, nothing a terminal would obey. */
export function quoted(text: string): string {
  const cut = text.length > 80 ? `${text.slice(0, 79)}…` : text;
  return `"${cut.replace(/[\p{C}\p{Zl}\p{Zp}"\\]/gu, escaped)}"`;
}

function escaped(char: string): string {
  return char === '"' || char === "\\" ? `\\${char}` : `\\u{${char.codePointAt(0)!.toString(16)}}`;
}

/** Reads JSON tokens off bytes. `file` is the base name that messages begin with. */
export class JsonScanner {
  at = 0;
  constructor(
    readonly bytes: Uint8Array,
    readonly file: string,
  ) {}

  fail(what: string): never {
    throw new FormatError(`${this.file}: ${what}`);
  }

  /** The next byte that is not white space, not consumed; -1 at the end. */
  peek(): number {
    const { bytes } = this;
    while (this.at < bytes.length && isSpace(bytes[this.at])) this.at++;
    return this.at < bytes.length ? bytes[this.at] : -1;
  }

  /** Consumes the character, or refuses. */
  take(char: string): void {
    if (!this.takes(char)) this.unexpected(`'${char}'`);
  }

  /** Consumes the character if it comes next. */
  takes(char: string): boolean {
    if (this.peek() !== char.charCodeAt(0)) return false;
    this.at++;
    return true;
  }

  unexpected(wanted: string): never {
    const byte = this.peek();
    const found = byte < 0 ? "the end" : byte < 128 ? quoted(String.fromCharCode(byte)) : `byte 0x${byte.toString(16)}`;
    return this.fail(`not valid JSON: ${wanted} expected at byte ${this.at}, found ${found}`);
  }

  /** Refuses the value that comes next: it is not of the kind that is wanted here. What is no JSON at all is named as such. */
  wrongKind(wanted: string, what?: string): never {
    const found = this.kindHere();
    if (!found) return this.unexpected(wanted);
    return this.fail(`${what ? `${what}: ` : ""}${wanted} expected at byte ${this.at}, received ${found}`);
  }

  /** What kind of value begins at the next byte. */
  private kindHere(): string | undefined {
    const byte = this.peek();
    if (byte === QUOTE) return "a string";
    if (byte === OBJECT) return "an object";
    if (byte === LIST) return "a list";
    if (byte === MINUS || isDigit(byte)) return "a number";
    const word = WORDS.find(([word]) => startsWith(this.bytes, this.at, word));
    return word && String.fromCharCode(...word[0]);
  }

  /** Every key of an object in turn; the caller reads the value. Duplicate keys are refused. */
  *keys(): Generator<string> {
    if (!this.takes("{")) this.wrongKind("'{'");
    if (this.takes("}")) return;
    const seen = new Set<string>();
    do {
      if (this.peek() !== QUOTE) this.unexpected("a string");
      const key = this.string();
      if (seen.has(key)) this.fail(`duplicate key ${quoted(key)}`);
      seen.add(key);
      this.take(":");
      yield key;
    } while (this.takes(","));
    this.take("}");
  }

  /** A list whose members the caller reads, at most `most` of them. */
  *members(most = Number.MAX_SAFE_INTEGER): Generator<number> {
    if (!this.takes("[")) this.wrongKind("'['");
    if (this.takes("]")) return;
    let count = 0;
    do {
      if (count === most) this.fail(`a list of more than ${most} members`);
      yield count++;
    } while (this.takes(","));
    this.take("]");
  }

  /** A string; `what` names it where it is something else. */
  string(what?: string): string {
    if (this.peek() !== QUOTE) this.wrongKind("a string", what);
    const { bytes } = this;
    const start = this.at;
    let plain = true;
    let seen = 0;
    for (let i = start + 1; i < bytes.length; i++) {
      const byte = bytes[i];
      if (byte === QUOTE) {
        this.at = i + 1;
        // Most names are short and plain ASCII; a decoder costs more than they do.
        if (plain && seen < 128 && i - start < 64) return String.fromCharCode(...bytes.subarray(start + 1, i));
        return this.text(start, plain);
      }
      seen |= byte;
      if (byte < 0x20) this.fail(`not valid JSON: control character 0x${byte.toString(16)} in a string at byte ${i}`);
      if (byte === BACKSLASH) {
        plain = false;
        i++;
      }
    }
    return this.fail("not valid JSON: a string without an end");
  }

  private text(start: number, plain: boolean): string {
    let text: string;
    try {
      const literal = decoder.decode(this.bytes.subarray(start, this.at));
      text = plain ? literal.slice(1, -1) : JSON.parse(literal);
    } catch {
      return this.fail(`not valid UTF-8 or a bad escape in the string at byte ${start}`);
    }
    if (/\p{Surrogate}/u.test(text)) this.fail(`half a surrogate pair in the string at byte ${start}`);
    return text;
  }

  /** A whole number from 0 to 2^53 − 1, written as digits. */
  count(what: string | (() => string)): number {
    const value = this.number();
    if (!Number.isSafeInteger(value) || value < 0 || !this.digitsOnly) {
      this.fail(
        `${typeof what === "string" ? what : what()} must be a whole number from 0 to 2^53 - 1, found ${this.literal}`,
      );
    }
    return value;
  }

  /** A finite number; `what` names it where it is something else. */
  number(what?: string): number {
    const byte = this.peek();
    if (byte !== MINUS && !isDigit(byte)) this.wrongKind("a number", what);
    const start = this.at;
    while (this.at < this.bytes.length && isNumeric(this.bytes[this.at])) this.at++;
    const text = decoder.decode(this.bytes.subarray(start, Math.min(this.at, start + 400)));
    this.literal = text.length > 40 ? `${text.slice(0, 39)}…` : text;
    this.digitsOnly = /^\d+$/.test(text);
    if (!/^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(text)) this.fail(`not valid JSON: bad number ${this.literal}`);
    const value = Number(text);
    if (!Number.isFinite(value)) this.fail(`number ${this.literal} is too large`);
    return value;
  }
  private values = 0;
  private literal = "";
  private digitsOnly = false;

  /** Any value, nested at most 64 deep. */
  value(depth = 0): Json {
    if (depth > DEPTH) this.fail(`nested more than ${DEPTH} deep`);
    if (++this.values > VALUES) this.fail(`more than ${VALUES} values`);
    switch (this.peek()) {
      case OBJECT: {
        const object: { [key: string]: Json } = Object.create(null);
        for (const key of this.keys()) object[key] = this.value(depth + 1);
        return object;
      }
      case LIST: {
        const list: Json[] = [];
        for (const _ of this.members()) list.push(this.value(depth + 1));
        return list;
      }
      case QUOTE:
        return this.string();
      default: {
        const word = this.word(); // null is a value, undefined is none
        return word === undefined ? this.number() : word;
      }
    }
  }

  /** Consumes true or false if it comes next. */
  truth(): boolean | undefined {
    if (this.peek() === N) return undefined;
    return this.word() as boolean | undefined;
  }

  private word(): Json | undefined {
    for (const [word, value] of WORDS) {
      if (!startsWith(this.bytes, this.at, word)) continue;
      this.at += word.length;
      return value === "null" ? null : value === "true";
    }
    return undefined;
  }

  /** Nothing but white space may follow. */
  end(): void {
    if (this.peek() >= 0) this.fail(`not valid JSON: text after the end, at byte ${this.at}`);
  }
}

/** A whole JSON document of at most `limit` bytes. */
export function parseJson(bytes: Uint8Array, file: string, limit = 64 * 2 ** 20): Json {
  const scanner = new JsonScanner(bytes, file);
  if (bytes.length > limit) scanner.fail(`${bytes.length} bytes of JSON; at most ${limit} are allowed`);
  const value = scanner.value();
  scanner.end();
  return value;
}

const QUOTE = 0x22;
const N = 0x6e;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const OBJECT = 0x7b;
const LIST = 0x5b;
const WORDS = ["null", "true", "false"].map((word) => [[...word].map((c) => c.charCodeAt(0)), word] as const);
const isSpace = (byte: number) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
const isDigit = (byte: number) => byte >= 0x30 && byte <= 0x39;
const isNumeric = (byte: number) =>
  isDigit(byte) || byte === 0x2b || byte === MINUS || byte === 0x2e || (byte | 32) === 0x65;
const startsWith = (bytes: Uint8Array, at: number, word: readonly number[]) =>
  word.every((c, i) => bytes[at + i] === c);
