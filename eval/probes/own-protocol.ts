// The protocol of a data set: the official one of the paper's, and for anybody's own shards what their labels allow.
import { basename, resolve } from "node:path";
import { labelsIn } from "../../data/sets/own.ts";
import type { SetName } from "../../data/sets/switches.ts";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { labelsTask, labelTask, type Protocol, protocols, type Task, valuesTask } from "./protocol.ts";

/** `root` is the folder of the set's shards, which only one's own need here. */
export async function protocolOf(name: SetName, root?: string): Promise<Protocol> {
  if (name !== "own") return protocols[name];
  if (root === undefined)
    throw new UsageError("--data <folder> is needed: your shards; or --features <file> with --labels <file.csv>");
  return ownProtocol(root);
}

async function ownProtocol(root: string): Promise<Protocol> {
  const folder = basename(resolve(root));
  const { splits, categories, single, dimensions } = await labelsIn(root);
  const [fit, ...on] = splits;
  if (fit !== "train" || on.length === 0)
    throw new FormatError(
      `${folder}: has ${splits.length === 0 ? "no split" : `the splits ${splits.join(", ")}`}; probes are fitted on train and read on another one, as test (docs/SHARDS.md)`,
    );
  const tasks: Task[] = [
    ...(categories.length > 0 ? [labelsTask("categories", categories)] : []),
    ...(dimensions.length > 0 ? [valuesTask("VAD", dimensions)] : []),
    ...(single ? [labelTask(single.from, single.of)] : []),
  ];
  if (tasks.length === 0)
    throw new FormatError(
      `${folder}: its clips have no labels to probe: give all of them labels.categories, labels.vad or meta.emotion (docs/SHARDS.md), or probe features of them with --features and --labels`,
    );
  return { input: "video", fit, on, tasks };
}
