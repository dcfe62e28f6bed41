// What a PyTorch file holds besides numbers, as text and back: so that a safetensors file made from it keeps the state of its
// training. Dicts may have numbers as keys and lists may hold tensors, so every value but the plain ones is tagged.
import { type Json, parseJson, quoted } from "../../data/formats/json.ts";
import { FormatError } from "../../engine/errors.ts";
import { type Content, Inert, TensorRef } from "../../data/formats/content.ts";

const deepest = 16; // four of JSON for each level of content, and parseJson allows 64

/** Content -> JSON text; tensors become their names, and those that `isKept` does not know become null. */
export function contentToJson(content: Content, isKept: (tensor: string) => boolean): string {
  const json = (value: Content, depth: number): Json => {
    if (depth > deepest) throw new FormatError(`content nested more than ${deepest} deep`);
    if (value instanceof Map) {
      return { dict: Array.from(value, ([key, inner]): Json => [key, json(inner, depth + 1)]) };
    }
    if (Array.isArray(value)) return value.map((inner: Content) => json(inner, depth + 1));
    if (value instanceof TensorRef) return isKept(value.name) ? { tensor: value.name } : null;
    if (value instanceof Inert) return { inert: value.name };
    if (value instanceof Uint8Array) return null;
    if (typeof value === "bigint") return { int: String(value) };
    if (typeof value === "number" && !Number.isFinite(value)) return { float: String(value) };
    return value as Json;
  };
  return JSON.stringify(json(content, 0));
}

/** The tree of a file's content: of a safetensors file that keeps one as text, that. */
export function keptContent(content: Content, where: string): Content {
  const metadata = content instanceof Map ? content.get("__metadata__") : undefined;
  const text = metadata instanceof Map ? metadata.get("content") : undefined;
  return typeof text === "string" ? contentFromJson(text, `${where}: metadata content`) : content;
}

/** The inverse; `where` begins messages. */
export function contentFromJson(text: string, where: string): Content {
  const fail = (what: string): never => {
    throw new FormatError(`${where}: ${what}`);
  };
  const content = (value: Json): Content => {
    if (Array.isArray(value)) return value.map(content);
    if (value === null || typeof value !== "object") return value;
    const [[tag, inner], ...more] = Object.entries(value);
    if (more.length) fail(`an object of ${more.length + 1} fields; one is expected`);
    if (tag === "dict" && Array.isArray(inner)) return new Map(inner.map(pair));
    if (typeof inner !== "string") return fail(`a value tagged ${quoted(tag)} that is no text`);
    if (tag === "tensor") return new TensorRef(inner);
    if (tag === "inert") return new Inert(inner);
    if (tag === "int" && /^-?\d{1,400}$/.test(inner)) return BigInt(inner);
    if (tag === "float" && /^(NaN|-?Infinity)$/.test(inner)) return Number(inner);
    return fail(`an unknown tag ${quoted(tag)}`);
  };
  const pair = (entry: Json): [string | number, Content] => {
    const [key, value] = Array.isArray(entry) && entry.length === 2 ? entry : fail("a dict's entry that is no pair");
    if (typeof key !== "string" && typeof key !== "number") return fail("a key that is neither text nor number");
    return [key, content(value)];
  };
  return content(parseJson(new TextEncoder().encode(text), where));
}
