// `emotionclip sentiment`: the seven logits of texts as .npy, as the official training set has them.
import { stat } from "node:fs/promises";
import { basename, dirname, extname, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { Command } from "commander";
import { replaceFile } from "../../data/formats/disk.ts";
import { quoted } from "../../data/formats/json.ts";
import { npyBytes } from "../../data/formats/npy.ts";
import { SENTIMENTS } from "../../data/shards/clip.ts";
import { openGpu, UsageError } from "../../engine/index.ts";
import { sentimentColumns, type SentimentLogits, sentimentLogits } from "../../eval/sentiment.ts";
import { openRoberta } from "../../model/roberta/open.ts";
import { whole } from "../flags.ts";
import type { Context, GpuOptions } from "../gpu.ts";
import { Progress } from "../terminal/progress.ts";
import { printResult, warn } from "../terminal/streams.ts";
import { type Text, textsOf } from "../text-inputs.ts";

interface Flags {
  readonly model: string;
  readonly out: string;
  readonly context: string;
  readonly batchSize: string;
  readonly json?: true;
}

export function command({ gpu }: Context): Command {
  return new Command()
    .argument("<texts...>", "files of a line each, or words: one row of logits for each, in this order")
    .requiredOption(
      "--model <folder>",
      "a RoBERTa classifier as Hugging Face has it: config.json, model.safetensors or pytorch_model.bin, tokenizer; " +
        "its classes are the seven",
    )
    .requiredOption("--out <file>", "logits.npy: [texts, 7] of anger, disgust, fear, joy, neutral, sadness, surprise")
    .option("--context <n>", "most tokens of a text; the official logits were made with 77", "77")
    .option("--batch-size <n>", "texts computed at once", "64")
    .option("--json", "one JSON object on stdout instead of a page")
    .action((given: string[], flags: Flags) => run(given, flags, gpu()));
}

async function run(given: readonly string[], flags: Flags, gpuOptions: GpuOptions): Promise<void> {
  await checkOut(flags.out);
  const options = {
    context: whole("context", flags.context, 3, 65_536),
    batch: whole("batch-size", flags.batchSize, 1, 65_536),
  };
  const texts = (await Promise.all(given.map(textsOf))).flat();
  const files = await openRoberta(flags.model);
  const progress = new Progress({ phases: [["texts", 10]] });
  try {
    sentimentColumns(files.config.labels); // before a GPU is opened
    const gpu = await openGpu(gpuOptions);
    try {
      const { model, free } = await files.load();
      const began = performance.now();
      progress.start("texts", texts.length);
      const at = (done: number) => progress.at(done);
      const words = texts.map(({ text }) => text);
      const made = await sentimentLogits(model, files.tokenizer, words, { ...options, at });
      const seconds = (performance.now() - began) / 1000;
      free();
      progress.end();
      await replaceFile(flags.out, npyBytes([made.logits]));
      tell(flags, texts, made, { seconds, unused: files.unused });
    } finally {
      gpu.close();
    }
  } finally {
    progress.end();
    await files.close();
  }
}

/** A place that cannot be written to is found before the work. */
async function checkOut(out: string): Promise<void> {
  if (extname(out) !== ".npy") throw new UsageError(`--out: ${basename(out)} does not end in .npy`);
  const folder = await stat(dirname(resolve(out))).catch(() => undefined);
  if (!folder?.isDirectory()) throw new UsageError(`--out: there is no folder ${dirname(out)}`);
  if ((await stat(out).catch(() => undefined))?.isDirectory()) throw new UsageError(`--out: ${out} is a folder`);
}

/** Texts of which a line of the page shows the class. */
const shown = 10;

function tell(
  { out, json, context }: Flags,
  texts: readonly Text[],
  { logits, cut }: SentimentLogits,
  { seconds, unused }: { readonly seconds: number; readonly unused: readonly string[] },
): void {
  const empty = texts.flatMap(({ text }, i) => (text.trim() === "" ? [i] : []));
  const placesOf = (numbers: readonly number[]) =>
    numbers
      .slice(0, 3)
      .map((i) => texts[i].place)
      .join(", ");
  warn([
    ...(cut.length > 0
      ? [`${cut.length} of ${texts.length} texts have more than ${context} tokens and are cut: ${placesOf(cut)}`]
      : []),
    ...(empty.length > 0 ? [`${empty.length} of ${texts.length} texts are empty: ${placesOf(empty)}`] : []),
    ...(unused.length > 0
      ? [
          `the file holds ${unused.length} tensors that the classifier has no place for: ${unused.slice(0, 3).map(quoted).join(", ")}`,
        ]
      : []),
  ]);
  const classes = texts.map((_, i) => highest(logits.data.subarray(7 * i, 7 * i + 7)));
  const perSecond = texts.length / seconds;
  const counts = Object.fromEntries(SENTIMENTS.map((name) => [name, classes.filter((each) => each === name).length]));
  printResult(
    json,
    { out, texts: texts.length, counts, cut: cut.length, empty: empty.length, seconds, perSecond, unused },
    () =>
      [
        ...texts.slice(0, shown).map(({ text }, i) => `${classes[i].padEnd(9)} ${quoted(text.slice(0, 80))}`),
        ...(texts.length > shown ? [`… and ${texts.length - shown} more`] : []),
        Object.entries(counts)
          .map(([name, count]) => `${name} ${count}`)
          .join(", "),
        `${out}: ${texts.length} x 7 logits; ${perSecond.toFixed(1)} texts/s`,
      ].join("\n"),
  );
}

function highest(row: ArrayLike<number>): (typeof SENTIMENTS)[number] {
  let best = 0;
  for (let q = 1; q < SENTIMENTS.length; q++) if (row[q] > row[best]) best = q;
  return SENTIMENTS[best];
}
