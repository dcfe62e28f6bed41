// What a dispatch costs the main thread in the steady state of training: recording, gradients, planning, encoding.
// A transformer far too small for its arithmetic to matter, hundreds of launches a step, replayed.
import { readFileSync } from "node:fs";
import { allocateGroup, assign, declare, type Gpu, Tape, type Tensor, tensor } from "../engine/index.ts";
import { add, adamw, attention, layernorm, linear, mean, square } from "../kernels/index.ts";
import { gaussians } from "./draw.ts";
import { median } from "./measure.ts";
import { type Bench, ours } from "./ops.ts";
import type { BenchRow } from "./row.ts";
import { versionOf } from "./versions.ts";

const width = 16;
const tokens = 4;
const layers = 24;

/** One block's parameters, by what they are. */
interface Block {
  readonly gain: Tensor;
  readonly bias: Tensor;
  readonly inner: Tensor;
  readonly innerBias: Tensor;
  readonly outer: Tensor;
  readonly outerBias: Tensor;
}

function makeModel(): { blocks: Block[]; all: Tensor[] } {
  const blocks = Array.from({ length: layers }, () => ({
    gain: declare([width]),
    bias: declare([width]),
    inner: declare([3 * width, width]),
    innerBias: declare([3 * width]),
    outer: declare([width, width]),
    outerBias: declare([width]),
  }));
  return { blocks, all: blocks.flatMap((block) => Object.values(block)) };
}

function forward(x: Tensor, blocks: readonly Block[]): Tensor {
  for (const { gain, bias, inner, innerBias, outer, outerBias } of blocks) {
    const qkv = linear(layernorm(x, gain, bias), inner, innerBias);
    x = add(x, linear(attention(qkv, { heads: 2 }), outer, outerBias));
  }
  return mean(square(x));
}

/** Steps of training, without waiting for the device. */
export class SyntheticTraining {
  readonly #model = makeModel();
  readonly #shards = allocateGroup(this.#model.all, 2);
  readonly #input = gaussians(2 * tokens * width, 1);
  readonly #factor = Float32Array.of(1);
  #step = 0;

  constructor(readonly gpu: Gpu) {
    for (const [i, each] of this.#model.all.entries())
      assign(
        each,
        gaussians(each.numel, i).map((v) => 0.2 * v),
      );
  }

  /** Records and submits `count` steps. */
  run(count: number): void {
    for (let i = 0; i < count; i++) {
      using tape = new Tape();
      const loss = forward(tensor(this.#input, [2, tokens, width]), this.#model.blocks);
      tape.gradients(loss);
      const step = ++this.#step;
      for (const { parameters, gradients, moments } of this.#shards)
        adamw(parameters, gradients, moments[0], moments[1], tensor(this.#factor, []), { step, lr: 1e-4 });
    }
  }
}

/** CPU time of the main thread in ms: from the scheduler where procfs has it, else the wall clock. */
function mainThreadMs(): number {
  try {
    const [ns] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8").split(" ");
    return Number(ns) / 1e6;
  } catch {
    return performance.now();
  }
}

/** Microseconds of the main thread per dispatch, one per round, and the dispatches of a step. */
export async function measureRecording(gpu: Gpu, rounds: number): Promise<{ us: number[]; dispatches: number }> {
  const training = new SyntheticTraining(gpu);
  training.run(20); // compiled kernels, a plan, and optimised JavaScript
  await gpu.idle();
  const before = gpu.dispatched;
  training.run(1);
  const dispatches = gpu.dispatched - before;
  await gpu.idle();
  const us: number[] = [];
  const steps = Math.ceil(8000 / dispatches); // the scheduler's clock ticks every few ms
  for (let round = 0; round < rounds; round++) {
    const start = mainThreadMs();
    training.run(steps);
    us.push(((mainThreadMs() - start) * 1000) / (steps * dispatches));
    await gpu.idle();
  }
  return { us, dispatches };
}

/** Most microseconds of main-thread CPU per dispatch. */
const most = 12;

/** The row of the recording; returns the bar if it was missed. */
export async function benchRecording({ gpu, rounds, wanted, row }: Bench): Promise<string[]> {
  const name = "main-thread CPU per dispatch";
  if (!wanted("recording", name)) return [];
  const { us, dispatches } = await measureRecording(gpu, rounds);
  const cost = median(us);
  const measured = `${cost.toFixed(1)} us, at most ${most}; ${dispatches} dispatches a step`;
  const result: BenchRow = {
    suite: "recording",
    case: name,
    engine: ours,
    version: versionOf(ours),
    adapter: gpu.facts.adapter,
    median_ms: cost / 1000,
    min_ms: Math.min(...us) / 1000,
    cpu_ms: cost / 1000,
    gflops: null,
    gbps: null,
    correct: null,
    note: `${cost <= most ? "reached" : "MISSED"}: ${measured}`,
  };
  row(result);
  return cost <= most ? [] : [`${name}: ${measured}`];
}
