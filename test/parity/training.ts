// Training of model folders: gradients of every parameter, AdamW steps under the official groups and rates, loss sequences, the
// clamp of logit_scale, and the scheduler's sequences.
import { basename } from "node:path";
import { parameter, Tape, tensor } from "../../engine/index.ts";
import { later } from "../../engine/record/compute.ts";
import { adamw } from "../../kernels/index.ts";
import { logitScaleMost, named } from "../../model/index.ts";
import { AdamW, learningRate, sentimentContrast } from "../../train/index.ts";
import { type Pace, scheduleOf } from "../train/official-schedule.ts";
import type { Check } from "./check.ts";
import { inModels, modelOf } from "./model.ts";
import type { ModelFolder } from "./model-folder.ts";
import type { Verdict } from "./verdict.ts";

/** Options of the official trainer. */
interface Hyper {
  readonly lr_backbone_gb: number;
  readonly lr_backbone_rest: number;
  readonly lr_head_gb: number;
  readonly lr_head_rest: number;
  readonly weight_decay_backbone: number;
  readonly weight_decay_head: number;
  readonly adamw_beta1: number;
  readonly adamw_beta2: number;
  readonly adamw_eps: number;
}

/** The order of the optimiser's groups. */
const order = ["frame_gb", "frame_rest", "text_gb", "text_rest", "temporal_gb", "temporal_rest", "logit_scale"];

/** Rate of each group before the schedule; logit_scale has that of the backbone's matrices. */
function basesOf(hp: Hyper): Record<string, number> {
  const { lr_backbone_gb: gb, lr_backbone_rest: rest, lr_head_gb, lr_head_rest } = hp;
  const backbone = { frame_gb: gb, frame_rest: rest, text_gb: gb, text_rest: rest, logit_scale: rest };
  return { ...backbone, temporal_gb: lr_head_gb, temporal_rest: lr_head_rest };
}

function decaysOf({ weight_decay_backbone: backbone, weight_decay_head }: Hyper): Record<string, number> {
  const none = { frame_gb: 0, text_gb: 0, temporal_gb: 0, logit_scale: 0 };
  return { ...none, frame_rest: backbone, text_rest: backbone, temporal_rest: weight_decay_head };
}

/** The rates of iteration `it` by group. */
const ratesAt = (hp: Hyper & Pace, it: number): Record<string, number> =>
  Object.fromEntries(Object.entries(basesOf(hp)).map(([name, base]) => [name, learningRate(base, it, scheduleOf(hp))]));

/** One update on the golden inputs, without dropout; its loss. With `hp` undefined only gradients are computed. */
async function update(of: ModelFolder, beta: number, step: number, hp?: Hyper & Pace): Promise<number> {
  let loss: Promise<ArrayLike<number>>;
  {
    using tape = new Tape();
    const { frames_BT3SS, mask_BTSS, tokens_BW, ends_B } = of.upload();
    const { data, shape } = of.input("sentiment");
    const v_BE = of.model.encodeVideo(frames_BT3SS, mask_BTSS);
    const t_BE = of.model.encodeText(tokens_BW, ends_B);
    const value = sentimentContrast(v_BE, t_BE, tensor(data, shape, "f32"), of.model.logit_scale, {
      beta,
      form: "code",
    });
    tape.gradients(value);
    if (hp) optimizer(of, hp).step(step, ratesAt(hp, step - 1));
    loss = later(value);
  }
  return (await loss)[0];
}

function optimizer({ groups, shards }: ModelFolder, hp: Hyper): AdamW {
  const { adamw_beta1: beta1, adamw_beta2: beta2, adamw_eps: eps } = hp;
  return new AdamW(groups, shards, { beta1, beta2, eps, decay: decaysOf(hp), clip: 3e38 });
}

/** Losses of `steps` updates from the file's weights. */
async function train(of: ModelFolder, beta: number, steps: number, hp: Hyper & Pace): Promise<number[]> {
  await of.load();
  const losses: number[] = [];
  for (let step = 1; step <= steps; step++) losses.push(await update(of, beta, step, hp));
  return losses;
}

