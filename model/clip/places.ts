// Where in a file a model lies: what training tools put in front of its names, or between them, and whether one model is meant.

/** Segments that wrappers put anywhere into a name: DataParallel, torch.compile, FSDP, checkpointed blocks, DeepSpeed and Lightning Fabric. */
const wrappers = new Set([
  "module",
  "_orig_mod",
  "_fsdp_wrapped_module",
  "_checkpoint_wrapped_module",
  "_forward_module",
]);

/** Names by which a frame tower shows itself: OpenCLIP's, and Hugging Face's. */
const tower = [
  /^(backbone\.)?(visual\.(conv1|class_embedding|positional_embedding|proj|ln_|transformer|layer\d|attnpool)|transformer\.resblocks\.|token_embedding\.|text_projection|ln_final\.|positional_embedding|text\.(transformer\.resblocks|token_embedding|text_projection|ln_final|positional_embedding))/,
  /^(vision_model\.(embeddings|encoder|pre_layr?norm|pre_layernorm|post_layernorm)\.|text_model\.(embeddings|encoder|final_layer_norm)\.)/,
];

/** What only one tensor of a model has for its name. */
const once = /^(backbone\.)?(visual\.conv1\.weight|vision_model\.embeddings\.patch_embedding\.weight)$/;

/** The names of a file below one prefix that are a model's. */
export interface ModelPlace {
  /** In front of the model's names: "model.", "state_dict.module.", mostly nothing. */
  readonly prefix: string;
  /** How many of them are those of a tower. */
  readonly count: number;
  /** Whether it has the first weight of a frame tower. */
  readonly isWhole: boolean;
}

/** A name without what wrappers put into it. */
export const plainName = (name: string): string =>
  name
    .split(".")
    .filter((segment) => !wrappers.has(segment))
    .join(".");

/** All places where names of a tower begin, most names first. */
export function placesIn(names: Iterable<string>): ModelPlace[] {
  const found = new Map<string, { count: number; isWhole: boolean }>();
  for (const name of names) {
    const place = placeOf(name);
    if (!place) continue;
    const before = found.get(place.prefix) ?? { count: 0, isWhole: false };
    found.set(place.prefix, { count: before.count + 1, isWhole: before.isWhole || place.isWhole });
  }
  return Array.from(found, ([prefix, place]) => ({ prefix, ...place })).sort((a, b) => b.count - a.count);
}

/** Segments that may stand in front of a model's names. */
const deepest = 12;

/** Nearest to the front of a name where that of a tower begins. */
function placeOf(name: string): { prefix: string; isWhole: boolean } | undefined {
  let at = 0;
  for (let depth = 0; depth < deepest && at >= 0; depth++, at = nextSegment(name, at)) {
    if (wrappers.has(name.slice(at, name.indexOf(".", at)))) continue;
    const local = plainName(name.slice(at));
    if (tower.some((known) => known.test(local))) return { prefix: name.slice(0, at), isWhole: once.test(local) };
  }
  return undefined;
}

/** Where the segment behind that at `at` begins; -1 of the last. */
function nextSegment(name: string, at: number): number {
  const dot = name.indexOf(".", at);
  return dot < 0 ? -1 : dot + 1;
}
