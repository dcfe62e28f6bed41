// One of several models in a file: what lies below a prefix.
import { basename } from "node:path";
import { UsageError } from "../../engine/errors.ts";
import { TensorRef } from "./content.ts";
import { quoted } from "./json.ts";
import type { WeightFile } from "./weights.ts";

/** The part of a file whose names begin with `prefix`, under their rest; UsageError where there is none. */
export function below(file: WeightFile, prefix: string): WeightFile {
  const names = [...file.tensors.keys()].filter((name) => name.startsWith(prefix) && name !== prefix);
  if (names.length === 0)
    throw new UsageError(`${basename(file.path)}: --prefix: no tensor's name begins with ${quoted(prefix)}`);
  const rest = (name: string) => name.slice(prefix.length);
  return {
    ...file,
    tensors: new Map(names.map((name) => [rest(name), file.tensors.get(name)!])),
    content: new Map(names.map((name) => [rest(name), new TensorRef(rest(name))])),
    floats: (name) => file.floats(prefix + name),
    bytes: (name) => file.bytes(prefix + name),
    chunks: (name, room) => file.chunks(prefix + name, room),
  };
}
