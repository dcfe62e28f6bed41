// A film that is drawn by the embedded data "stage": in each shot two or three people, one of whom speaks the line of the subtitles.
// Beside it lie its .srt and the boxes of all its people; track 1 is whoever speaks.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { type ClipPlan, fps, height, planClip, renderClip, width } from "../../data/stage/clip.ts";
import type { Emotion } from "../../data/stage/emotions.ts";
import type { Split } from "../../data/stage/split.ts";
import { subRip } from "./tiny-films.ts";

/** What is drawn, and where; `path` has no extension. */
export interface StageFilm {
  readonly path: string;
  readonly seed: number;
  /** Whose people and rooms. */
  readonly split: Split;
  readonly emotions: readonly Emotion[];
  /** Shots of each emotion. */
  readonly shots: number;
}

/** The truth about a shot; seconds. */
export interface Shot {
  readonly start: number;
  readonly end: number;
  readonly emotion: Emotion;
  readonly caption: string;
  /** Seven logits. */
  readonly sentiment: readonly number[];
}

/** Frames of the shortest shot: more than two seconds. */
const SHORTEST = 20;

/** Draws, encodes and writes a film and what lies beside it; its shots in their order. */
export function stageFilm({ path, seed, split, emotions, shots }: StageFilm): Shot[] {
  const told: Shot[] = [];
  const pixels: Uint8Array[] = [];
  const boxes: string[] = [];
  for (const { index, plan } of chosen(seed, split, emotions, shots)) {
    const { rgb } = renderClip(seed, split, index);
    const start = pixels.length / fps;
    for (const [t, frame] of rgb.entries()) {
      pixels.push(frame);
      boxes.push(...boxesAt(plan, t, pixels.length));
    }
    const caption = plan.caption.text.replace(/[.!?](?= )/g, ","); // a sentence a shot
    told.push({ start, end: pixels.length / fps, emotion: plan.actors[0].emotion, caption, sentiment: plan.sentiment });
  }
  const film = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", `${width}x${height}`, "-r", String(fps), "-i", "pipe:0"];
  const sound = ["-f", "lavfi", "-i", `sine=frequency=220:duration=${pixels.length / fps}`];
  const coded = ["-c:v", "libx264", "-crf", "12", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac"];
  const args = ["-v", "error", "-y", ...film, ...sound, ...coded, `${path}.mp4`];
  const made = spawnSync("ffmpeg", args, { input: Buffer.concat(pixels) });
  assert.is(made.status, 0, String(made.stderr));
  writeFileSync(`${path}.srt`, subRip(told.map(({ start, end, caption }) => [start, end, caption])));
  writeFileSync(`${path}.mot.txt`, boxes.join(""));
  return told;
}

/** The first clips of each emotion that last long enough. */
function chosen(seed: number, split: Split, emotions: readonly Emotion[], shots: number) {
  const found: { index: number; plan: ClipPlan }[] = [];
  const counts = new Map(emotions.map((emotion) => [emotion, 0]));
  for (let index = 0; found.length < emotions.length * shots; index++) {
    const plan = planClip(seed, split, index);
    const count = counts.get(plan.actors[0].emotion);
    if (count === undefined || count === shots || plan.boxes.length < SHORTEST) continue;
    counts.set(plan.actors[0].emotion, count + 1);
    found.push({ index, plan });
  }
  return found;
}

/** Lines of MOTChallenge: the speaker's box is the drawn one, the others' stand around their marks. */
function boxesAt({ actors, boxes }: ClipPlan, t: number, frame: number): string[] {
  const [left, top, right, bottom] = boxes[t];
  return actors.map(({ placing: { mark } }, i) => {
    const x = i === 0 ? left : Math.max(0, Math.round(mark[0]) - Math.round((right - left) / 2));
    return `${frame},${i + 1},${x},${top},${Math.min(width - x, right - left)},${bottom - top},1\n`;
  });
}
