// Classes in words, as flags give them: names between commas, or a file of names, or of texts by name.
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { readUserFile } from "../data/footage/files.ts";
import { readTextLines } from "../data/footage/lines.ts";
import { type Json, parseJson, quoted } from "../data/formats/json.ts";
import { parseYaml } from "../data/formats/yaml.ts";
import { FormatError, UsageError } from "../engine/errors.ts";
import type { Tokenizer } from "../data/tokenizer/clip.ts";
import type { Matrix } from "../eval/matrix.ts";
import {
  compoundOf,
  emotionTemplates,
  sameClasses,
  whyUnknown,
  type ZeroShotClass,
} from "../eval/zero-shot/zero-shot.ts";

/** Most classes of one call, and most characters of a text. */
const most = { classes: 10_000, text: 100_000 };

/** "a,b,c", or the classes of a file. Errors: UsageError, or FormatError that names the file. */
export async function classesOf(given: string): Promise<ZeroShotClass[]> {
  const isFile = /\.(txt|json|ya?ml)$/i.test(given) || existsSync(given);
  const classes = isFile ? await classesIn(given) : given.split(",").map((name) => plain(name.trim()));
  const what = isFile ? basename(given) : "--classes";
  const refuse = (why: string) => (isFile ? new FormatError(`${what}: ${why}`) : new UsageError(`${what}: ${why}`));
  if (classes.length < 2 || classes.length > most.classes)
    throw refuse(`${classes.length} classes; expected 2 to ${most.classes}`);
  const seen = new Set<string>();
  for (const { name, texts } of classes) {
    if (name === "" || texts.some((text) => text.trim() === "")) throw refuse("a class without a text");
    if (texts.some(({ length }) => length > most.text)) throw refuse(`a text of more than ${most.text} characters`);
    if (seen.has(name)) throw refuse(`the class ${quoted(name)} twice`);
    seen.add(name);
  }
  return classes.map((each) => compoundIn(each, classes));
}

/** A class whose one text is "a+b", of other classes by their names, is the mean of these. */
function compoundIn(known: ZeroShotClass, classes: readonly ZeroShotClass[]): ZeroShotClass {
  const words = known.texts.length === 1 ? known.texts[0].split("+").map((word) => word.trim()) : [];
  const parts = words.flatMap((word) => classes.find((each) => each !== known && each.name === word) ?? []);
  return words.length > 1 && parts.length === words.length ? compoundOf(known.name, parts) : known;
}

const plain = (name: string): ZeroShotClass => ({ name, texts: [name] });

async function classesIn(path: string): Promise<ZeroShotClass[]> {
  const isYaml = /\.ya?ml$/i.test(path);
  if (!isYaml && !/\.json$/i.test(path)) return (await readTextLines(path)).lines.map((line) => plain(line.trim()));
  const { bytes, name } = await readUserFile(path, 2 ** 22);
  const json = isYaml ? parseYaml(bytes, name) : parseJson(bytes, name);
  if (json === null || typeof json !== "object" || Array.isArray(json))
    throw new FormatError(`${name}: expected an object of class: text or [texts]`);
  return Object.entries(json).map(([key, value]) => ({ name: key, texts: textsIn(value, `${name}: ${quoted(key)}`) }));
}

function textsIn(value: Json, what: string): string[] {
  const list = Array.isArray(value) ? value : [value];
  if (list.length === 0) throw new FormatError(`${what} has no texts`);
  return list.map((text) => {
    if (typeof text !== "string") throw new FormatError(`${what} is neither a text nor a list of texts`);
    return text;
  });
}

/** Prompts with {} for the text of a class: the built-in ones, or a line each. */
export async function templatesOf(given: string): Promise<readonly string[]> {
  if (given === "emotion") return emotionTemplates;
  const { lines } = await readTextLines(given);
  for (const [i, line] of lines.entries())
    if (!line.includes("{}")) throw new FormatError(`${basename(given)}: line ${i + 1} is ${quoted(line)}, without {}`);
  return lines;
}

/** A class that the model has no word for gets a share of the probability all the same. */
export function refuseUnknown(tokenizer: Tokenizer, classes: readonly ZeroShotClass[]): void {
  const why = whyUnknown(tokenizer, classes);
  if (why) throw new UsageError(`--classes: ${why}`);
}

/** Scores of classes that the model cannot tell apart would look like an answer. */
export function refuseTwins(classes: readonly ZeroShotClass[], classifier: Matrix): void {
  const twins = sameClasses(classifier);
  if (!twins) return;
  const names = twins.map((c) => quoted(classes[c].name)).join(" and ");
  throw new UsageError(
    `--classes: ${names} are the same to this model: too long, or told apart by words that it does not know`,
  );
}