/** Gradient of every parameter, or digests of them; the loss is in the file's name: clip, or snce_beta10. */
export const gradients: Check = {
  takes: inModels(/^grad[\w.-]*\.(safetensors|json)$/),
  run: async (verdict) => {
    const of = await modelOf(verdict);
    const found = basename(verdict.file).includes("clip")
      ? 0
      : /beta(\d[\d.]*(e-?\d+)?)(?=[._])/.exec(verdict.file)?.[1];
    if (found === undefined) verdict.note("the name says no β: 10");
    await of.load();
    await update(of, Number(found ?? 10), 1);
    await verdict.all(
      of.parts(({ gradients }) => gradients),
      true,
    );
  },
};

interface AdamFile {
  readonly test_hp: Hyper & Pace;
  readonly official_hp?: Hyper & Pace;
  readonly beta: number;
  readonly lrs: number[][];
  readonly losses: number[];
  readonly groups: { name: string; params: string[]; weight_decay: number }[];
  readonly official_lrs?: number[][];
  readonly official_losses?: number[];
  readonly official_max_abs_delta_after_1_and_3?: Record<string, [number, number]>;
}

/** Parameters or moments after some steps of the test setting, or digests of them. */
export const steps: Check = {
  takes: inModels(/^adamw_(step|exp_avg_sq|exp_avg)\d+[\w-]*\.(safetensors|json)$/),
  run: async (verdict) => {
    const of = await modelOf(verdict);
    const [, what, count] = /adamw_(step|exp_avg_sq|exp_avg)(\d+)[\w-]*\.\w+$/.exec(verdict.file)!;
    const { beta, test_hp } = verdict.folder.json<AdamFile>(of.file("adamw.json"));
    await train(of, beta, Number(count), test_hp);
    const which = { step: "parameters", exp_avg: 0, exp_avg_sq: 1 } as const;
    const at = which[what as keyof typeof which];
    await verdict.all(
      of.parts((shard) => (at === "parameters" ? shard.parameters : shard.moments[at])),
      true,
    );
    await of.load();
  },
};

/** Groups, rates and losses of the test setting; losses and the size of the changes in the official one. */
export const adamwSettings: Check = {
  takes: inModels(/^adamw\.json$/),
  run: async (verdict) => {
    const of = await modelOf(verdict);
    const file = verdict.folder.json<AdamFile>(verdict.file);
    const decays = decaysOf(file.test_hp);
    const ours = of.groups.map(({ name, members }) => [name, members.map(([each]) => each), decays[name]]);
    const theirs = file.groups.filter(({ params }) => params.length > 0); // a head without parameters has none
    verdict.same(
      "groups",
      ours,
      theirs.map(({ name, params, weight_decay }) => [name, params, weight_decay]),
    );
    rates(verdict, of, "lrs", file.test_hp, file.lrs);
    const losses = await train(of, file.beta, file.losses.length, file.test_hp);
    verdict.compare("losses", losses, file.losses, lossTolerance);
    if (file.official_hp) await official(verdict, of, file);
    await of.load();
  },
};

/**
 * A loss is the mean of differences of logits of size ten, each rounded to 1e-6. A step of Adam divides a gradient by its own
 * size, so that later losses carry the noise of the smallest gradients: torch in float32 is off by 2e-7 as well.
 */
const lossTolerance = { rtol: 1e-4, atol: 5e-6 };

function rates(verdict: Verdict, of: ModelFolder, name: string, hp: Hyper & Pace, wanted: readonly number[][]): void {
  // a head without parameters may have groups, and may not
  const groups = wanted[0]?.length === order.length ? order : of.groups.map((group) => group.name);
  for (const [it, want] of wanted.entries()) {
    const got = ratesAt(hp, it);
    // as in schedule.json: 1e-9 in float64
    verdict.compare(
      `${name}[${it}]`,
      groups.map((group) => got[group]),
      want,
      { rtol: 1e-9, atol: 0 },
    );
  }
}

