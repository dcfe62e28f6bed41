// YAML as plain data: no tag is obeyed, no alias followed, no key twice.
import { LineCounter, parseDocument } from "yaml";
import { FormatError } from "../../engine/errors.ts";
import type { Json } from "./json.ts";

/** The value of a document; `name` is what messages begin with. Errors: FormatError that names the line. */
export function parseYaml(bytes: Uint8Array, name: string): Json {
  const text = decoded(bytes, name);
  const lines = new LineCounter();
  const options = { version: "1.2", schema: "core", uniqueKeys: true, stringKeys: true, lineCounter: lines } as const;
  try {
    const document = parseDocument(text, { ...options, prettyErrors: false, logLevel: "silent" });
    const [fault] = [...document.errors, ...document.warnings];
    if (fault)
      throw new FormatError(`${name}: line ${lines.linePos(fault.pos[0]).line}: ${fault.message.slice(0, 200)}`);
    return (document.toJS({ maxAliasCount: 0 }) ?? {}) as Json;
  } catch (error) {
    if (error instanceof FormatError) throw error;
    if (error instanceof RangeError) throw new FormatError(`${name}: values nested too deep`);
    throw new FormatError(`${name}: ${(error as Error).message.split("\n")[0].slice(0, 200)}`);
  }
}

function decoded(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new FormatError(`${name}: is not UTF-8`);
  }
}
