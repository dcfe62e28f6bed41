// Layer norm, unit rows and every kind of attention against the official code's numbers.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openGpu, parameter, Tape, type Tensor, tensor } from "../engine/index.ts";
import { later } from "../engine/record.ts";
import {
  add,
  attention,
  attentionKept,
  attentionRow,
  gelu,
  layernorm,
  linear,
  mul,
  normalize,
  type SubjectMode,
  saam,
} from "../kernels/index.ts";
import { agree, deviation, fixture, golden, type GoldenTensor, manifest, type Results, tolerance } from "./golden.ts";

await openGpu();
const known = manifest();

const leaf = ({ data, shape }: GoldenTensor): Tensor => parameter(data, shape);
const upstream = ({ data, shape }: GoldenTensor): Tensor => tensor(data, shape);

for (const set of [0, 1])
  test(`layernorm: set ${set}, values and all three gradients`, async () => {
    const file = "ops/layernorm.safetensors";
    const of = fixture(file);
    const results: Results = {};
    {
      const [x, w, b] = ["x", "w", "b"].map((name) => leaf(of(`${name}${set}`)));
      using tape = new Tape();
      const y = layernorm(x, w, b);
      const gradients = tape.vjp([y], [upstream(of(`dy${set}`))]);
      results[`y${set}`] = later(y);
      for (const [name, value] of Object.entries({ x, w, b })) results[`d${name}${set}`] = later(gradients.get(value));
    }
    await agree(file, results);
  });

test("normalize: unit rows, a zero row, and a row below the floor", async () => {
  const file = "ops/l2norm.safetensors";
  const of = fixture(file);
  const results: Results = {};
  {
    const x = leaf(of("x"));
    using tape = new Tape();
    const y = normalize(x);
    results.y = later(y);
    results.dx = later(tape.vjp([y], [upstream(of("dy"))]).get(x));
  }
  await agree(file, results);
});

/** [N, heads, L, K] tensors of the fixtures side by side as [N, L, parts·heads·K]. */
function pack(parts: readonly GoldenTensor[]): { data: Float32Array; shape: number[] } {
  const [N, H, L, K] = parts[0].shape;
  const width = parts.length * H * K;
  const data = new Float32Array(N * L * width);
  for (const [part, tensor] of parts.entries())
    for (let i = 0; i < tensor.data.length; i++) {
      const [n, h, l, c] = [Math.floor(i / K / L / H), Math.floor(i / K / L) % H, Math.floor(i / K) % L, i % K];
      data[(n * L + l) * width + (part * H + h) * K + c] = tensor.data[i];
    }
  return { data, shape: [N, L, width] };
}

/** Part `part` of `pack`, taken apart again. */
function unpack(data: ArrayLike<number>, [N, H, L, K]: readonly number[], part: number, parts: number): Float32Array {
  return Float32Array.from({ length: N * H * L * K }, (_, i) => {
    const [n, h, l, c] = [Math.floor(i / K / L / H), Math.floor(i / K / L) % H, Math.floor(i / K) % L, i % K];
    return data[(n * L + l) * parts * H * K + (part * H + h) * K + c];
  });
}

/** Runs `attend` on the fixture's packed q, k, v; what it gives under the fixture's names. */
function runPacked(of: (name: string) => GoldenTensor, prefix: string, attend: (qkv: Tensor) => Tensor): Results {
  const packed = pack(["q", "k", "v"].map(of));
  const dy = pack([of("dy")]);
  const qkv = parameter(packed.data, packed.shape);
  using tape = new Tape();
  const y = attend(qkv);
  const gradient = later(tape.vjp([y], [tensor(dy.data, dy.shape)]).get(qkv));
  const { shape } = of("q");
  const part = (name: string, of: Promise<ArrayLike<number>>, at: number, parts: number) => [
    `${prefix}.${name}`,
    of.then((data) => unpack(data, shape, at, parts)),
  ];
  return Object.fromEntries([
    part("y", later(y), 0, 1),
    ...["dq", "dk", "dv"].map((name, at) => part(name, gradient, at, 3)),
  ]);
}

