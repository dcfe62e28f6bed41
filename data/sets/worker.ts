// A thread that loads samples of benchmarks. Bundled as an entry of its own, `benchmark-worker`; never touches a GPU.
import { workerData } from "node:worker_threads";
import { answerWith } from "../threads/thread.ts";
import { Lanes } from "./lanes.ts";
import { type Frame, type Loadable, loadSample, type Pixels } from "./load.ts";

const frame = workerData as Frame;
const lanes = new Lanes();

answerWith<Loadable, Pixels>(
  (sample) => lanes.run(() => loadSample(sample, frame)),
  ({ frames, mask }) => [frames.buffer, mask.buffer],
);
