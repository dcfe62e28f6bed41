// Checks of EmoCLIP's golden tables: sampling of frames, pictures, turns, figures, tokens, names.
import { basename } from "node:path";
import { sourcesOf, turned } from "../../../data/faces/augment.ts";
import { facePicture } from "../../../data/faces/picture.ts";
import { wrappedWindow } from "../../../data/faces/window.ts";
import { openTokenizer } from "../../../data/tokenizer/clip.ts";
import { matrix, recognition, regressionFigures } from "../../../eval/index.ts";
import { bestColumn } from "../../../eval/probes/metrics.ts";
import { EmoClip, emoClipB32, Init, named } from "../../../model/index.ts";
import type { Check } from "../check.ts";
import type { Verdict } from "../verdict.ts";

/** Takes JSON files of such a name that have a field at the top, or an element of a list there. */
const withField =
  (name: RegExp, field: string): Check["takes"] =>
  (file, folder) =>
    name.test(basename(file)) && folder.has(file) && field in folder.json<object>(file);

interface Sampling {
  readonly cases: { n_frames: number; downsample: number; clip_len: number; start: number; indices: number[] }[];
}

/** Which frames a window sees. */
export const sampling: Check = {
  takes: withField(/^sampling.*\.json$/, "cases"),
  run(verdict) {
    for (const each of verdict.folder.json<Sampling>(verdict.file).cases) {
      const { n_frames, downsample, clip_len, start, indices } = each;
      const name = `${n_frames} frames, every ${downsample}, ${clip_len} from ${start}`;
      verdict.same(name, [...wrappedWindow(n_frames, { every: downsample, length: clip_len }, start)], indices);
    }
  },
};

interface Classification {
  readonly classes: number;
  readonly labels: number[];
  readonly predictions: number[];
  readonly logits?: number[][];
  readonly label_union: number[];
  readonly confusion: number[][];
  readonly war: number;
  readonly uar: number;
}

interface Regression {
  readonly prediction: number[][];
  readonly target: number[][];
  readonly pcc: number[];
  readonly ccc: number[];
  readonly mae: number[];
  readonly mse: number[];
  readonly rmse: number[];
}

/** WAR, UAR and confusion; the figures of regression. What is stored was computed in float32. */
export const figures: Check = {
  takes: withField(/^metrics.*\.json$/, "classification"),
  run(verdict) {
    const file = verdict.folder.json<{ classification: Classification[]; regression: Regression[] }>(verdict.file);
    for (const [i, each] of file.classification.entries()) classification(verdict, `classification ${i}`, each);
    for (const [i, each] of file.regression.entries()) regression(verdict, `regression ${i}`, each);
  },
};

function classification(verdict: Verdict, name: string, each: Classification): void {
  const { classes, labels, predictions, logits, label_union: union } = each;
  const told = logits
    ? logits.map((_, i) => bestColumn(matrix(logits.length, classes, Float64Array.from(logits.flat())), i))
    : predictions;
  verdict.same(`${name}: predictions`, told, predictions);
  const { war, uar, confusion } = recognition(labels, told, classes);
  verdict.number(`${name}: war`, war, each.war, { rtol: 1e-12, atol: 0 });
  verdict.number(`${name}: uar`, uar, each.uar, { rtol: 1e-12, atol: 0 });
  const rows = union.map((a) => union.map((b) => confusion.data[a * classes + b]));
  verdict.same(`${name}: confusion`, rows, each.confusion);
}

function regression(verdict: Verdict, name: string, each: Regression): void {
  const table = (rows: number[][]) => matrix(rows.length, rows[0].length, Float64Array.from(rows.flat()));
  const got = regressionFigures(table(each.prediction), table(each.target));
  for (const figure of ["pcc", "ccc", "mae", "mse", "rmse"] as const)
    verdict.compare(
      `${name}: ${figure}`,
      got.map((column) => column[figure]),
      [each[figure]].flat(),
      {
        rtol: 1e-5,
        atol: 1e-6,
      },
    );
}

interface Tokens {
  readonly sot: number;
  readonly eot: number;
  readonly context_length: number;
  readonly sentences: { text: string; tokens_with_sot_eot?: number[] }[];
}

