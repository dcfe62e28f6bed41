// The update as training makes it, over several steps, against AdamW in f64: which step it is, which groups decay, what is clipped,
// and which group has which rate.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { assign, declare, type Shard, Tape, type Tensor, tensor } from "../../engine/index.ts";
import { add, mul, sub, sum } from "../../kernels/index.ts";
import { groupOf, groupsOf } from "../../model/emotionclip/groups.ts";
import { allocate, type Group, named } from "../../model/params.ts";
import { AdamW } from "../../train/optimizers/adam.ts";
import { Trainer } from "../../train/trainer.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { settings as usual, syntheticBatch, tiny, tokenizer } from "./synthetic.ts";

await sharedGpu();

/** Large steps and a decay that a gain of 1 feels: 5e-3 a step. */
const lr = 0.01;
const settings = { ...usual, beta1: 0.9, beta2: 0.95, decay: 0.5 };
const eps = 1e-6;

/** Loshchilov & Hutter 2019, Algorithm 2, on one flat group. */
class Reference {
  readonly m: Float64Array;
  readonly v: Float64Array;

  constructor(
    readonly p: Float64Array,
    readonly decay: number,
    readonly rate = lr,
  ) {
    this.m = new Float64Array(p.length);
    this.v = new Float64Array(p.length);
  }

  step(t: number, gradients: ArrayLike<number>, factor: number): void {
    const { beta1, beta2 } = settings;
    for (let i = 0; i < this.p.length; i++) {
      const g = factor * gradients[i];
      this.m[i] = beta1 * this.m[i] + (1 - beta1) * g;
      this.v[i] = beta2 * this.v[i] + (1 - beta2) * g * g;
      const mean = this.m[i] / (1 - beta1 ** t);
      const root = Math.sqrt(this.v[i] / (1 - beta2 ** t));
      this.p[i] -= this.rate * (this.decay * this.p[i] + mean / (root + eps));
    }
  }
}

/** What every shard of every group holds of one kind. */
async function read(shards: ReadonlyMap<string, readonly Shard[]>, of: (shard: Shard) => Tensor) {
  const found = new Map<string, Float64Array[]>();
  for (const [name, list] of shards)
    found.set(name, await Promise.all(list.map(async (shard) => Float64Array.from(await of(shard).data()))));
  return found;
}

const normOf = (found: ReadonlyMap<string, readonly Float64Array[]>) =>
  Math.hypot(...[...found.values()].flat().map((values) => Math.hypot(...values)));

/** The first element that is further than `room` from its reference. */
function same(got: Float64Array, want: Float64Array, room: number, what: string): void {
  const at = want.findIndex((value, i) => !(Math.abs(got[i] - value) <= room)); // shards end in padding
  assert.is(at, -1, `${what}[${at}]: got ${got[at]}, expected ${want[at]}`);
}

// Adam divides the size of gradients out again, so a wrong norm or epsilon shows only where both are of one size: clipped to 1e-5,
// elements are some 1e-7 and epsilon 1e-6.
for (const clip of [0.7, 1e-5])
  test(`three updates clipped to ${clip} are those of AdamW from step 1: weights decay, gains, biases and the logit scale do not`, async () => {
    const trainer = new Trainer(tiny, tokenizer, { ...settings, clip });
    const references = new Map(
      [...(await read(trainer.shards, (shard) => shard.parameters))].map(([name, shards]) => {
        const decay = name.endsWith("_rest") ? settings.decay : 0;
        return [name, shards.map((p) => new Reference(p, decay))];
      }),
    );
    assert.ok(["frame_gb", "frame_rest", "text_gb", "text_rest", "logit_scale"].every((name) => references.has(name)));
    for (let step = 1; step <= 3; step++) {
      const report = await trainer.update(step, syntheticBatch(step), lr);
      const gradients = await read(trainer.shards, (shard) => shard.gradients);
      const norm = normOf(gradients);
      assert.ok(Math.abs(report.norm - norm) <= 1e-5 * norm, `norm ${report.norm}, expected ${norm}`);
      const [found, first, second] = [
        await read(trainer.shards, (shard) => shard.parameters),
        await read(trainer.shards, (shard) => shard.moments[0]),
        await read(trainer.shards, (shard) => shard.moments[1]),
      ];
      for (const [name, shards] of references)
        for (const [s, reference] of shards.entries()) {
          reference.step(step, gradients.get(name)![s], Math.min(1, clip / norm));
          // a step moves by up to lr; f32 holds a parameter of size 4 to 2e-7, and m̂/√v̂ to some 1e-6
          same(found.get(name)![s], reference.p, 1e-3 * lr, `step ${step}, ${name}`);
          const largest = Math.min(1, clip / norm) * norm;
          same(first.get(name)![s], reference.m, 1e-5 * largest, `step ${step}, first moment of ${name}`);
          same(second.get(name)![s], reference.v, 1e-5 * largest ** 2, `step ${step}, second moment of ${name}`);
        }
    }
  });