for (const [kind, causal] of [
  ["full", false],
  ["causal", true],
] as const) {
  test(`attention: ${kind}, values and gradients of q, k and v`, async () => {
    const file = "ops/attention_core.safetensors";
    await agree(
      file,
      runPacked(fixture(file), kind, (qkv) => attention(qkv, { heads: 4, causal })),
    );
  });

  test(`attentionRow: every row of the ${kind} map`, async () => {
    const file = "ops/attention_core.safetensors";
    const of = fixture(file);
    const [N, H, L] = of("q").shape;
    const { data, shape } = pack(["q", "k", "v"].map(of));
    const rows: Promise<ArrayLike<number>>[] = [];
    {
      using _ = new Tape();
      const qkv = tensor(data, shape);
      for (let row = 0; row < L; row++) rows.push(later(attentionRow(qkv, { heads: 4, row, causal })));
    }
    const read = await Promise.all(rows);
    const p = Float32Array.from(
      { length: N * H * L * L },
      (_, i) => read[Math.floor(i / L) % L][Math.floor(i / L / L) * L + (i % L)],
    );
    const { share } = deviation(p, of(`${kind}.p`).data, tolerance(known, file, `${kind}.p`));
    assert.ok(share <= 1, `${share} times the tolerance`);
  });

  test(`linear, attention, linear: ${kind}, as the official multi-head attention`, async () => {
    const file = "ops/mha.safetensors";
    const of = fixture(file);
    const names = ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"];
    const results: Results = {};
    {
      const x = leaf(of("x"));
      const [inWeight, inBias, outWeight, outBias] = names.map((name) => leaf(of(name)));
      using tape = new Tape();
      const y = linear(attention(linear(x, inWeight, inBias), { heads: 4, causal }), outWeight, outBias);
      const gradients = tape.vjp([y], [upstream(of("dy"))]);
      results[`${kind}.y`] = later(y);
      results[`${kind}.dx`] = later(gradients.get(x));
      for (const [i, value] of [inWeight, inBias, outWeight, outBias].entries())
        results[`${kind}.d_${names[i]}`] = later(gradients.get(value));
    }
    await agree(file, results);
  });
}

/** A post-norm encoder layer; `keep` multiplies the map, the attention, the hidden layer and the output. */
function encoderLayer(x: Tensor, p: Record<string, Tensor>, keep: readonly Tensor[] | undefined): Tensor {
  const [map, attended, hidden, out] = keep ?? [];
  const drop = (t: Tensor, mask: Tensor | undefined) => (mask ? mul(t, mask) : t);
  const qkv = linear(x, p["self_attn.in_proj_weight"], p["self_attn.in_proj_bias"]);
  const core = map ? attentionKept(qkv, map) : attention(qkv, { heads: 4 });
  const mixed = linear(core, p["self_attn.out_proj.weight"], p["self_attn.out_proj.bias"]);
  const a = layernorm(add(x, drop(mixed, attended)), p["norm1.weight"], p["norm1.bias"]);
  const wide = drop(gelu(linear(a, p["linear1.weight"], p["linear1.bias"])), hidden);
  const b = drop(linear(wide, p["linear2.weight"], p["linear2.bias"]), out);
  return layernorm(add(a, b), p["norm2.weight"], p["norm2.bias"]);
}

for (const phase of ["eval", "train"])
  test(`an encoder layer: ${phase}${phase === "train" ? ", with the given dropout masks" : ""}`, async () => {
    const file = "ops/encoder_layer.safetensors";
    const of = fixture(file);
    const masks = ["mask_attn", "mask_dropout1", "mask_dropout", "mask_dropout2"];
    const names = [...golden(`emotionclip/${file}`).keys()].filter((name) => /^(self_attn|linear|norm)/.test(name));
    const results: Results = {};
    {
      const x = leaf(of("x"));
      const p = Object.fromEntries(names.map((name) => [name, leaf(of(name))]));
      using tape = new Tape();
      const keep = masks.map((name) =>
        tensor(
          Float32Array.from(of(name).data, (kept) => kept / 0.9),
          of(name).shape,
        ),
      );
      const y = encoderLayer(x, p, phase === "train" ? keep : undefined);
      const gradients = tape.vjp([y], [upstream(of("dy"))]);
      results[`${phase}.y`] = later(y);
      results[`${phase}.dx`] = later(gradients.get(x));
      for (const name of names) results[`${phase}.d_${name}`] = later(gradients.get(p[name]));
    }
    await agree(file, results);
  });

const readings: readonly [mode: SubjectMode, logit: "head" | "query" | "full"][] = [
  ["shift", "head"],
  ["shift", "query"],
  ["shift", "full"],
  ["two_hop", "head"],
  ["hadamard", "head"],
];

for (const [mode, kind] of readings)
  test(`saam: ${mode} with a logit per ${kind === "full" ? "pair of tokens" : kind}, values and gradients`, async () => {
    const file = "saam/attention.safetensors";
    const of = fixture(file);
    const subject = of("subject");
    const logit = leaf(of(`A_logit_${kind}`));
    const attend = (qkv: Tensor) =>
      saam(qkv, logit, tensor(Float32Array.from(subject.data), subject.shape), { heads: 3, mode });
    const packed = pack(["q", "k", "v"].map(of));
    const dy = pack([of("dy")]);
    let dLogit: Promise<ArrayLike<number>>;
    {
      using tape = new Tape();
      const y = attend(tensor(packed.data, packed.shape));
      dLogit = later(tape.vjp([y], [tensor(dy.data, dy.shape)]).get(logit));
    }
    const prefix = `${mode}_${kind}`;
    await agree(file, { ...runPacked(of, prefix, attend), [`${prefix}.dA_logit`]: dLogit });
  });

test.run();
