// The bars: what our kernels must reach beside a yardstick that runs in turn with them. Ratios, not absolute times:
// CPU time on CPU rasterisers, wall clock on GPUs.
import type { Op } from "../engine/declare/op.ts";
import { type BaselineForm, plainAttention, plainTile } from "./baselines/wgsl.ts";
import { type Case, drawInputs, Prepared } from "./case.ts";
import { difference } from "./check.ts";
import { type Arm, interleave, ratioOf } from "./measure.ts";
import { type Bench, ours } from "./ops.ts";
import { submitRaw } from "./raw.ts";
import { clockOf, copyOf } from "./roofline.ts";
import { type Amounts, failedRow, rowOf } from "./row.ts";

/** A demand on one kernel. */
interface Bar {
  readonly name: string;
  /** The op at its sizes, and whether its gradient is meant. */
  readonly op: string;
  readonly sizes: Record<string, number>;
  readonly attrs?: Record<string, number | string | boolean>;
  readonly backward?: true;
  readonly against: Yardstick;
  /** Times as fast as the yardstick at least, or times as long as it at most. */
  readonly least?: number;
  readonly most?: number;
}

/** What a bar is compared with. */
type Yardstick =
  | {
      readonly kind: "plain-tile";
      readonly form: BaselineForm;
      readonly M: number;
      readonly N: number;
      readonly K: number;
    }
  | { readonly kind: "plain-attention"; readonly B: number; readonly L: number; readonly H: number }
  | { readonly kind: "copy" }
  | { readonly kind: "forward" }
  | { readonly kind: "op"; readonly op: string; readonly sizes: Record<string, number> };

const square = { M: 512, N: 512, K: 512 };
const layer = { M: 408, N: 2304, K: 768 };

function products(): Bar[] {
  const rows: Bar[] = [];
  for (const { M, N, K } of [square, layer]) {
    const size = `${M}x${N}x${K}`;
    const bar = (form: BaselineForm, op: string, sizes: Record<string, number>, least: number): Bar => {
      return { name: `matmul ${form} ${size}`, op, sizes, against: { kind: "plain-tile", form, M, N, K }, least };
    };
    rows.push(bar("NN", "matmul", { N: M, K, M: N }, 3.3));
    rows.push(bar("NT", "matmulNT", { N: M, K, M: N }, 3.3));
    rows.push(bar("TN", "matmulTN", { N: K, I: M, J: N }, 2.8));
  }
  const sizes = { N: layer.M, K: layer.K, M: layer.N };
  const against = { kind: "op", op: "matmulNT", sizes } as const;
  for (const op of ["linear", "linearResidual"])
    rows.push({ name: `epilogue of ${op}`, op, sizes, against, most: 1.15 });
  for (const activation of ["gelu", "geluTanh", "quickGelu"])
    rows.push({
      name: `epilogue of linearActivation ${activation}`,
      op: "linearActivation",
      attrs: { activation },
      sizes,
      against,
      most: 1.15,
    });
  return rows;
}

const heads = { B: 8, L: 51, H: 12 };
const attention = {
  op: "attention",
  sizes: { B: heads.B, L: heads.L, C: 3 * 64 * heads.H },
  attrs: { heads: heads.H },
};

const bars: readonly Bar[] = [
  ...products(),
  {
    name: "attention 96 heads x 51 x 64 forward",
    ...attention,
    against: { kind: "plain-attention", ...heads },
    least: 5,
  },
  {
    name: "attention 96 heads x 51 x 64 backward",
    ...attention,
    backward: true,
    against: { kind: "forward" },
    most: 1.8,
  },
  { name: "layernorm forward", op: "layernorm", sizes: { N: 6528, D: 768 }, against: { kind: "copy" }, most: 2 },
  { name: "adamw", op: "adamw", sizes: { N: 2 ** 22 }, against: { kind: "copy" }, most: 4 },
  ...["add", "mul", "relu", "square", "neg"].map((op): Bar => {
    return { name: `elementwise ${op}`, op, sizes: { N: 2 ** 22 }, against: { kind: "copy" }, most: 1.3 };
  }),
];

/** One row for the yardstick and one for us per bar; ours says whether the bar was reached. Returns the missed ones. */
export async function benchBars(bench: Bench, ops: readonly Op[]): Promise<string[]> {
  const missed: string[] = [];
  for (const bar of bars) {
    if (!bench.wanted("bars", bar.name)) continue;
    try {
      const verdict = await benchBar(bench, bar, ops);
      if (verdict) missed.push(verdict);
    } catch (error) {
      const { message } = error as Error;
      bench.row(failedRow({ suite: "bars", case: bar.name, engine: ours, adapter: bench.gpu.facts.adapter }, message));
      missed.push(`${bar.name}: ${message}`);
    }
  }
  return missed;
}

