// Where a model folder's parameters begin: its model.safetensors, a checkpoint in another format beside it, one that the caller names,
// or values that are drawn.
import { posix } from "node:path";
import { describe } from "../../model/families.ts";
import { openWeights } from "../../data/formats/weights.ts";
import { type Drawn, drawnWeight } from "./drawn.ts";
import type { Folder } from "./folder.ts";
import type { TensorFile } from "./tensor-file.ts";

/** Values by parameter name; of names that the file lacks, undefined. */
export interface Start {
  values(name: string, shape: readonly number[]): Promise<ArrayLike<number> | undefined>;
  close(): Promise<void>;
}

/** Opens the values that the model in `path` of the folder begins with. */
export async function openStart(folder: Folder, path: string): Promise<Start> {
  const drawn = folder.drawn(path);
  if (drawn) return drawnStart(drawn);
  const file = folder.weights(path)!;
  return posix.basename(file) === "model.safetensors" ? wholeFile(folder.tensors(file)) : checkpoint(folder.path(file));
}

const drawnStart = (drawn: Drawn): Start => ({
  values: async (name, shape) => drawnWeight(name, shape, drawn),
  close: async () => {},
});

const wholeFile = (file: TensorFile): Start => ({
  values: async (name) => (file.has(name) ? file.tensor(name).data : undefined),
  close: async () => {},
});

/** Any file that the product reads, under the official names. */
async function checkpoint(path: string): Promise<Start> {
  const file = await openWeights(path);
  const { names } = describe(file).layout;
  return {
    values: async (name) => {
      const stored = names.get(name);
      return stored === undefined ? undefined : await file.floats(stored);
    },
    close: () => file.close(),
  };
}
