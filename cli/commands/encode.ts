// `emotionclip encode`: features of clips, pictures or texts, one row each, as .npy or .safetensors.
import { basename } from "node:path";
import { performance } from "node:perf_hooks";
import { Argument, Command, Option } from "commander";
import { readTextLines } from "../../data/footage/lines.ts";
import { reportLines, reportTexts, type TextsReport } from "../../data/tokenizer/report.ts";
import { UsageError } from "../../engine/errors.ts";
import { encodeImages, type EncodeOptions, encodeTexts, encodeVideos } from "../../eval/features/encode.ts";
import type { Matrix } from "../../eval/matrix.ts";
import { tokenizerOf } from "../../model/checkpoint/tokenizer.ts";
import type { LoadPlan } from "../../model/checkpoint/plan.ts";
import type { VideoText } from "../../model/family.ts";
import { encodePhases, encodePieces, type PieceFlags } from "../encode-pieces.ts";
import { checkOut, writeFeatures } from "../feature-file.ts";
import { withFilm } from "../film.ts";
import { rowKinds } from "../film-rows.ts";
import { maxBad, refuseFlags } from "../flags.ts";
import {
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

interface Flags extends PieceFlags {
  list?: string;
}

export function command({ gpu }: Context): Command {
  const made = new Command()
    .addArgument(
      new Argument(
        "<kind>",
        "video files, folders of frames, single images, or texts (files of a line each, or words)",
      ).choices(kinds),
    )
    .argument("[inputs...]", "one row of features for each, in this order")
    .option("--list <file>", "more inputs: a text file of a path each line")
    .option("--out <file>", "features.npy, with features.npy.json beside it, or features.safetensors")
    .option(
      "--per-clip <folder>",
      "a .npy for each video or folder of frames instead, and manifest.json; goes on where it was",
    )
    .addOption(
      new Option("--rows <kind>", "of a video: a row for each window (default), or for each frame").choices(rowKinds),
    );
  return withInputs(withFilm(made))
    .addOption(maxBad())
    .action((kind: Kind, given: string[], flags: Flags, command: Command) => {
      if (flags.perClip === undefined)
        refuseFlags(command, ["maxBad"], "films with a file each (--per-clip); in one file every input has its rows");
      return run(kind, given, { ...flags, gpu: gpu() });
    });
}

async function run(kind: Kind, named: string[], flags: Flags): Promise<void> {
  const given = flags.list === undefined ? named : [...named, ...(await readTextLines(flags.list)).lines];
  if (given.length === 0) throw new UsageError("nothing to encode: neither inputs nor --list");
  const empty = kind === "texts" ? -1 : given.indexOf("");
  if (empty >= 0) throw new UsageError(`input ${empty + 1} of ${given.length} is empty; a path is expected there`);
  if ((flags.out === undefined) === (flags.perClip === undefined))
    throw new UsageError("one of --out and --per-clip says where the features go");
  if (flags.out !== undefined) await checkOut(flags.out);
  const asked = ["start", "end", "window", "stride", "fps", "rows", "perClip"] as const;
  const found = asked.find((name) => flags[name] !== undefined);
  if (found === undefined) return encodeWhole(kind, given, { ...flags, out: flags.out! });
  if (kind === "video" || kind === "frames") return encodePieces(kind, given, flags);
  throw new UsageError(`--${found === "perClip" ? "per-clip" : found}: of video and frames, not of ${kind}`);
}

/** A row for each input. */
async function encodeWhole(kind: Kind, given: string[], flags: Flags & { out: string }): Promise<void> {
  const { plan, close } = await openPlan(flags);
  const notes = tellRemarks(plan);
  const progress = new Progress({ phases: encodePhases });
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
    await writeFeatures(flags.out, { checkpoint: basename(flags.checkpoint), kind, ids, texts }, features);
    progress.end();
    warnOfOddities(odd, plan.model.takes);
    warn(warnings);
    tell(flags, { kind, texts }, features, seconds, { ...odd, notes });
  } finally {
    progress.end();
    await close();
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

function tell(
  { out, json }: Flags & { out: string },
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
