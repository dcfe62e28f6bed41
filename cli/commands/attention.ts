// `emotionclip attention`: what the subject token of a checkpoint looks at, drawn over the frames (figure 5 of the paper); or how a
// model that has none weighs whole frames.
import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { Command } from "commander";
import { makeFolder, replaceFile } from "../../data/formats/disk.ts";
import { type BoxMeaning, openBoxes } from "../../data/footage/boxes.ts";
import { type Footage, readFootage } from "../../data/footage/footage.ts";
import { npyBytes } from "../../data/formats/npy.ts";
import { encodePng } from "../../data/pixels/png.ts";
import { UsageError } from "../../engine/errors.ts";
import type { GpuOptions } from "../../engine/index.ts";
import { type ShownClip, shownFrames } from "../../eval/attention/clip.ts";
import { areaOf, attentionMaps, mapAt, onPatches, shareInside, topOf } from "../../eval/attention/maps.ts";
import { frameWeights } from "../../eval/attention/frames.ts";
import { outline, overlay, sheet } from "../../eval/attention/sheet.ts";
import { frameShares, framesText, writeFrames } from "../frame-attention.ts";
import { tellRemarks } from "../inputs.ts";
import { boxRule, NO_SUBJECT, whole, withCheckpoint } from "../flags.ts";
import { openPlan, withModel } from "../../model/checkpoint/open-model.ts";
import type { VideoText } from "../../model/family.ts";
import { pairOf } from "../../data/pixels/side.ts";
import { footageResize } from "../../data/pixels/view.ts";
import { printResult } from "../terminal/streams.ts";
import type { Context } from "../gpu.ts";

export function command({ gpu }: Context): Command {
  return withCheckpoint(new Command().argument("<input...>", "a folder of frames, pictures, or a video"))
    .requiredOption("--out <folder>", "where the pictures and numbers go")
    .option("--boxes <boxes>", "where the subject is: x1,y1,x2,y2 in pixels, or a JSON file of boxes per frame")
    .addOption(boxRule())
    .option("--frames <n>", "frames, evenly spaced (default: as many as the model takes)")
    .option("--json", "print the numbers as JSON")
    .action((input: string[], flags: Flags) => attention(input, { ...flags, gpu: gpu() }));
}

interface Flags {
  gpu: GpuOptions;
  checkpoint: string;
  config?: string;
  out: string;
  boxes?: string;
  boxRule: BoxMeaning;
  frames?: string;
  json?: boolean;
}

async function attention(input: string[], flags: Flags): Promise<void> {
  const frames = flags.frames === undefined ? undefined : whole("frames", flags.frames, 1, mostFrames);
  const there = await stat(flags.out).catch(() => undefined);
  if (there && !there.isDirectory()) throw new UsageError(`--out: ${flags.out} is not a folder`);
  const { plan, close } = await openPlan(flags);
  const notes = tellRemarks(plan);
  try {
    const { takes, subjectTower, frameReader }: VideoText = plan.model;
    if (!subjectTower && !frameReader)
      throw new UsageError(`${basename(flags.checkpoint)}: has no subject token: it was trained with subject none`);
    if (!subjectTower && flags.boxes !== undefined)
      throw new UsageError(`--boxes: ${basename(flags.checkpoint)} is told of no subject; it weighs whole frames`);
    const footage = await readFootage(input, {
      frames: frames ?? takes.frames,
      side: takes.side,
      resize: footageResize(takes),
      subject: flags.boxes === undefined ? undefined : await openBoxes(flags.boxes, flags.boxRule),
    });
    const { pictures, names, mask } = footage;
    const of = `${basename(flags.checkpoint)}: ${input.map(nameOf).join(" ")}`;
    if (!subjectTower) {
      const weights = await withModel(plan, (model) => frameWeights(model, footage));
      const clip = { title: of, told: frameReader!.told, pictures, names, weights };
      const numbers = frameShares(clip, notes);
      await writeFrames(flags.out, clip, numbers);
      return printResult(flags.json, numbers, (found) => framesText(flags.out, found));
    }
    const maps = await withModel(plan, (model) => attentionMaps(model, footage));
    const title = `${of}, ${subjectTower.told.toUpperCase()}`;
    const clip = { title, frames: shownFrames(pictures, names, mask), maps };
    const numbers = { ...numbersOf(clip, subjectTower.told), notes };
    await write(flags.out, clip, numbers);
    printResult(flags.json, numbers, () => page(flags.out, clip, footage));
  } finally {
    await close();
  }
}

/** Columns of a sheet. */
const mostFrames = 64;

const nameOf = (path: string): string => basename(path) || path;

/** What attention.json holds, and `--json` prints. Shares are of the attention to patches; cls and the subject take the rest. */
function numbersOf({ frames, maps }: ShownClip, subject: string) {
  const layers = Array.from({ length: maps.layers }, (_, layer) => layer);
  return {
    subject,
    layers: maps.layers,
    grid: maps.grid,
    largest: layers.map((layer) => topOf(maps, layer)),
    frames: frames.map(({ label, box }, frame) => ({
      name: label,
      box: box ?? null,
      area: box ? areaOf(box) : null,
      inside: box
        ? layers.map((layer) => shareInside(mapAt(maps, layer, frame), onPatches(box, maps), maps.grid))
        : null,
    })),
  };
}

async function write(folder: string, clip: ShownClip, numbers: object): Promise<void> {
  const { frames, maps } = clip;
  const { layers, grid, weights } = maps;
  await makeFolder(folder);
  await replaceFile(join(folder, "sheet.png"), await encodePng(sheet(clip)));
  for (const [frame, { image, box }] of frames.entries())
    for (let layer = 0; layer < layers; layer++) {
      const drawn = overlay(image, mapAt(maps, layer, frame), topOf(maps, layer), maps.covered, grid);
      if (box) outline(drawn, box);
      await replaceFile(join(folder, overlayName(frame, layer)), await encodePng(drawn));
    }
  const shape = [layers, frames.length, ...pairOf(grid)];
  await replaceFile(join(folder, "attention.npy"), npyBytes([{ shape, data: weights }]));
  await replaceFile(join(folder, "attention.json"), `${JSON.stringify(numbers, undefined, 1)}\n`);
}

const two = (n: number) => String(n).padStart(2, "0");
const overlayName = (frame: number, layer: number) => `frame-${two(frame + 1)}-layer-${two(layer + 1)}.png`;

function page(folder: string, { frames, maps }: ShownClip, { seen }: Footage): string {
  const lines = [
    `${join(folder, "sheet.png")}: ${frames.length} frames x ${maps.layers} layers`,
    `  ${overlayName(0, 0)} …  single overlays`,
    "  attention.npy, attention.json  the numbers",
  ];
  if (seen === 0) lines.push(NO_SUBJECT);
  return lines.join("\n");
}
