// What a file of other weights is, as far as its names tell: for the message that refuses it.
import { quoted } from "../../data/formats/json.ts";

/** Whose names these are; the first that fits. Special ones stand before those that they are made of. */
const families: readonly (readonly [RegExp, string])[] = [
  [/(^|\.)visual\.trunk\./, "OpenCLIP with a frame tower of timm"],
  [/(^|\.)vision_model\.head\.(probe|attention)/, "SigLIP"],
  [/(^|\.)(mit\.|prompts_generator\.|vision_model\.encoder\.layers\.\d+\.message_)/, "X-CLIP"],
  [/(^|\.)(qformer|query_tokens|language_projection)/i, "BLIP-2"],
  [/(^|\.)text_(encoder|decoder)\.(bert|embeddings|encoder)\./, "BLIP"],
  [/(^|\.)(dino_head|student|teacher)\.(backbone\.)?.*(blocks\.\d+|patch_embed|layer\d)\.?/, "DINO"],
  [/(^|\.)blocks\.\d+\.ls1\.gamma$|(^|\.)encoder\.layer\.\d+\.layer_scale1\./, "DINOv2"],
  [/(^|\.)(decoder_embed|decoder_blocks|mask_token)(\.|$)/, "a masked autoencoder"],
  [/(^|\.)layers\.\d+\.blocks\.\d+\.attn\.relative_position_bias_table$/, "a Swin Transformer"],
  [/(^|\.)(blocks\.\d+\.attn\.qkv|patch_embed\.proj)\.(weight|bias)$/, "a ViT of timm"],
  [/(^|\.)embeddings\.patch_embeddings\.projection\./, "a ViT of Hugging Face"],
  [/(^|\.)(encoder\.layers\.encoder_layer_\d+|conv_proj)\./, "a ViT of torchvision"],
  [
    /(^|\.)embeddings\.word_embeddings\.weight$|(^|\.)encoder\.layer\.\d+\.attention\.self\.query\./,
    "BERT or a kin of it",
  ],
  [/(^|\.)(h\.\d+\.attn\.c_attn|wte)\.weight$/, "GPT-2"],
  [/(^|\.)layers\.\d+\.self_attn\.q_proj\.weight$/, "a language model such as LLaMA or OPT"],
  [/(^|\.)(encoder|decoder)\.block\.\d+\.layer\.\d+\./, "T5"],
  [/(^|\.)(down_blocks|up_blocks|first_stage_model|diffusion_model)\./, "a diffusion model"],
  [/(^|\.)layer[1-4]\.\d+\.(conv|bn)\d\./, "a ResNet"],
  [/(^|\.)features\.\d+\..*(weight|bias)$/, "a convolutional network of torchvision"],
  [/(^|\.)exp_avg(_sq)?$/, "the state of an optimizer, without a model"],
];

/** Whose names these are, by the first kind that any of them is of. */
export function foreignFamily(names: readonly string[]): string | undefined {
  return families.find(([known]) => names.some((name) => known.test(name)))?.[1];
}

/** What is taken, for a message. */
const taken =
  "EmotionCLIP's checkpoints and CLIP's with a ViT are taken, of OpenCLIP, OpenAI and Hugging Face (visual.conv1.weight or vision_model.embeddings.patch_embedding.weight)";

/** Why a file is none of ours: how many tensors, the first names, whose they are, and what would be taken. */
export function foreignReason(names: readonly string[]): string {
  const first = names.slice(0, 3).map(quoted).join(", ");
  const family = foreignFamily(names);
  const seen = [
    `none of its ${names.length} tensors has a name of CLIP`,
    ...(names.length ? [`the first ${names.length > 3 ? "3 are" : names.length > 1 ? "are" : "is"} ${first}`] : []),
    ...(family ? [`these are the names of ${family}`] : []),
  ];
  return `${seen.join("; ")}. ${taken}`;
}
