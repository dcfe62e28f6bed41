// A thread that loads samples of benchmarks. Bundled as an entry of its own, `benchmark-worker`; never touches a GPU.
import { workerData } from "node:worker_threads";
import { answerWith } from "../threads/thread.ts";
import type { Pixels } from "../pixels/view.ts";
import { Lanes } from "../threads/lanes.ts";
import { type Frame, IN_HAND, type Loadable, loadSample } from "./load.ts";

const frame = workerData as Frame;
const lanes = new Lanes(IN_HAND);

answerWith<Loadable, Pixels>(
  (sample) => lanes.run(() => loadSample(sample, frame)),
  ({ frames, mask }) => [frames.buffer, mask.buffer],
);
