// Small data sets in the official layouts, written by tests: lists and boxes, and pictures where a test loads them.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { labels } from "../../data/sets/labels.ts";
import type { BenchmarkName } from "../../data/sets/switches.ts";
import { encodeJpeg } from "../../data/pixels/jpeg.ts";
import { npyBytes } from "../../data/formats/npy.ts";

/** Files by their path below the data set's folder. */
export type Layout = Map<string, string | Uint8Array>;

/** Writes every file. */
export function write(root: string, layout: Layout): void {
  for (const [path, content] of layout) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}

/** One array in a .npy file. */
export const npy = (shape: number[], data: ArrayLike<number>): Uint8Array =>
  new Uint8Array(Buffer.concat([...npyBytes([{ shape, data: Float64Array.from(data) }])]));

/** A grey picture with a bright square at the top left, 32 pixels high. */
export const picture = (width: number, brightness = 40): Promise<Uint8Array> => {
  const data = new Uint8Array(width * 32 * 3).fill(brightness);
  for (let y = 0; y < 8; y++) data.fill(250, y * width * 3, (y * width + 8) * 3);
  return encodeJpeg({ data, width, height: 32 }, 95);
};

/** A row of BoLD's table. */
export const boldRow = (video: string, person: number, range = [0, 3], scores: number[] = new Array(26).fill(0.5)) =>
  [video, person, ...range, ...scores, 5.5, 4.5, 3.5, "Male", "Adult", "White", 0.5].join(",");

/** Joints of one person: a box from (20, 4) to (40, 20) in every frame. */
export const joints = (frames: readonly number[], person = 0): Uint8Array =>
  npy(
    [frames.length, 56],
    frames.flatMap((frame) => [frame, person, 20, 4, 0.9, 39.5, 19.5, 0.8, ...new Array(48).fill(0)]),
  );

export const meldHeader =
  "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime";
export const meldRow = (dialogue: number, utterance: number, emotion = "joy", text = "Hello.") =>
  `1,"${text}",Mark,${emotion},neutral,${dialogue},${utterance},3,19,"00:00:01,000","00:00:02,000"`;

const box = [100, 100, 300, 300, 0.9];
const lines = (...rows: string[]) => `${rows.join("\n")}\n`;

/** The lists of a data set of two samples or more, split `train`, and one empty file for each frame. */
export function layoutOf(name: Exclude<BenchmarkName, "stage">): Layout {
  return builders[name]();
}

const builders: Record<Exclude<BenchmarkName, "stage">, () => Layout> = {
  bold: () => {
    const video = "003/abc.mp4/0001.mp4";
    return new Map<string, string | Uint8Array>([
      ["annotations/train.csv", lines(boldRow(video, 0), boldRow(video, 1))],
      [`joints/${video.slice(0, -4)}.npy`, joints([7, 8, 9, 10])],
      ...[1, 2, 3, 4].map((k): [string, string] => [`mmextract/${video}/image_0000${k}.jpg`, ""]),
    ]);
  },
  moviegraphs: () => {
    const movie = "tt0000001";
    const boxes = Object.fromEntries(Array.from({ length: 250 }, (_, k) => [`frame_${k}.jpg`, [box]]));
    return new Map([
      ["official/mg/split.json", JSON.stringify({ train: [movie], val: [], test: [] })],
      ["official/mg/py3loader/emotion_labels.json", `{"${movie}": {"1": ["Fear"], "0": ["Anger", "Peace"]}}`],
      [`official/mg_videoinfo/scene_boundaries/${movie}.scenes.gt`, lines("1 1 1", "2 2 1")],
      [`official/mg_videoinfo/video_boundaries/${movie}.videvents`, lines("1 1.000", "10 0.417 CUT")],
      ["all_human_boxes.json", JSON.stringify({ [movie]: boxes })],
    ]);
  },
  meld: () => {
    const frames = ["frame_0.jpg", "frame_1.jpg"];
    const clips = ["dia0_utt0", "dia0_utt1"];
    const boxes = Object.fromEntries(frames.map((frame) => [frame, [box]]));
    return new Map([
      ["MELD.Raw/train_sent_emo.csv", lines(meldHeader, meldRow(0, 0), meldRow(0, 1, "anger", 'Oh, ""no""!'))],
      ["train_human_boxes.json", JSON.stringify(Object.fromEntries(clips.map((clip) => [clip, boxes])))],
      ...clips.flatMap((clip) => frames.map((frame): [string, string] => [`frames/train_splits/${clip}/${frame}`, ""])),
    ]);
  },
  liris: () => {
    const seconds = Array.from({ length: 9 }, (_, i) => i);
    const name = (i: number) => `${String(i + 1).padStart(8, "0")}.jpg`;
    return new Map([
      [
        "annotations/DevSet/annotations/MEDIAEVAL18_00_Valence-Arousal.txt",
        lines("Time\tValence\tArousal", ...seconds.map((i) => `${i}\t${i / 10}\t${-i / 10}`)),
      ],
      ["bboxes/MEDIAEVAL18_00.mp4/human_boxes.json", JSON.stringify(seconds.map((i) => ({ [name(i)]: [box] })))],
      ...seconds.map((i): [string, string] => [`frames/MEDIAEVAL18_00.mp4/${name(i)}`, ""]),
    ]);
  },
  emotic: () =>
    new Map<string, string | Uint8Array>([
      [
        "annotations_pre/train.csv",
        lines(
          "Index,Folder,Filename,Image Size,BBox,Categorical_Labels,Continuous_Labels,Gender,Age",
          '0,mscoco/images,a.jpg,"[64, 32]","[1, 2, 30.5, 31]",[],"[4.0, 6.0, 9.0]",Male,Adult',
          '1,mscoco/images,a.jpg,"[64, 32]","[20, 2, 60, 31]",[],"[4.0, 6.0, 9.0]",Male,Adult',
        ),
      ],
      ["annotations_pre/train_cat_arr.npy", npy([2, 26], [...new Array(26).fill(0), ...new Array(26).fill(1)])],
      ["annotations_pre/train_cont_arr.npy", npy([2, 3], [4, 6, 9, 4, 6, 9])],
    ]),
};

/** The classes of BoLD, for tests that count. */
export const boldClasses = labels.bold.length;
