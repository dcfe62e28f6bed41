// The way to the device and back, as the engine goes it, and what it costs to ask for work.
import type { Gpu } from "../../engine/device/gpu.ts";
import { Value } from "../../engine/record/value.ts";
import { gaussians } from "../draw.ts";
import { median } from "../measure.ts";
import { submitRaw } from "../raw.ts";
import { measureRecording } from "../recording.ts";
import { nothingOf } from "../roofline.ts";
import type { PartRun, ReportPart } from "./part.ts";

/** Seconds of `body`, the median of some rounds after one that counts for nothing. */
async function seconds(rounds: number, body: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i <= rounds; i++) {
    const start = performance.now();
    await body();
    if (i > 0) times.push((performance.now() - start) / 1000);
  }
  return median(times);
}

async function transfers({ sizes, tell }: PartRun, gpu: Gpu): Promise<void> {
  const bytes = Math.min(sizes.transfer, gpu.store.maxBinding);
  const data = gaussians(bytes / 4, 3);
  const storage = gpu.store.allocate(bytes, "other");
  const value = new Value(bytes / 4, "f32");
  const up = await seconds(sizes.rounds, async () => {
    gpu.write(storage, data);
    await gpu.idle();
  });
  let back: ArrayLike<number> = [];
  const down = await seconds(sizes.rounds, async () => {
    back = await gpu.read(value, storage);
  });
  const isSame = data.every((v, i) => v === back[i]);
  const note = isSame ? `${bytes / 2 ** 20} MiB came back as they went` : "what came back is not what went";
  const row = (name: string, time: number) =>
    tell({ row: { name, right: isSame, note, cells: { value: bytes / time / 1e9, unit: "GB/s" } } });
  row("upload (writeBuffer)", up);
  row("readback (copy, map, slice)", down);
  gpu.store.free(storage, "other");
}

async function launches({ sizes, tell }: PartRun, gpu: Gpu): Promise<void> {
  const many = sizes.rounds > 1 ? 1000 : 50;
  const { launch, y } = nothingOf(gpu);
  const row = async (name: string, time: number) => {
    const [got] = await gpu.read(new Value(1, "f32"), y);
    tell({ row: { name, right: got === 1, cells: { value: time * 1e6, unit: "us" } } });
    gpu.write(y, Float32Array.of(0));
  };
  const inOnePass = await seconds(sizes.rounds, async () => {
    submitRaw(gpu, [launch], many);
    await gpu.idle();
  });
  await row("a dispatch, among others in a pass", inOnePass / many);
  const alone = await seconds(sizes.rounds, async () => {
    for (let i = 0; i < many; i++) submitRaw(gpu, [launch], 1);
    await gpu.idle();
  });
  await row("a submit of one dispatch, without waiting", alone / many);
  const few = Math.ceil(many / 20);
  const waited = await seconds(sizes.rounds, async () => {
    for (let i = 0; i < few; i++) {
      submitRaw(gpu, [launch], 1);
      await gpu.idle();
    }
  });
  await row("the same, waited for each time", waited / few);
}

/** The part. */
export const busPart: ReportPart = {
  name: "bus",
  title: "Bus and launches",
  about:
    "Bytes to the device and back through the engine's own calls, compared with what was sent; what a launch and a submit cost.",
  seconds: 20,
  columns: [
    { key: "value", title: "measured" },
    { key: "unit", title: "", as: "text" },
  ],
  async run(part) {
    const gpu = await part.gpu();
    await transfers(part, gpu);
    await launches(part, gpu);
    if (process.platform !== "linux")
      part.tell({ skipped: "the main thread's time per dispatch: Linux alone tells it" });
    else if (part.late()) part.tell({ skipped: "the main thread's time per dispatch" });
    else {
      const { us, dispatches } = await measureRecording(gpu, part.sizes.rounds);
      const cells = { value: median(us), unit: "us" };
      const note = `a step of ${dispatches} dispatches, recorded, planned and encoded`;
      part.tell({ row: { name: "the main thread, for each dispatch", right: null, note, cells } });
    }
  },
};
