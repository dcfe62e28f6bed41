// The model of a recipe: made anew or of a file, with the tokenizer that it has.
import { basename } from "node:path";
import { parseJson } from "../data/formats/json.ts";
import { readRegular } from "../data/formats/regular.ts";
import { openTokenizer, type Tokenizer } from "../data/tokenizer/clip.ts";
import { clipVocabulary } from "../data/tokenizer/vocabulary.ts";
import { vocabularyOf, WordTokenizer } from "../data/tokenizer/words.ts";
import { UsageError } from "../engine/errors.ts";
import { knownNamed } from "../model/checkpoint/config-file.ts";
import { openModel } from "../model/checkpoint/open.ts";
import { type LoadPlan, planLoad } from "../model/checkpoint/plan.ts";
import { tokenizerOf } from "../model/checkpoint/tokenizer.ts";
import type { TowersConfig } from "../model/clip/config.ts";
import type { Description, Family, Takes } from "../model/family.ts";
import { describe, families, type Known, modelNamed, type NamedModel, readConfig } from "../model/families.ts";
import { Init } from "../model/params.ts";
import { locked } from "../train/locks.ts";
import { weightsAt } from "./embedded-weights.ts";
import { isOwn, type Recipe, type Resolved } from "../train/recipe.ts";

/** A model before it has memory. Its vocabulary is settled by `tokenized`, for the small ones learn theirs from the captions. */
export interface Draft {
  readonly family: Family;
  readonly config: object;
  readonly takes: Takes;
  /** Of a small model: the configuration for so many words. */
  readonly sized?: (vocabulary: number) => object;
  /** The file that it begins with. */
  readonly weights?: LoadPlan;
  close(): Promise<void>;
}

/** Opens the file of weights, if any, and decides the configuration: a file tells its own where nobody names a model. Needs no GPU. */
export async function draftModel(resolved: Resolved): Promise<Draft> {
  const { resume, pretrained } = resolved.recipe;
  const path = resume ?? (pretrained === null ? null : weightsAt(pretrained));
  const draft = path === null ? await newModel(resolved.recipe) : await modelOfFile(path, resolved);
  return { ...draft, family: locked(draft.family, resolved.recipe) };
}

async function newModel(recipe: Recipe): Promise<Draft> {
  const { family, config, sized } = await wholeNamed(recipe.model);
  const own = (whole: object) => family.choices?.put(whole, recipe) ?? whole;
  const chosen = own(config);
  family.parse(JSON.parse(JSON.stringify(chosen)), "model"); // what the choices make of it must be sound too
  const { takes } = family.build(chosen, new Init(0));
  return {
    family,
    config: chosen,
    takes,
    ...(sized && { sized: (words) => own(sized(words)) }),
    close: async () => {},
  };
}

/** The whole model that a recipe names: by its name, or in a file. */
async function wholeNamed(model: string): Promise<NamedModel> {
  if (!model.endsWith(".json")) return modelNamed(model);
  const name = basename(model);
  return readConfig(parseJson(await readRegular(model, 2 ** 20, name), name, 2 ** 20), name);
}

async function modelOfFile(path: string, { recipe, from }: Resolved): Promise<Draft> {
  const { model, seed } = recipe;
  const named = isSmall(model) ? modelNamed(model) : await knownNamed(model);
  const isAsked = isOwn(from.model) && !isSmall(model);
  const asked: Partial<TowersConfig> = isAsked ? named.config : {};
  const known = unsaid(asked, model);
  const config = named.family.choices?.override(known, recipe) ?? known;
  const { file, stored } = await openModel(path, {}, config);
  try {
    const family = familyOf(describe(file, stored), named.family, path, { recipe, from });
    const plan = await planLoad(file, { config, seed, family }, stored);
    const weights = isAsked && !model.endsWith(".json") ? told(plan, modelNamed(model), model) : plan;
    return { family, config: plan.config, takes: plan.model.takes, weights, close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The family of the model that a recipe names. */
export const familyNamedBy = async (model: string): Promise<Family> =>
  (isSmall(model) ? modelNamed(model) : await knownNamed(model)).family;

const isSmall = (model: string): boolean => families.some(({ small }) => small && Object.hasOwn(small, model));

/** The family of a file's model: CLIP alone begins one of the recipe's. Errors: UsageError where the two are different ones. */
function familyOf(described: Description, wanted: Family, path: string, { recipe, from }: Resolved): Family {
  const { family, kind, layout } = described;
  if (layout.backboneOnly || kind === "unknown" || family === wanted) return wanted;
  throw new UsageError(
    `${basename(path)}: ${kind}, but the recipe's model ${recipe.model} (${from.model}) is one of ${wanted.name}; ` +
      `name that of the weights, as --model ${family.presets[0]}, or a preset for it`,
  );
}

/**
 * What a name asks of a file's model. A published name without "-quickgelu" says nothing of the activation, as in open_clip: OpenAI's
 * weights of ViT-B-32 have QuickGELU, and the file tells.
 */
function unsaid({ activation, ...asked }: Partial<TowersConfig>, name: string): Partial<TowersConfig> {
  return activation === undefined || (activation === "gelu" && !name.endsWith(".json"))
    ? asked
    : { ...asked, activation };
}

/** The plan, with a remark where its file has another activation than the model that was named. */
function told(plan: LoadPlan, named: Known, name: string): LoadPlan {
  const { activation } = plan.config as Partial<TowersConfig>;
  const { activation: wanted } = named.config as Partial<TowersConfig>;
  if (activation === wanted) return plan;
  const remark = `${activation} and not ${wanted}, which ${name} has otherwise: as the weights tell`;
  return { ...plan, report: { ...plan.report, notes: [...plan.report.notes, remark] } };
}

/** A model and its tokenizer. */
export interface Tokenized {
  readonly config: object;
  readonly tokenizer: Tokenizer;
  /** The words, where the model has a tokenizer over words. */
  readonly words?: readonly string[];
}

/** The tokenizer of a draft: of its file, CLIP's, or one over the words of the captions. */
export async function tokenized(draft: Draft, recipe: Recipe, captions: readonly string[]): Promise<Tokenized> {
  const found = await tokenizerFor(draft, recipe, captions);
  return {
    config: draft.sized?.(found.vocabulary) ?? draft.config,
    tokenizer: found,
    ...(found instanceof WordTokenizer && { words: found.words }),
  };
}

async function tokenizerFor(
  { takes: { context, vocabulary }, weights, sized }: Draft,
  { bpe, model }: Recipe,
  captions: readonly string[],
): Promise<Tokenizer> {
  if (weights) return tokenizerOf(weights.file, { context, vocabulary }, bpe ?? undefined);
  if (bpe !== null || vocabulary === clipVocabulary)
    return (await openTokenizer(bpe ?? undefined, vocabulary)).rows(context);
  const words = new WordTokenizer(vocabularyOf(captions), context);
  if (sized || words.vocabulary === vocabulary) return words;
  throw new UsageError(
    `--model: ${model} has a vocabulary of ${vocabulary}; the words of these captions make ${words.vocabulary}; ` +
      "give the byte-pair table that it is for: --bpe",
  );
}
