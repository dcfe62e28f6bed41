// What keeping the features of frozen towers will take, before one is made.
import { captionsOf } from "../data/features/caption-rows.ts";
import { FrameNumbers } from "../data/features/frame-rows.ts";
import { type DeviceFacts, keep, placeholder, planOnly, Scope } from "../engine/index.ts";
import type { Family } from "../model/family.ts";
import { Init } from "../model/params.ts";
import { asClips, pixelPlaceholders } from "../model/pixels.ts";
import { type FrozenTowers, frozenTowersOf } from "./frozen-towers.ts";
import { framesAtOnce, type KeptClips, textsAtOnce } from "./kept-towers.ts";

/** One tower's part of it. */
export interface KeptPlan {
  readonly tower: keyof FrozenTowers;
  /** Frames that some draw may choose, or different captions. */
  readonly items: number;
  /** Of the file of rows. */
  readonly bytes: number;
  /** Arithmetic of all of them, once; a launch is as large for the last few. */
  readonly flops: number;
}

/** The towers of a model whose features are kept, and what that takes; nothing is read but what the clips say. */
export async function planKept(
  family: Family,
  config: object,
  { set, view }: Pick<KeptClips, "set" | "view">,
  facts: DeviceFacts,
): Promise<KeptPlan[]> {
  const { image, text } = frozenTowersOf(family, config);
  const model = family.build(config, new Init(0));
  const { side, context } = model.takes;
  const planOf = (tower: keyof FrozenTowers, items: number, size: number, record: () => void): KeptPlan => {
    const { flops } = planOnly(facts, Number.POSITIVE_INFINITY, () => {
      using scope = new Scope();
      void scope;
      record();
    });
    return { tower, items, bytes: 4 * items * model.embed, flops: flops * Math.ceil(items / size) };
  };
  const plans: KeptPlan[] = [];
  if (image) {
    const frames = new FrameNumbers(set, view).count;
    const size = framesAtOnce(frames, side);
    const record = () => {
      const { frames_BT3SS, mask_BTSS } = asClips(pixelPlaceholders(size, side), 1);
      keep(family.build(config, new Init(0)).encodeFrames(frames_BT3SS, mask_BTSS));
    };
    plans.push(planOf("image", frames, size, record));
  }
  if (text) {
    const captions = (await captionsOf(set, view)).length;
    const size = textsAtOnce(captions);
    const record = () => {
      const tokens_BW = placeholder([size, context], "u32");
      keep(family.build(config, new Init(0)).encodeText(tokens_BW, placeholder([size], "u32")));
    };
    plans.push(planOf("text", captions, size, record));
  }
  return plans;
}