function caseOf(ops: readonly Op[], name: string, sizes: Record<string, number>, given: Bar["attrs"]): Case {
  const op = ops.find((each) => each.name === name);
  if (!op) throw new Error(`there is no op ${name}`);
  const attrs = { ...op.attrs, ...given };
  return { op, attrs, dims: { ...sizes, ...op.derive?.(sizes, attrs) } };
}

interface Rival {
  readonly engine: string;
  readonly arm: Arm;
  readonly amounts: Amounts;
  /** Its work over the yardstick's, where it could not be given the same. */
  readonly scale: number;
  readonly fault?: string;
  free(): void;
}

async function benchBar(bench: Bench, bar: Bar, ops: readonly Op[]): Promise<string | undefined> {
  const { gpu, rounds, roof, row } = bench;
  const made = caseOf(ops, bar.op, bar.sizes, bar.attrs);
  const prepared = new Prepared(gpu, made, drawInputs(made));
  const rival = await rivalOf(bench, bar, prepared, ops);
  try {
    const [own, amounts] = bar.backward
      ? [prepared.backwardArm, prepared.backward!]
      : [prepared.forwardArm, prepared.forward];
    const [mine, theirs] = await interleave([own, rival.arm], rounds);
    const clock = clockOf(gpu);
    const ratio = ratioOf(mine, theirs, clock) / rival.scale;
    const reached = bar.least ? 1 / ratio >= bar.least : ratio <= bar.most!;
    const measured = bar.least
      ? `${(1 / ratio).toFixed(2)} times as fast as ${rival.engine}, at least ${bar.least}`
      : `${ratio.toFixed(2)} times ${rival.engine}, at most ${bar.most}`;
    const what = { suite: "bars", case: bar.name, adapter: gpu.facts.adapter };
    const note = `${reached ? "reached" : "MISSED"}: ${measured}`;
    const correct = rival.fault === undefined;
    row(rowOf({ ...what, engine: ours, correct, note }, mine, amounts, clock, roof));
    row(
      rowOf(
        { ...what, engine: rival.engine, correct, ratio: 1 / ratio, note: rival.fault },
        theirs,
        rival.amounts,
        clock,
        roof,
      ),
    );
    return reached ? undefined : `${bar.name}: ${measured}`;
  } finally {
    rival.free();
    prepared.free();
  }
}

/** The largest copy that is made: longer ones are counted by their bytes. */
const mostCopied = 2 ** 26;

async function rivalOf({ gpu }: Bench, { against }: Bar, prepared: Prepared, ops: readonly Op[]): Promise<Rival> {
  const nothing = () => {};
  if (against.kind === "forward")
    return { engine: "our forward", arm: prepared.forwardArm, amounts: prepared.forward, scale: 1, free: nothing };
  if (against.kind === "op") {
    const made = caseOf(ops, against.op, against.sizes, {});
    const other = new Prepared(gpu, made, drawInputs(made));
    return { engine: against.op, arm: other.forwardArm, amounts: other.forward, scale: 1, free: () => other.free() };
  }
  if (against.kind === "copy") {
    const bytes = Math.ceil(prepared.forward.bytes / 2 / 16) * 16;
    const copied = Math.min(bytes, mostCopied);
    const launch = copyOf(gpu, copied);
    const arm: Arm = {
      name: "copy",
      run(reps) {
        submitRaw(gpu, [launch], reps);
        return gpu.idle();
      },
    };
    const amounts = { bytes: 2 * copied, flops: 0, launches: 1 };
    return { engine: "vec4 copy", arm, amounts, scale: bytes / copied, free: nothing };
  }
  const { inputs, made } = prepared;
  const [first, second] = made.op.sig.inputs.map(({ name }) => inputs[name]);
  const contestant =
    against.kind === "plain-tile"
      ? plainTile(gpu, against.form, against, first, second)
      : plainAttention(gpu, against, first);
  await contestant.run(1);
  const { y } = await prepared.outputs();
  const fault = difference(await contestant.output(), y, 1e-4, "y"); // another order of summation
  return { engine: against.kind, arm: contestant, amounts: prepared.forward, scale: 1, fault, free: contestant.free };
}
