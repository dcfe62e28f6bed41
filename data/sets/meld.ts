// MELD: utterances of a television series, one of seven emotions each.
//
//     MELD.Raw/{split}_sent_emo.csv   frames/{split}_splits/dia<D>_utt<U>/frame_<k>.jpg   {split}_human_boxes.json
import { FormatError } from "../../engine/errors.ts";
import { linspaceFrames } from "../sampling.ts";
import type { BenchmarkSample } from "./benchmark.ts";
import { type Found, readGroupedBoxes } from "./detections.ts";
import { listNames } from "./files.ts";
import { labels } from "./labels.ts";
import type { Reader } from "./reader.ts";
import { readTable } from "./table.ts";

/** Rows whose clip is missing in the published set; the official code removes them. */
const removed: Readonly<Record<string, string>> = { train: "dia125_utt3", dev: "dia110_utt7" };

export const meld: Reader = {
  splits: ["train", "dev", "test"],
  kind: "video",
  classes: labels.meld_emotion,
  dimensions: [],
  read({ root, split, frames, switches }) {
    const notes: string[] = [];
    const rows: { clip: string; group: string; label: number; text: string }[] = [];
    const needed = ["Utterance", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID"];
    readTable(root, `MELD.Raw/${split}_sent_emo.csv`, { form: "csv", needed }, (row) => {
      const group = `dia${row.whole("Dialogue_ID")}`;
      const clip = `${group}_utt${row.whole("Utterance_ID")}`;
      const label = row.oneOf("Emotion", labels.meld_emotion);
      row.oneOf("Sentiment", labels.meld_sentiment);
      if (clip === removed[split])
        notes.push(`${row.place} (${clip}) is left out: the published set has no clip for it`);
      else rows.push({ clip, group, label, text: row.text("Utterance") });
    });

    const wanted = new Map<string, Found>();
    const chosen = rows.map(({ clip }) => {
      const folder = `frames/${split}_splits/${clip}`;
      const names = framesIn(root, folder, frames);
      if (typeof names === "string") return names;
      wanted.set(clip, new Map(names.map((name) => [name, undefined])));
      return names;
    });
    const file = `${split}_human_boxes.json`;
    readGroupedBoxes(root, file, wanted);

    const samples = rows.map(({ clip, ...rest }, i): BenchmarkSample => {
      const names = chosen[i];
      if (typeof names === "string") return { id: clip, ...rest, source: { kind: "faulty", reason: names } };
      const boxes = names.map((name) => wanted.get(clip)!.get(name));
      const mask = { kind: "detections", at: "resized", rule: switches.boxes, file, boxes } as const;
      const paths = names.map((name) => `frames/${split}_splits/${clip}/${name}`);
      return { id: clip, ...rest, source: { kind: "files", root, frames: paths, resize: 256, mask } };
    });
    return { samples, notes };
  },
};

/** T of the frames 0 … n − 1, n being the number of files; a reason where there is none. */
function framesIn(root: string, folder: string, frames: number): string[] | string {
  try {
    const { length } = listNames(root, folder, "frames").filter((name) => /^frame_\d+\.jpg$/.test(name));
    if (length === 0) return `${folder}: has no frame_<k>.jpg`;
    return Array.from(linspaceFrames(0, length - 1, frames), (k) => `frame_${k}.jpg`);
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
}
