// The model of a recipe: made anew or of a file, with the tokenizer that it has.
import { basename } from "node:path";
import { parseJson } from "../data/formats/json.ts";
import { readRegular } from "../data/formats/regular.ts";
import type { WeightFile } from "../data/formats/weights.ts";
import { openTokenizer, type Tokenizer } from "../data/tokenizer/clip.ts";
import { clipVocabulary } from "../data/tokenizer/vocabulary.ts";
import { vocabularyOf, WordTokenizer } from "../data/tokenizer/words.ts";
import { nearest, UsageError } from "../engine/errors.ts";
import { configNamed } from "../model/checkpoint/config-file.ts";
import { prepareLoad } from "../model/checkpoint/load.ts";
import type { LoadPlan } from "../model/checkpoint/plan.ts";
import { tokenizerOf } from "../model/checkpoint/tokenizer.ts";
import type { ModelConfig } from "../model/emotionclip/config.ts";
import { emotionClip } from "../model/emotionclip/family.ts";
import { preset, presetNames } from "../model/emotionclip/presets.ts";
import { stageModel, tinyModel } from "../model/emotionclip/stage.ts";
import type { Family } from "../model/family.ts";
import { families, readConfig } from "../model/families.ts";
import { locked } from "../train/locks.ts";
import { isOwn, type Recipe, type Resolved } from "../train/recipe.ts";

/** A model before it has memory. Its vocabulary is settled by `tokenized`, for the small ones learn theirs from the captions. */
export interface Draft {
  readonly family: Family;
  readonly config: ModelConfig;
  /** The file that it begins with. */
  readonly weights?: LoadPlan;
  close(): Promise<void>;
}

const small: Readonly<Record<string, (vocabulary: number) => ModelConfig>> = { stage: stageModel, tiny: tinyModel };

/** Opens the file of weights, if any, and decides the configuration: a file tells its own where nobody names a model. Needs no GPU. */
export async function draftModel({ recipe, from }: Resolved): Promise<Draft> {
  const { resume, pretrained, seed, head, subject } = recipe;
  const path = resume ?? pretrained;
  if (path === null) {
    const { family, config } = await configOf(recipe);
    const own = withChoices(config as ModelConfig, recipe);
    family.parse(JSON.parse(JSON.stringify(own)), "model"); // what the choices make of it must be sound too
    return { family: locked(family, recipe), config: own, close: async () => {} };
  }
  const isNamed = isOwn(from.model) && !Object.hasOwn(small, recipe.model);
  const asked: Partial<ModelConfig> = isNamed ? await configNamed(recipe.model) : {};
  const override = { ...unsaid(asked, recipe.model), subject, head: { ...asked.head, kind: head } };
  const { plan, close } = await prepareLoad(path, { config: override, seed });
  const weights = isNamed && asked.activation !== undefined ? told(plan, asked.activation, recipe.model) : plan;
  return { family: locked(plan.family, recipe), config: plan.config, weights, close };
}

/**
 * What a name asks of a file's model. A published name without "-quickgelu" says nothing of the activation, as in open_clip: OpenAI's
 * weights of ViT-B-32 have QuickGELU, and the file tells.
 */
function unsaid({ activation, ...asked }: Partial<ModelConfig>, name: string): Partial<ModelConfig> {
  return activation === undefined || (activation === "gelu" && !name.endsWith(".json"))
    ? asked
    : { ...asked, activation };
}

/** The plan, with a remark where its file has another activation than the model that was named. */
function told(plan: LoadPlan, named: ModelConfig["activation"], name: string): LoadPlan {
  const { activation } = plan.config;
  if (activation === named) return plan;
  const remark = `${activation} and not ${named}, which ${name} has otherwise: as the weights tell`;
  return { ...plan, report: { ...plan.report, notes: [...plan.report.notes, remark] } };
}

/** The model's configuration with what the recipe says of it. */
const withChoices = (config: ModelConfig, { head: kind, subject }: Recipe): ModelConfig => {
  const { saam, sapIndicator, ...rest } = config;
  return {
    ...rest,
    ...(saam && subject === "saam" && { saam }),
    ...(sapIndicator && subject === "sap" && { sapIndicator }),
    head: { ...config.head, kind },
    subject,
  };
};

async function configOf({ model }: Recipe): Promise<{ family: Family; config: object }> {
  if (Object.hasOwn(small, model)) return { family: emotionClip, config: small[model](1) };
  if (!model.endsWith(".json")) return { family: families[0], config: presetOf(model) };
  const name = basename(model);
  return readConfig(parseJson(await readRegular(model, 2 ** 20, name), name, 2 ** 20), name);
}

function presetOf(name: string): ModelConfig {
  const near = presetNames.includes(name) ? undefined : nearest(name, Object.keys(small));
  if (near) throw new UsageError(`--model: unknown model "${name}" (did you mean ${near}?)`);
  return preset(name);
}

/** A model and its tokenizer. */
export interface Tokenized {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  /** The words, where the model has a tokenizer over words. */
  readonly words?: readonly string[];
}

/** The tokenizer of a draft: of its file, CLIP's, or one over the words of the captions. */
export async function tokenized(draft: Draft, recipe: Recipe, captions: readonly string[]): Promise<Tokenized> {
  const { config, weights } = draft;
  const found = await tokenizerFor(config, weights?.file, recipe, captions);
  return {
    config: { ...config, text: { ...config.text, vocabulary: found.vocabulary } },
    tokenizer: found,
    ...(found instanceof WordTokenizer && { words: found.words }),
  };
}

async function tokenizerFor(
  { text: { context, vocabulary } }: ModelConfig,
  file: WeightFile | undefined,
  { bpe, model }: Recipe,
  captions: readonly string[],
): Promise<Tokenizer> {
  if (file) return tokenizerOf(file, { context, vocabulary }, bpe ?? undefined);
  if (bpe !== null || vocabulary === clipVocabulary)
    return (await openTokenizer(bpe ?? undefined, vocabulary)).rows(context);
  const words = new WordTokenizer(vocabularyOf(captions), context);
  if (Object.hasOwn(small, model) || words.vocabulary === vocabulary) return words;
  throw new UsageError(
    `--model: ${model} has a vocabulary of ${vocabulary}; the words of these captions make ${words.vocabulary}; ` +
      "give the byte-pair table that it is for: --bpe",
  );
}
