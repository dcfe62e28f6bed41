// Features of windows that slide over a film: each frame goes through the frame tower once, however many windows show it.
import type { ReelFrame } from "../../data/footage/reel-frames.ts";
import type { FilmWindow } from "../../data/footage/windows.ts";
import type { AnyPixels } from "../../data/pixels/view.ts";
import { compute, type Tensor, tensor } from "../../engine/index.ts";
import { piped, readAhead } from "../../data/threads/piped.ts";
import { cellsOf } from "../../data/pixels/side.ts";
import type { VideoText } from "../../model/family.ts";
import { asClips, pixelTensors } from "../../model/pixels.ts";
import { imageFeatures, inBatches, together } from "./encode.ts";

/** A window, and what the model makes of it. */
export interface WindowRow {
  readonly window: FilmWindow;
  /** v_E, of unit length. */
  readonly feature: Float32Array;
}

/** A frame, and what the frame tower makes of it. */
export interface FrameRow {
  readonly frame: ReelFrame;
  /** f_E as its kind asks for. */
  readonly feature: Float32Array;
}

/** Numbers of the frames that some window shows, ascending. */
export const framesOf = (windows: readonly FilmWindow[]): number[] =>
  [...new Set(windows.flatMap(({ frames }) => frames))].sort((a, b) => a - b);

/** What frames become: what the temporal module reads, or pictures by themselves, of unit length. */
export type FrameKind = "temporal" | "alone";

/** Rows of single frames, in order; `batch` frames are computed at once. */
export async function* frameRows(
  model: VideoText,
  frames: AsyncIterable<ReelFrame>,
  batch: number,
  kind: FrameKind = "temporal",
): AsyncGenerator<FrameRow> {
  const encoded = piped(readAhead(inBatches(frames, batch)), async (some) => {
    const pixels = together(
      some.map(({ pixels }) => pixels),
      cellsOf(model.takes.side),
    );
    const [rows] = await compute(() => [kind === "alone" ? imageFeatures(model, pixels) : framesAlone(model, pixels)]);
    return { some, rows: rows as Float32Array };
  });
  for await (const { some, rows } of encoded)
    for (const [i, frame] of some.entries())
      yield { frame, feature: rows.slice(i * model.embed, (i + 1) * model.embed) };
}

function framesAlone(model: VideoText, pixels: AnyPixels): Tensor {
  const { side, colours } = model.takes;
  const { frames_BT3SS, mask_BTSS } = asClips(pixelTensors(pixels, side, 0, undefined, colours), 1);
  return model.encodeFrames(frames_BT3SS, mask_BTSS);
}

/**
 * Rows of windows in their order (by beginning), out of rows of their frames: equal to `encodeVideo` on each window's frames. Rows of
 * frames are held as long as a window to come shows them.
 */
export async function* windowRows(
  model: VideoText,
  windows: readonly FilmWindow[],
  frames: AsyncIterable<FrameRow>,
  batch: number,
): AsyncGenerator<WindowRow> {
  const encoded = piped(inBatches(whole(windows, frames), batch), async (some) => {
    const [B, T, E] = [some.length, some[0].rows.length, model.embed];
    const f_BTE = new Float32Array(B * T * E);
    for (const [b, { rows }] of some.entries()) for (const [t, row] of rows.entries()) f_BTE.set(row, (b * T + t) * E);
    const [v_BE] = await compute(() => [model.joinFrames(tensor(f_BTE, [B, T, E]))]);
    return some.map(({ window }, b) => ({ window, feature: (v_BE as Float32Array).slice(b * E, (b + 1) * E) }));
  });
  for await (const rows of encoded) yield* rows;
}

/** Windows whose frames have all come, with the rows of these. */
async function* whole(windows: readonly FilmWindow[], frames: AsyncIterable<FrameRow>) {
  const held = new Map<number, Float32Array>();
  let next = 0;
  for await (const { frame, feature } of frames) {
    held.set(frame.index, feature);
    for (; next < windows.length && windows[next].frames.at(-1)! <= frame.index; next++)
      yield { window: windows[next], rows: windows[next].frames.map((index) => held.get(index)!) };
    const first = windows[next]?.frames[0] ?? Number.POSITIVE_INFINITY;
    for (const index of held.keys()) if (index < first) held.delete(index);
  }
}
