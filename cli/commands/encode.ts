// `emotionclip encode`: features of clips, pictures or texts, one row each, as .npy or .safetensors.
import { stat } from "node:fs/promises";
import { basename, dirname, extname, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { Argument, Command } from "commander";
import { replaceFile } from "../../data/formats/disk.ts";
import { reportLines, reportTexts, type TextsReport } from "../../data/tokenizer/report.ts";
import { npyBytes } from "../../data/formats/npy.ts";
import { UsageError } from "../../engine/errors.ts";
import { encodeImages, type EncodeOptions, encodeTexts, encodeVideos } from "../../eval/features/encode.ts";
import type { Matrix } from "../../eval/matrix.ts";
import { tokenizerOf } from "../../model/checkpoint/tokenizer.ts";
import type { LoadPlan } from "../../model/checkpoint/plan.ts";
import type { VideoText } from "../../model/family.ts";
import { safetensorsBytes } from "../../data/formats/safetensors.ts";
import {
  type InputFlags,
  type Inputs,
  type Oddities,
  openInputs,
  tellRemarks,
  visualKinds,
  warnOfOddities,
  withInputs,
} from "../inputs.ts";
import { openPlan, withModel } from "../../model/checkpoint/open-model.ts";
import { type Text, textsOf } from "../text-inputs.ts";
import { Progress } from "../terminal/progress.ts";
import { printResult, warn } from "../terminal/streams.ts";
import type { Context } from "../gpu.ts";

const kinds = [...visualKinds, "texts"] as const;
type Kind = (typeof kinds)[number];

interface Flags extends InputFlags {
  out: string;
}

export function command({ gpu }: Context): Command {
  const made = new Command()
    .addArgument(
      new Argument(
        "<kind>",
        "video files, folders of frames, single images, or texts (files of a line each, or words)",
      ).choices(kinds),
    )
    .argument("<inputs...>", "one row of features for each, in this order")
    .requiredOption("--out <file>", "features.npy, with features.npy.json beside it, or features.safetensors");
  return withInputs(made).action((kind: Kind, given: string[], flags: Flags) =>
    run(kind, given, { ...flags, gpu: gpu() }),
  );
}

async function run(kind: Kind, given: string[], flags: Flags): Promise<void> {
  const empty = kind === "texts" ? -1 : given.indexOf("");
  if (empty >= 0) throw new UsageError(`input ${empty + 1} of ${given.length} is empty; a path is expected there`);
  await checkOut(flags.out);
  const { plan, close } = await openPlan(flags);
  const notes = tellRemarks(plan);
  const progress = new Progress({
    phases: [
      ["load the model", 5],
      ["encode", 30],
    ],
  });
  try {
    const { ids, odd, texts, warnings = [], encode } = await prepared(kind, given, flags, plan);
    progress.start("load the model", 1);
    const work = async (model: VideoText) => {
      progress.start("encode", ids.length);
      const began = performance.now();
      const features = await encode(model, { batch: flags.batchSize, at: (done) => progress.at(done) });
      return { features, seconds: (performance.now() - began) / 1000 };
    };
    const { features, seconds } = await withModel(plan, work, (done, of) => progress.at(done / of));
    await write(flags, { kind, ids, ...(texts && { texts }) }, features);
    progress.end();
    warnOfOddities(odd, plan.model.takes);
    warn(warnings);
    tell(flags, { kind, texts }, features, seconds, { ...odd, notes });
  } finally {
    progress.end();
    await close();
  }
}

/** A place that cannot be written to is found before the work. */
async function checkOut(out: string): Promise<void> {
  if (![".npy", ".safetensors"].includes(extname(out)))
    throw new UsageError(`--out: ${basename(out)} ends in neither .npy nor .safetensors`);
  const folder = await stat(dirname(resolve(out))).catch(() => undefined);
  if (!folder?.isDirectory()) throw new UsageError(`--out: there is no folder ${dirname(out)}`);
  for (const path of [out, `${out}.json`]) {
    const there = await stat(path).catch(() => undefined);
    if (there?.isDirectory()) throw new UsageError(`--out: ${path} is a folder`);
  }
}

/** What is encoded, how, and what a person should know of it. */
interface Prepared extends Pick<Inputs, "ids"> {
  readonly odd: Oddities;
  readonly texts?: TextsReport;
  readonly warnings?: readonly string[];
  encode(model: VideoText, options: EncodeOptions): Promise<Matrix>;
}

/** Everything that needs no GPU: files found, the first of them read, the tokenizer made. */
async function prepared(kind: Kind, given: readonly string[], flags: Flags, plan: LoadPlan): Promise<Prepared> {
  if (kind === "texts") {
    if (flags.boxes.length > 0) throw new UsageError("--boxes: texts have no subject");
    return preparedTexts((await Promise.all(given.map(textsOf))).flat(), flags, plan);
  }
  const { ids, unseen, short, pixels } = await openInputs(kind, given, flags, plan.model.takes);
  const encode = kind === "images" ? encodeImages : encodeVideos;
  return { ids, odd: { unseen, short }, encode: (model, options) => encode(model, pixels, options) };
}

async function preparedTexts(given: readonly Text[], { bpe }: Flags, plan: LoadPlan): Promise<Prepared> {
  const tokenizer = await tokenizerOf(plan.file, plan.model.takes, bpe);
  const ids = given.map(({ text }) => text);
  const texts = reportTexts(tokenizer, ids, (i) => given[i].place);
  const encode: Prepared["encode"] = (model, options) => encodeTexts(model, tokenizer, ids, options);
  return { ids, odd: { unseen: [], short: [] }, texts, warnings: reportLines(texts, tokenizer), encode };
}

/** The features, and what each row is of: beside a .npy in JSON, inside a .safetensors as metadata. */
async function write(
  { out, checkpoint }: Flags,
  about: { kind: Kind; ids: readonly string[]; texts?: TextsReport },
  features: Matrix,
): Promise<void> {
  const { texts, ...rest } = about;
  const said = { checkpoint: basename(checkpoint), ...rest };
  if (extname(out) === ".npy") {
    await replaceFile(`${out}.json`, `${JSON.stringify({ ...said, texts }, undefined, 1)}\n`);
    await replaceFile(out, npyBytes([features]));
    return;
  }
  const { buffer, byteOffset, byteLength } = features.data;
  const bytes = () => new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
  const entry = { name: "features", dtype: "F32", shape: features.shape, bytes } as const;
  const metadata = { ...said, ids: JSON.stringify(about.ids), ...(texts && { texts: JSON.stringify(texts) }) };
  await replaceFile(out, safetensorsBytes([entry], metadata));
}

function tell(
  { out, json }: Flags,
  { kind, texts }: { kind: Kind; texts: TextsReport | undefined },
  { shape }: Matrix,
  seconds: number,
  told: Oddities & { readonly notes: readonly string[] },
): void {
  const [rows, width] = shape;
  const perSecond = rows / seconds;
  const things = kind === "images" || kind === "texts" ? kind : "clips";
  const line = `${out}: ${rows} x ${width}, rows of unit length; ${perSecond.toFixed(1)} ${things}/s`;
  printResult(json, { out, kind, rows, width, seconds, perSecond, ...told, texts }, () => line);
}
