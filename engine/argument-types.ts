// The types of arguments, read from a line of text (takes.ts): words of kinds.ts, "literals", { fields }, [] of any of
// them, and | between them. What does not fit is said by the place where it does not.
import { nearest, UsageError } from "./errors.ts";
import { inWords, isPromise, type ArgumentKind, argumentKind } from "./kinds.ts";

/** Where a value does not fit: its name, and why, as a sentence goes on after it. */
export interface Fault {
  readonly why: string;
  readonly error: ArgumentKind["error"];
}

export interface Type {
  /** Ends the sentence "expected …". */
  readonly what: string;
  readonly error: ArgumentKind["error"];
  /** Whether a value is of this form, whatever its parts are. */
  isLike(value: unknown): boolean;
  fault(value: unknown, path: string): Fault | undefined;
}

export interface Parameter {
  readonly name: string;
  readonly optional: boolean;
  readonly type: Type;
}

/** One value does not fit at all. */
function misfit(value: unknown, path: string, { what, error }: Pick<Type, "what" | "error">): Fault {
  if (isPromise(value)) return { why: `${path} is a promise; await it first`, error };
  if (value === undefined) return { why: `${path} is missing; expected ${what}`, error };
  return { why: `${path} is ${inWords(value)}; expected ${what}`, error };
}

// ---- types ------------------------------------------------------------------------------------------------------

function ofKind(word: string): Type {
  // Words may be added after a signature was first read.
  const kind = () => argumentKind(word);
  return {
    get what() {
      return kind().what;
    },
    get error() {
      return kind().error;
    },
    isLike: (value) => kind().is(value),
    fault: (value, path) => (kind().is(value) ? undefined : misfit(value, path, kind())),
  };
}

function literal(text: string): Type {
  const what = JSON.stringify(text);
  const isLike = (value: unknown) => value === text;
  return {
    what,
    error: UsageError,
    isLike,
    fault: (value, path) => (isLike(value) ? undefined : misfit(value, path, { what, error: UsageError })),
  };
}

function arrayOf(item: Type): Type {
  const self: Type = {
    get what() {
      return `an array, each ${item.what}`;
    },
    get error() {
      return item.error;
    },
    isLike: Array.isArray,
    fault(value, path) {
      if (!Array.isArray(value)) return misfit(value, path, self);
      for (let i = 0; i < value.length; i++) {
        const fault = item.fault(value[i], `${path}[${i}]`);
        if (fault) return fault;
      }
      return undefined;
    },
  };
  return self;
}

function record(fields: readonly Parameter[], isOpen: boolean): Type {
  const names = fields.map(({ name }) => name);
  const what = `an object with ${names.join(", ")}`;
  const isLike = (value: unknown) => argumentKind("object").is(value) && !isPromise(value);
  return {
    what,
    error: UsageError,
    isLike,
    fault(value, path) {
      if (!isLike(value)) return misfit(value, path, { what, error: UsageError });
      const given = value as Record<string, unknown>;
      for (const { name, optional, type } of fields) {
        if (given[name] === undefined && optional) continue;
        const fault = type.fault(given[name], `${path}.${name}`);
        if (fault) return fault;
      }
      const unknown = isOpen ? undefined : Object.keys(given).find((key) => !names.includes(key));
      return unknown === undefined ? undefined : { why: unknownName(path, unknown, names), error: UsageError };
    },
  };
}

/** The sentence for a name that an object of options does not have. */
function unknownName(where: string, name: string, known: readonly string[]): string {
  const close = nearest(name, known);
  const rest = `it has ${known.join(", ") || "none"}`;
  return `${where} has no "${name}"; ${close ? `did you mean ${close}? ${rest}` : rest}`;
}

function oneOf(all: readonly Type[]): Type {
  const what = () => all.map((type) => type.what).join(" or ");
  const { error } = all[0];
  return {
    get what() {
      return what();
    },
    error,
    isLike: (value) => all.some((type) => type.isLike(value)),
    fault(value, path) {
      let closest: Fault | undefined; // no sentence is made for what the value is not even like: calls of ops come here
      for (const type of all) {
        if (!type.isLike(value)) continue;
        const fault = type.fault(value, path);
        if (!fault) return undefined;
        closest ??= fault;
      }
      return closest ?? misfit(value, path, { what: what(), error });
    },
  };
}

// ---- the text ---------------------------------------------------------------------------------------------------

/** The words of a signature, one after another. */
class Words {
  readonly #all: string[];
  #at = 0;

  constructor(readonly text: string) {
    this.#all = text.match(/"[^"]*"|\.\.\.|[\w$]+|[?:|{}()[\],]/g) ?? [];
  }

  get next(): string | undefined {
    return this.#all[this.#at];
  }

  take(): string {
    return this.#all[this.#at++];
  }

  /** Takes the word where it comes next. */
  has(word: string): boolean {
    if (this.next !== word) return false;
    this.#at++;
    return true;
  }
}

/** The parameters of "x: tensor, axis?: whole)", which a closing bracket ends, and whether "..." allows more. */
export const parametersOf = (text: string): { list: readonly Parameter[]; isOpen: boolean } =>
  parseParameters(new Words(text), ")");

/** One type, as "tensor | number". */
export const typeOf = (text: string): Type => parseType(new Words(text));

function parseParameters(words: Words, end: string): { list: Parameter[]; isOpen: boolean } {
  const list: Parameter[] = [];
  let isOpen = false;
  while (!words.has(end)) {
    if (words.next === undefined) throw new Error(`"${words.text}" does not end`);
    if (words.has("...")) isOpen = true;
    else {
      const name = words.take();
      const optional = words.has("?");
      if (!words.has(":")) throw new Error(`"${words.text}": ${name} has no type`);
      list.push({ name, optional, type: parseType(words) });
    }
    words.has(",");
  }
  return { list, isOpen };
}

function parseType(words: Words): Type {
  const all = [parseOne(words)];
  while (words.has("|")) all.push(parseOne(words));
  return all.length === 1 ? all[0] : oneOf(all);
}

function parseOne(words: Words): Type {
  let type = parseCore(words);
  while (words.has("[")) {
    words.take();
    type = arrayOf(type);
  }
  return type;
}

function parseCore(words: Words): Type {
  if (words.has("{")) {
    const { list, isOpen } = parseParameters(words, "}");
    return record(list, isOpen);
  }
  if (words.has("(")) {
    const type = parseType(words);
    words.take();
    return type;
  }
  const word = words.take();
  return word.startsWith('"') ? literal(word.slice(1, -1)) : ofKind(word);
}
