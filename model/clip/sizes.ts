// The sizes of CLIP's towers that the shapes in a file imply (the official builder's rules), and what they leave open.
import { CheckpointError } from "../../engine/errors.ts";
import { quoted } from "../../data/formats/json.ts";
import type { StoredTensor } from "../../data/formats/content.ts";
import type { TextConfig, TowersConfig, VisionConfig } from "./config.ts";

/** Sizes that the tensors fix: a configuration that differs belongs to another model. */
export interface TowerSizes {
  /** Rows of the frame tower's positions: patches and one. An image of 0 is one that they do not tell: no square has as many. */
  readonly rows: number;
  readonly embed: number;
  readonly vision: Pick<VisionConfig, "image" | "patch" | "width" | "layers" | "mlp">;
  readonly text: Pick<TextConfig, "context" | "vocabulary" | "width" | "layers">;
}

/** Parameters by their official names. */
export type Tensors = ReadonlyMap<string, StoredTensor>;

const mostBlocks = 256;

/** Reads the sizes off the shapes. A tensor that is needed for it and missing or impossible is a CheckpointError. */
export function towerSizes(tensors: Tensors): TowerSizes {
  refuseResnet(tensors.keys());
  const [width, , patch] = sizesIn(tensors, "backbone.visual.conv1.weight", 4);
  const [rows] = sizesIn(tensors, "backbone.visual.positional_embedding", 2);
  const grid = Math.round(Math.sqrt(rows - 1));
  const isSquare = grid >= 1 && grid ** 2 + 1 === rows;
  const [context, textWidth] = sizesIn(tensors, "backbone.positional_embedding", 2);
  return {
    rows,
    embed: sizesIn(tensors, "backbone.text_projection", 2)[1],
    vision: {
      image: isSquare ? patch * grid : 0,
      patch,
      width,
      layers: blocks(tensors, "backbone.visual.transformer.resblocks."),
      mlp: sizesIn(tensors, "backbone.visual.transformer.resblocks.0.mlp.c_fc.weight", 2)[0],
    },
    text: {
      context,
      vocabulary: sizesIn(tensors, "backbone.token_embedding.weight", 2)[0],
      width: textWidth,
      layers: blocks(tensors, "backbone.transformer.resblocks."),
    },
  };
}

/** The shape of a tensor of so many axes. Errors: CheckpointError. */
export function sizesIn(tensors: Tensors, name: string, axes: number): readonly number[] {
  const shape = tensors.get(name)?.shape;
  if (!shape) throw new CheckpointError(`no ${name}, which tells the model's sizes`);
  if (shape.length !== axes || shape.some((size) => size < 1))
    throw new CheckpointError(`${name} is [${shape}]; ${axes} axes of at least 1 are expected`);
  return shape;
}

/** Blocks below `prefix`: one more than the highest number, so that a gap shows as missing names. */
export function blocks(tensors: Tensors, prefix: string): number {
  let count = 0;
  for (const name of tensors.keys()) {
    if (!name.startsWith(prefix)) continue;
    const digits = /^\d+(?=\.)/.exec(name.slice(prefix.length))?.[0];
    if (digits) count = Math.max(count, Number(digits) + 1);
  }
  if (count > mostBlocks) throw new CheckpointError(`${prefix}${count - 1}: at most ${mostBlocks} blocks are read`);
  return count;
}

function refuseResnet(names: Iterable<string>): void {
  for (const name of names)
    if (/^backbone\.visual\.(layer\d|attnpool)\./.test(name))
      throw new CheckpointError(`a ResNet frame tower (${quoted(name)}): its kind takes no mask and is not supported`);
}

/** Heads are width/64 in all of CLIP's towers but a few published ones; undefined where the width is no multiple. */
export const headsBy64 = (width: number): number | undefined => (width % 64 === 0 ? width / 64 : undefined);

/** What only a person can answer: a grid that is no square, heads that follow no rule. */
export function openQuestion({ vision, text }: TowersConfig, { rows }: TowerSizes): string | undefined {
  if (vision.image === 0)
    return `backbone.visual.positional_embedding has ${rows} rows; a square grid has n² + 1, and of a rectangle the configuration must tell vision.image: [height, width]`;
  const open = Object.entries({ vision, text }).filter(([, { heads }]) => heads === 0);
  if (open.length === 0) return undefined;
  const list = open.map(([name, { width }]) => `${name}.heads (width ${width} is no multiple of 64)`);
  return `shapes do not tell ${list.join(" and ")}; give the model's configuration`;
}