/** Ids of sentences, cut with the end token in the last place. */
export const tokens: Check = {
  takes: withField(/^tokens.*\.json$/, "sentences"),
  async run(verdict) {
    const file = verdict.folder.json<Tokens>(verdict.file);
    const clip = await openTokenizer();
    const model = new EmoClip(emoClipB32, new Init(0));
    verdict.same("start, end", [clip.start, clip.end], [file.sot, file.eot]);
    for (const { text, tokens_with_sot_eot: want } of file.sentences) {
      if (!want) continue;
      const { tokens_BW } = model.textRows(Uint32Array.from(clip.encode(text, file.context_length)));
      const got = [...tokens_BW];
      verdict.same(text.slice(0, 40), got.slice(0, got.lastIndexOf(file.eot) + 1), want);
    }
  },
};

/** Names and shapes of the official state dict. */
export const names: Check = {
  takes: withField(/^state_dict_shapes.*\.json$/, "temporal.cls_token"),
  run(verdict) {
    const want = verdict.folder.json<Record<string, number[]>>(verdict.file);
    const got = Object.fromEntries(
      Array.from(named(new EmoClip(emoClipB32, new Init(0))), ([name, t]) => [name, t.shape]),
    );
    const sorted = (table: Record<string, readonly number[]>) =>
      Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1));
    verdict.same("names and shapes", sorted(got), sorted(want));
  },
};

interface PictureCase {
  readonly out: [frames: number, channels: number, height: number, width: number];
}

/** Normalised, resized and cropped pictures: every eighth pixel, and one row. */
export const pictures: Check = {
  takes: (file, folder) => folder.has(file) && folder.entry(file).kind === "preprocess",
  run(verdict) {
    const { folder, file } = verdict;
    const { cases, tolerance } = folder.entry(file) as unknown as { cases: PictureCase[]; tolerance: number };
    for (const [i, { out }] of cases.entries()) {
      const [T, , , side] = out;
      const { data, shape } = folder.tensor(file, `frames.${i}`);
      const [, height, width] = shape;
      const size = 3 * height * width;
      const frames = Array.from({ length: T }, (_, t) =>
        facePicture({ data: data.slice(t * size, (t + 1) * size) as Uint8Array, width, height }, side),
      );
      const at = (t: number, c: number, y: number, x: number) => frames[t][(c * side + y) * side + x];
      const every = Array.from({ length: side / 8 }, (_, k) => 3 + 8 * k);
      const whole = Array.from({ length: side }, (_, x) => x);
      const seen = (rows: number[], columns: number[]) =>
        frames.flatMap((_, t) => [0, 1, 2].flatMap((c) => rows.flatMap((y) => columns.map((x) => at(t, c, y, x)))));
      const allowed = { rtol: 0, atol: tolerance };
      const stored = (name: string) => folder.tensor(file, name).data;
      verdict.compare(`out_every_8th.${i}`, seen(every, every), stored(`out_every_8th.${i}`), allowed);
      verdict.compare(`out_row_100.${i}`, seen([100], whole), stored(`out_row_100.${i}`), allowed);
      verdict.input(`frames.${i}`);
    }
  },
};

/** Rotations and the mirror image: every pixel is the one of the nearest source, but where two are equally near. */
export const turns: Check = {
  takes: (file, folder) => folder.has(file) && folder.entry(file).kind === "augment",
  run(verdict) {
    const { folder, file } = verdict;
    const { data, shape } = folder.tensor(file, "x");
    const [, , height, width] = shape;
    const planes = data as Float32Array;
    const angles = folder.tensor(file, "angles").data;
    for (let i = 0; i < angles.length; i++)
      verdict.compare(
        `rotated.${i}`,
        turned(planes, sourcesOf(height, width, { angle: angles[i], flip: false })),
        folder.tensor(file, `rotated.${i}`).data,
        { rtol: 0, atol: 0 },
      );
    const mirrored = turned(planes, sourcesOf(height, width, { angle: 0, flip: true }));
    verdict.compare("hflip", mirrored, folder.tensor(file, "hflip").data, { rtol: 0, atol: 0 });
    verdict.input("x", "angles");
  },
};
