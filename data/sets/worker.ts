// A thread that loads samples of benchmarks. Bundled as an entry of its own, `benchmark-worker`; never touches a GPU.
import { workerData } from "node:worker_threads";
import type { Pixels } from "../pixels/view.ts";
import { lendHand } from "../threads/pool.ts";
import { type Frame, type Loadable, loadSample } from "./load.ts";

const frame = workerData as Frame;

lendHand<Loadable, Pixels>({ answer: (sample) => loadSample(sample, frame) }, ({ frames, mask }) => [
  frames.buffer,
  mask.buffer,
]);