/** With the published rates a step is smaller than the rounding of most parameters; the largest changes are known. */
async function official(verdict: Verdict, of: ModelFolder, file: AdamFile): Promise<void> {
  const {
    official_hp: hp,
    official_lrs = [],
    official_losses = [],
    official_max_abs_delta_after_1_and_3: deltas = {},
  } = file;
  rates(verdict, of, "official_lrs", hp!, official_lrs);
  verdict.compare(
    "official_losses",
    await train(of, file.beta, official_losses.length, hp!),
    official_losses,
    lossTolerance,
  );
  for (const [i, count] of [1, 3].entries()) {
    await train(of, file.beta, count, hp!);
    const start = await of.start();
    const shapes = new Map(Array.from(named(of.model), ([name, { shape }]) => [name, shape]));
    for (const [name, read] of of.parts(({ parameters }) => parameters)) {
      if (!(name in deltas)) continue;
      const [got, largest] = change(await read(), (await start.values(name, shapes.get(name)!))!);
      // each step rounds the parameter once, by half a unit in its last place
      const atol = count * 2 ** -24 * largest;
      verdict.number(`change of ${name} after ${count}`, got, deltas[name][i], { rtol: 1e-3, atol });
    }
    await start.close();
  }
}

/** Largest change of an element, and the largest element. */
function change(after: ArrayLike<number>, before: ArrayLike<number>): [number, number] {
  let [delta, largest] = [0, 0];
  for (let i = 0; i < after.length; i++) {
    delta = Math.max(delta, Math.abs(after[i] - before[i]));
    largest = Math.max(largest, Math.abs(before[i]));
  }
  return [delta, largest];
}

interface TrainFile {
  readonly hp: Hyper & Pace;
  readonly beta: number;
  readonly lrs: number[][];
  readonly losses: number[];
  readonly tolerance?: string;
  readonly logit_scale_clamp?: { start: number; grads: number[]; lr: number; values: number[] }[];
}

/** Many steps on one batch, and logit_scale at its limits. */
export const sequence: Check = {
  takes: inModels(/^train\d*\.json$/),
  run: async (verdict) => {
    const of = await modelOf(verdict);
    const {
      hp,
      beta,
      lrs,
      losses,
      tolerance = "",
      logit_scale_clamp = [],
    } = verdict.folder.json<TrainFile>(verdict.file);
    rates(verdict, of, "lrs", hp, lrs);
    const rtol = Number(/relative ([\d.e-]+)/.exec(tolerance)?.[1] ?? 2e-2);
    const atol = Number(/absolute ([\d.e-]+)/.exec(tolerance)?.[1] ?? 2e-3);
    const got = await train(of, beta, losses.length, hp);
    for (const [i, want] of losses.entries())
      verdict.number(`losses[${i}]`, got[i], want, { rtol: 0, atol: Math.max(atol, rtol * Math.abs(want)) });
    // float32 around 4.6 has steps of 5e-7; three updates round three times
    for (const [i, each] of logit_scale_clamp.entries())
      verdict.compare(`logit_scale_clamp[${i}]`, await clamped(hp, each), each.values, { rtol: 0, atol: 1.5e-6 });
    await of.load();
  },
};

async function clamped(
  hp: Hyper,
  { start, grads, lr }: { start: number; grads: number[]; lr: number },
): Promise<number[]> {
  const [p, m, v] = [start, 0, 0].map((value) => parameter([value]));
  const { adamw_beta1: beta1, adamw_beta2: beta2, adamw_eps: eps } = hp;
  const values: number[] = [];
  for (const [i, g] of grads.entries()) {
    {
      using _ = new Tape();
      const limits = { least: 0, most: logitScaleMost };
      adamw(p, tensor([g]), m, v, tensor([1], []), { step: i + 1, lr, beta1, beta2, eps, decay: 0, ...limits });
    }
    values.push(await p.item());
  }
  return values;
}

interface ScheduleCase {
  readonly name: string;
  readonly hp: Pace;
  readonly base_lrs: number[];
  readonly lr_per_iteration_then_final: number[][];
}

/** The rates of every group at every iteration. */
export const schedules: Check = {
  takes: (file) => /^schedule.*\.json$/.test(basename(file)),
  run: (verdict) => {
    for (const { name, hp, base_lrs, lr_per_iteration_then_final } of verdict.folder.json<ScheduleCase[]>(verdict.file))
      for (const [it, want] of lr_per_iteration_then_final.entries()) {
        const got = base_lrs.map((base) => learningRate(base, it, scheduleOf(hp)));
        verdict.compare(`${name}[${it}]`, got, want, { rtol: 1e-9, atol: 0 }); // the manifest's words
      }
  },
};