/** Two groups that decay, one that does not, and one that stays within a range; all values 1 … */
function smallGroups(): { groups: Group[]; shards: Map<string, readonly Shard[]>; of: Record<string, Tensor> } {
  const of = { a: declare([3]), b: declare([5]), c: declare([4]), scale: declare([]) };
  const groups: Group[] = [
    { name: "slow", members: [["a", of.a]], decay: true },
    { name: "fast", members: [["b", of.b]], decay: true },
    { name: "gains", members: [["c", of.c]], decay: false },
    { name: "scale", members: [["scale", of.scale]], decay: false, range: { least: 0, most: 1.05 } },
  ];
  return { groups, shards: allocate(groups, 2), of };
}
test("each group has its rate and its decay, the norm is that of all, and a range holds", async () => {
  const { groups, shards, of } = smallGroups();
  const starts = { a: [1, 2, 3], b: [1, -2, 3, -4, 5], c: [0.5, 1, 2, 4], scale: [1] };
  for (const [name, values] of Object.entries(starts)) assign(of[name], Float32Array.from(values));
  const rates: Record<string, number> = { slow: 1e-3, fast: 0.05, gains: 0.01, scale: 0.1 };
  const decay: Record<string, number> = { slow: 0.1, fast: 0.7, gains: 0, scale: 0 };
  const clip = 2;
  const optimizer = new AdamW(groups, shards, { beta1: 0.9, beta2: 0.95, eps, decay, clip });
  const references = new Map(
    groups.map(({ name, members: [[key]] }) => [
      name,
      new Reference(Float64Array.from(starts[key as keyof typeof starts]), decay[name], rates[name]),
    ]),
  );
  for (let step = 1; step <= 4; step++) {
    using tape = new Tape();
    const squares = ["a", "b", "c"].map((name) => sum(mul(of[name], of[name])));
    tape.gradients(sub(squares.reduce(add), mul(of.scale, tensor([3], []))));
    const { norm } = optimizer.step(step, rates);
    const length = await norm.item();
    const gradients = await read(shards, (shard) => shard.gradients);
    assert.ok(Math.abs(length - normOf(gradients)) <= 1e-5 * length, `norm ${length}, expected ${normOf(gradients)}`);
    const found = await read(shards, (shard) => shard.parameters);
    for (const [name, reference] of references) {
      reference.step(step, gradients.get(name)![0], Math.min(1, clip / length));
      if (name === "scale") reference.p[0] = Math.min(reference.p[0], 1.05);
      same(found.get(name)![0], reference.p, 2e-6, `step ${step}, ${name}`);
    }
  }
  assert.is(await of.scale.item(), Math.fround(1.05));
});

test("a parameter that no loss since the last update used stays as it is, and is no part of the norm", async () => {
  const { groups, shards, of } = smallGroups();
  for (const t of Object.values(of)) assign(t, new Float32Array(t.numel).fill(1));
  const optimizer = new AdamW(groups, shards, { beta1: 0.9, beta2: 0.95, eps, decay: 0.1, clip: 3e38 });
  const update = async (step: number, names: readonly string[]) => {
    using tape = new Tape();
    tape.gradients(names.map((name) => sum(mul(of[name], of[name]))).reduce(add));
    return await optimizer.step(step, 0.1).norm.item();
  };
  await update(1, ["a", "b", "c", "scale"]);
  const before = await of.a.data();
  const c = Number((await of.c.data())[0]);
  assert.ok(Math.abs((await update(2, ["c"])) - Math.hypot(2 * c, 2 * c, 2 * c, 2 * c)) < 1e-5);
  assert.equal(await of.a.data(), before);
});

// The official rule (main.py, param groups): fewer than two axes, or bn, ln, bias or saam_logit in the name.
const rule: [name: string, shape: number[], group: string][] = [
  ["backbone.visual.class_embedding", [32], "frame_gb"],
  ["backbone.visual.positional_embedding", [5, 32], "frame_rest"],
  ["backbone.visual.ln_pre.weight", [4, 8], "frame_gb"],
  ["backbone.visual.transformer.resblocks.0.attn.saam_logit", [4, 2], "frame_gb"],
  ["backbone.transformer.resblocks.0.attn.in_proj_bias", [4, 8], "text_gb"],
  ["backbone.transformer.resblocks.0.attn.in_proj_weight", [96, 32], "text_rest"],
  ["backbone.token_embedding.weight", [64, 32], "text_rest"],
  ["visual_head.fusion_layer.norm.bias", [32], "temporal_gb"],
  ["visual_head.frame_position_embedding.weight", [8, 32], "temporal_rest"],
  ["logit_scale", [], "logit_scale"],
];
for (const [name, shape, group] of rule)
  test(`${name} of shape [${shape}] belongs to ${group}`, () => assert.is(groupOf(name, shape), group));

test("exp(logit_scale) stays between 1 and 100, and nothing else has a range", () => {
  const groups = groupsOf(named(new Trainer(tiny, tokenizer, settings).model));
  for (const { name, range } of groups)
    assert.equal(
      range && [Math.exp(range.least), Math.exp(range.most)],
      name === "logit_scale" ? [1, Math.exp(Math.log(100))] : undefined,
    );
});

test.run();
