// The families that are known, and which of them a file or a configuration is of.
import { isObject, type Json, parseJson, quoted } from "../data/formats/json.ts";
import { at, type Stored } from "../data/formats/content.ts";
import { EngineError, FormatError, nearest, UsageError } from "../engine/errors.ts";
import { takes } from "../engine/takes.ts";
import type { EmotionClip } from "./emotionclip/emotionclip.ts";
import { emoClip } from "./emoclip/family.ts";
import { emotionClip } from "./emotionclip/family.ts";
import type { Description, Family } from "./family.ts";

/** Every known family of models, in the order in which a file that does not name its own is held against them. */
export const families: readonly Family[] = [emotionClip, emoClip];

/** The type of a model whose family nobody names: that of the first. */
export type Usual = EmotionClip;

/** What a file that is of none of them is told: "CLIP, EmotionCLIP or EmoCLIP". */
export const familiesText = (among = families): string => {
  const names = ["CLIP", ...among.map(({ name }) => name)];
  return `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
};

/** A configuration and whose it is. */
export interface Known {
  readonly family: Family;
  readonly config: object;
}

/** The family of a name in a file; FormatError for one that is not known. */
export function familyNamed(name: string, where: string, among = families): Family {
  const found = among.find((family) => family.name === name);
  if (found) return found;
  const known = among.map((family) => family.name).join(", ");
  throw new FormatError(`${where}: a model of the family ${JSON.stringify(name.slice(0, 80))}; known: ${known}`);
}

/** A configuration out of foreign JSON: of the family named, or else of the first that takes it. */
export function readConfig(json: Json, where: string, name?: string, among = families): Known {
  if (name !== undefined) {
    const family = familyNamed(name, where, among);
    return { family, config: family.parse(json, where) };
  }
  let first: unknown;
  for (const family of among)
    try {
      return { family, config: family.parse(json, where) };
    } catch (error) {
      first ??= error;
    }
  throw first;
}

/** What the metadata of our own files says; undefined where there is none. */
export function storedIn({ content, path }: Stored, among = families): Known | undefined {
  const text = at(content, "__metadata__", "config");
  if (typeof text !== "string") return undefined;
  const where = `${path.replace(/^.*[\\/]/, "")}: metadata config`;
  const name = at(content, "__metadata__", "model");
  return readConfig(
    parseJson(new TextEncoder().encode(text), where, 2 ** 20),
    where,
    typeof name === "string" ? name : undefined,
    among,
  );
}

/** What our files carry beside weights, so that they tell what they are wherever they are moved. */
export const metadataOf = ({ family, config }: Known): Record<string, string> => ({
  model: family.name,
  config: JSON.stringify(config),
});

/**
 * Describes a file by its header alone; never fails: as the family whose configuration it carries, or that lies beside it
 * (`stored`), or else as the first that knows its names.
 */
export function describe(file: Stored, stored?: Known, among = families): Description<Usual["config"]> {
  takes("describe(file: { path: text, tensors: map, ... }, stored?: object, among?: object[], ...)", arguments);
  const asked = stored && !among.includes(stored.family) ? [...among, stored.family] : among;
  const { known, fault } = stored ? { known: stored, fault: undefined } : carried(file, among);
  const all: Description<Usual["config"]>[] = asked.map((family) =>
    family.describe(file, family === known?.family ? known.config : undefined),
  );
  const found =
    all.find(({ family, kind }) => family === known?.family && kind !== "unknown") ??
    all.find(({ kind }) => kind !== "unknown");
  const unread = unreadNotes(file);
  if (!found) return { ...all[0], notes: unread, reason: [...all.map(({ reason }) => reason), ...unread].join("; ") };
  const notes = [...found.notes, ...unread];
  return fault === undefined
    ? { ...found, notes }
    : { ...found, sizes: undefined, config: undefined, notes: unread, reason: fault };
}

/** What a pickle has of classes that are not known, in a sentence. */
function unreadNotes({ unread = new Map() }: Stored): string[] {
  if (unread.size === 0) return [];
  const names = Array.from(unread, ([name, count]) => (count > 1 ? `${quoted(name)} (${count})` : quoted(name)));
  const list = names.length > 8 ? `${names.slice(0, 8).join(", ")} and ${names.length - 8} more` : names.join(", ");
  return [`outside the weights, what is of classes that are not known is left as data, nothing of it run: ${list}`];
}

/** The configuration in a file's metadata, or why it is none. */
function carried(file: Stored, among: readonly Family[]): { known?: Known; fault?: string } {
  try {
    return { known: storedIn(file, among) };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { fault: error.message };
  }
}

/** The file that would tell the configuration of a file of weights, where it lies beside it; undefined where none would. */
export const besideOf = (file: Stored, among = families): string | undefined =>
  among.map((family) => family.beside?.(file)).find((name) => name !== undefined);

/** The family of a published name; the first, whose list a refusal shows, of one that is not known. */
function familyOf(name: string, among = families): Family {
  const lower = name.toLowerCase();
  return among.find(({ presets }) => presets.some((known) => known.toLowerCase() === lower)) ?? among[0];
}

/** What is known of a model by the name of a published configuration, and whose it is. */
export function presetNamed(name: string, among = families): Known {
  const family = familyOf(name, among);
  return { family, config: family.preset(name) };
}

/** A model by its name. */
export interface NamedModel extends Known {
  /** Of a small one: the configuration for so many words. */
  readonly sized?: (vocabulary: number) => object;
}

/** The whole model of a published name, or a small one of this program. Errors: UsageError with the nearest name. */
export function modelNamed(name: string, among = families): NamedModel {
  for (const family of among) {
    const sized = family.small && Object.hasOwn(family.small, name) ? family.small[name] : undefined;
    if (sized) return { family, config: sized(1), sized };
  }
  const family = familyOf(name, among);
  const isKnown = family.presets.some((known) => known.toLowerCase() === name.toLowerCase());
  const others = among.flatMap((each) => [...Object.keys(each.small ?? {}), ...(each === family ? [] : each.presets)]);
  const near = isKnown ? undefined : nearest(name, others);
  if (near) throw new UsageError(`unknown model "${name}" (did you mean ${near}?)`);
  return { family, config: family.published(name) };
}

/** The part of a configuration file that overrides what a checkpoint tells of itself, and whose it is. */
export function overrideIn(json: Json, where: string, among = families): Known {
  const name = isObject(json) && typeof json.family === "string" ? json.family : undefined;
  const of = (family: Family) => ({ family, config: family.override(json, where) });
  if (name !== undefined) return of(familyNamed(name, where, among));
  let first: unknown;
  for (const family of among)
    try {
      return of(family);
    } catch (error) {
      first ??= error;
    }
  throw first;
}
