// CLIP as Hugging Face's transformers store it: other names, queries, keys and values apart, projections transposed. Its
// config.json tells heads and activation.
import type { StoredTensor } from "../../data/formats/content.ts";
import type { MadeTensor } from "../../data/formats/made.ts";

/** Names below a prefix that are told apart from OpenCLIP's. */
export const isHuggingFace = (local: string): boolean => /^(vision_model|text_model)\./.test(local);

/** Theirs -> ours, of what has one place. */
const names: readonly (readonly [RegExp, string])[] = [
  [/^vision_model\.embeddings\.class_embedding$/, "visual.class_embedding"],
  [/^vision_model\.embeddings\.patch_embedding\.weight$/, "visual.conv1.weight"],
  [/^vision_model\.embeddings\.position_embedding\.weight$/, "visual.positional_embedding"],
  [/^vision_model\.pre_lay(?:e)?rnorm\./, "visual.ln_pre."], // theirs is misspelt
  [/^vision_model\.post_layernorm\./, "visual.ln_post."],
  [/^vision_model\.encoder\.layers\./, "visual.transformer.resblocks."],
  [/^text_model\.embeddings\.token_embedding\./, "token_embedding."],
  [/^text_model\.embeddings\.position_embedding\.weight$/, "positional_embedding"],
  [/^text_model\.final_layer_norm\./, "ln_final."],
  [/^text_model\.encoder\.layers\./, "transformer.resblocks."],
  [/^visual_projection\.weight$/, "visual.proj"],
  [/^text_projection\.weight$/, "text_projection"],
];

/** The same inside a block. */
const parts: readonly (readonly [RegExp, string])[] = [
  [/\.self_attn\.out_proj\./, ".attn.out_proj."],
  [/\.layer_norm([12])\./, ".ln_$1."],
  [/\.mlp\.fc1\./, ".mlp.c_fc."],
  [/\.mlp\.fc2\./, ".mlp.c_proj."],
];

/** Buffers that count positions. */
export const isCounter = (local: string): boolean =>
  /^(vision_model|text_model)\.embeddings\.position_ids$/.test(local);

/** The name of CLIP's own code for one of theirs; as it is where there is none. */
export const clipName = (local: string): string =>
  [...names, ...parts].reduce((name, [theirs, ours]) => name.replace(theirs, ours), local);

/** What stands for each of the three in `self_attn.q_proj.weight`. */
const oneOfThree = /^(.*)\.self_attn\.([qkv])_proj\.(weight|bias)$/;

/**
 * Queries, keys and values of one block in one table, as CLIP has them: by its name, with the name that stands for the three in
 * messages. `located` are names in the file by theirs. Incomplete ones are left out.
 */
export function joinedProjections(
  located: ReadonlyMap<string, string>,
  tensors: ReadonlyMap<string, StoredTensor>,
): Map<string, { readonly shown: string; readonly made: MadeTensor }> {
  const found = new Map<string, { shown: string; made: MadeTensor }>();
  for (const local of located.keys()) {
    const [, block, which, kind] = oneOfThree.exec(local) ?? [];
    if (which !== "q") continue;
    const three = ["q", "k", "v"].map((one) => located.get(`${block}.self_attn.${one}_proj.${kind}`));
    const shapes = three.map((name) => name && tensors.get(name)!.shape);
    if (!shapes.every((shape) => shape && `${shape}` === `${shapes[0]}`)) continue;
    const [rows, ...rest] = shapes[0] as readonly number[];
    found.set(clipName(`${block}.attn.in_proj_${kind}`), {
      shown: three[0]!.replace(/\.q_proj\.(weight|bias)$/, ".{q,k,v}_proj.$1"),
      made: { parts: three as string[], shape: [3 * rows, ...rest] },
    });
  }
  return found;
}

/** Whether a name is one of the three. */
export const isOneOfThree = (local: string): boolean => oneOfThree.test(local);
