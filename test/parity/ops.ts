// Single ops: values and gradients from a file that holds inputs, an upstream gradient and results. Sizes come from the tensors;
// the number of heads, which no shape tells, from the manifest's description.
import { basename } from "node:path";
import { parameter, Tape, type Tensor, tensor } from "../../engine/index.ts";
import { later } from "../../engine/record/compute.ts";
import {
  add,
  adamw,
  attention,
  attentionKept,
  attentionRow,
  cover,
  crossEntropy,
  embedding,
  embedPatches,
  gelu,
  klWeights,
  layernorm,
  linear,
  mul,
  normalize,
  prompt,
  quickGelu,
  type SubjectMode,
  saam,
  softmax,
} from "../../kernels/index.ts";
import type { Check } from "./check.ts";
import { isTensors } from "./check.ts";
import type { GoldenTensor } from "./tensor-file.ts";
import type { Verdict } from "./verdict.ts";

/** The tensors of the file under check. */
type Of = (name: string) => GoldenTensor;
type Read = Promise<ArrayLike<number>>;
type Reads = Record<string, Read>;

interface OpCheck {
  /** Tensors without which it is not this op. */
  readonly needs: readonly string[];
  readonly run: (verdict: Verdict, of: Of, names: readonly string[]) => void | Promise<void>;
}

const leaf = ({ data, shape }: GoldenTensor): Tensor => parameter(data, shape);
const constant = ({ data, shape }: GoldenTensor): Tensor => tensor(data, shape, "f32");
const ids = ({ data, shape }: GoldenTensor): Tensor<"u32"> => tensor(data, shape, "u32");

/** Compares reads with the tensors of the same names; those that the file lacks are left out. */
async function agree(verdict: Verdict, names: readonly string[], reads: Reads): Promise<void> {
  for (const [name, read] of Object.entries(reads)) {
    const values = await read;
    if (names.includes(name)) await verdict.tensor(name, values);
  }
}

/** Runs `forward` on trainable `inputs`; its result as `y` and their gradients as `d<name>`, each name through `as`. */
function differentiate<K extends string>(
  inputs: Record<K, GoldenTensor>,
  dy: GoldenTensor,
  forward: (inputs: Record<K, Tensor>) => Tensor,
  as: (name: string) => string,
): Reads {
  const entries = Object.entries<GoldenTensor>(inputs);
  const leaves = Object.fromEntries(entries.map(([name, golden]) => [name, leaf(golden)])) as Record<K, Tensor>;
  using tape = new Tape();
  const y = forward(leaves);
  const gradients = tape.vjp([y], [constant(dy)]);
  const reads: Reads = { [as("y")]: later(y) };
  for (const [name, each] of Object.entries<Tensor>(leaves)) reads[as(`d${name}`)] = later(gradients.get(each));
  return reads;
}

/** Numbers at the end of names such as x0, x1: one for each set of tensors in a file. */
const setsOf = (names: readonly string[], stem: string): string[] =>
  names.flatMap((name) =>
    name.startsWith(stem) && /^\d*$/.test(name.slice(stem.length)) ? [name.slice(stem.length)] : [],
  );

/** [N, heads, L, K] tensors side by side as [N, L, parts·heads·K]: how the ops take queries, keys and values. */
function pack(parts: readonly GoldenTensor[]): { data: Float32Array; shape: number[] } {
  const [N, H, L, K] = parts[0].shape;
  const width = parts.length * H * K;
  const data = new Float32Array(N * L * width);
  for (const [part, { data: from }] of parts.entries())
    for (let i = 0; i < from.length; i++) {
      const [n, h, l, c] = [Math.floor(i / K / L / H), Math.floor(i / K / L) % H, Math.floor(i / K) % L, i % K];
      data[(n * L + l) * width + (part * H + h) * K + c] = from[i];
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

/** `attend` on the file's q, k, v; y, dq, dk, dv (and dA_logit, where a logit is given) under `prefix`. */
function attended(of: Of, prefix: string, attend: (qkv: Tensor) => Tensor, logit?: Tensor): Reads {
  const packed = pack(["q", "k", "v"].map(of));
  const dy = pack([of("dy")]);
  const qkv = parameter(packed.data, packed.shape);
  using tape = new Tape();
  const y = attend(qkv);
  const gradients = tape.vjp([y], [tensor(dy.data, dy.shape)]);
  const dqkv = later(gradients.get(qkv));
  const { shape } = of("q");
  const part = (read: Read, at: number, parts: number) => read.then((data) => unpack(data, shape, at, parts));
  const reads: Reads = { [`${prefix}.y`]: part(later(y), 0, 1) };
  for (const [at, name] of ["dq", "dk", "dv"].entries()) reads[`${prefix}.${name}`] = part(dqkv, at, 3);
  if (logit) reads[`${prefix}.dA_logit`] = later(gradients.get(logit));
  return reads;
}

/**
 * A map of attention [N, heads, L, L], seen from outside: values that are unit vectors bring out its columns, as many at a time
 * as a head is wide.
 */
async function mapOf(of: Of, attend: (qkv: Tensor) => Tensor): Promise<Float32Array> {
  const [N, H, L, K] = of("q").shape;
  const map = new Float32Array(N * H * L * L);
  for (let from = 0; from < L; from += K) {
    const unit = Float32Array.from({ length: N * H * L * K }, (_, i) =>
      Number(Math.floor(i / K) % L === from + (i % K)),
    );
    const { data, shape } = pack([of("q"), of("k"), { ...of("v"), data: unit }]);
    let read: Read;
    {
      using _ = new Tape();
      read = later(attend(tensor(data, shape)));
    }
    const columns = unpack(await read, of("q").shape, 0, 1);
    for (let i = 0; i < columns.length; i++) {
      const [row, c] = [Math.floor(i / K), i % K];
      if (from + c < L) map[row * L + from + c] = columns[i];
    }
  }
  return map;
}

/** The same map row by row, as `attentionRow` gives it. */
async function rowsOf(of: Of, causal: boolean): Promise<Float32Array> {
  const [N, H, L] = of("q").shape;
  const { data, shape } = pack(["q", "k", "v"].map(of));
  const rows: Read[] = [];
  {
    using _ = new Tape();
    const qkv = tensor(data, shape);
    for (let row = 0; row < L; row++) rows.push(later(attentionRow(qkv, { heads: H, row, causal })));
  }
  const read = await Promise.all(rows);
  return Float32Array.from(
    { length: N * H * L * L },
    (_, i) => read[Math.floor(i / L) % L][Math.floor(i / L / L) * L + (i % L)],
  );
}

const masking = { full: false, causal: true } as const;

/** The heads that the description names, or else those of a mask. */
function headsOf(verdict: Verdict, mask?: GoldenTensor): number {
  const heads = verdict.folder.described(verdict.file, /heads\s*=\s*(\d+)/) ?? mask?.shape[1];
  if (heads === undefined)
    throw new Error("neither the description (heads=4) nor a mask says how many heads there are");
  return heads;
}

/** The patch that the description names (average pool 8x8), or else the largest that cuts a mask into so many. */
function patchOf(verdict: Verdict, [, I, J]: readonly number[], patches: number): number {
  const named = verdict.folder.described(verdict.file, /pool (\d+)/);
  const sides = Array.from({ length: Math.min(I, J) }, (_, i) => Math.min(I, J) - i);
  const fits = sides.filter((R) => Math.floor(I / R) * Math.floor(J / R) === patches);
  const patch = named ?? fits.find((R) => I % R === 0 && J % R === 0) ?? fits[0];
  if (patch === undefined) throw new Error(`no patch cuts ${I} x ${J} into ${patches}`);
  return patch;
}

/** A post-norm encoder layer; `keep` multiplies the map, the attention, the hidden layer and the output. */
function encoderLayer(
  x: Tensor,
  p: Record<string, Tensor>,
  heads: number,
  keep: readonly Tensor[] | undefined,
): Tensor {
  const [map, attended, hidden, out] = keep ?? [];
  const drop = (t: Tensor, mask: Tensor | undefined) => (mask ? mul(t, mask) : t);
  const qkv = linear(x, p["self_attn.in_proj_weight"], p["self_attn.in_proj_bias"]);
  const core = map ? attentionKept(qkv, map) : attention(qkv, { heads });
  const mixed = linear(core, p["self_attn.out_proj.weight"], p["self_attn.out_proj.bias"]);
  const a = layernorm(add(x, drop(mixed, attended)), p["norm1.weight"], p["norm1.bias"]);
  const wide = drop(gelu(linear(a, p["linear1.weight"], p["linear1.bias"])), hidden);
  const b = drop(linear(wide, p["linear2.weight"], p["linear2.bias"]), out);
  return layernorm(add(a, b), p["norm2.weight"], p["norm2.bias"]);
}

/** Any weight of at least 1e4 removes a negative: where rows are alike the true one has no bound. */
export const removed = (w: number): number => (w >= 1e4 ? Number.MAX_VALUE : w);

const checks: Record<string, OpCheck> = {
  activations: {
    needs: ["x", "dy", "gelu.y", "quickgelu.y"],
    run: async (verdict, of, names) => {
      verdict.input("x", "dy");
      for (const [name, activation] of Object.entries({ gelu, quickgelu: quickGelu }))
        await agree(
          verdict,
          names,
          differentiate(
            { x: of("x") },
            of("dy"),
            ({ x }) => activation(x),
            (each) => `${name}.${each}`,
          ),
        );
    },
  },

  layernorm: {
    needs: ["x0", "w0", "b0", "dy0", "y0"],
    run: async (verdict, of, names) => {
      for (const set of setsOf(names, "x")) {
        const [x, w, b] = ["x", "w", "b"].map((name) => of(`${name}${set}`));
        verdict.input(...["x", "w", "b", "dy"].map((name) => `${name}${set}`));
        const forward = (p: Record<"x" | "w" | "b", Tensor>) => layernorm(p.x, p.w, p.b);
        await agree(
          verdict,
          names,
          differentiate({ x, w, b }, of(`dy${set}`), forward, (name) => `${name}${set}`),
        );
      }
    },
  },

  patch_embed: {
    needs: ["x", "w", "dy", "y", "dw", "dx"],
    run: async (verdict, of, names) => {
      verdict.input("x", "w", "dy");
      const [x, w] = ["x", "w"].map(of);
      const forward = (p: Record<"x" | "w", Tensor>) => embedPatches(p.x, p.w);
      await agree(
        verdict,
        names,
        differentiate({ x, w }, of("dy"), forward, (name) => name),
      );
    },
  },

  embedding: {
    needs: ["w", "ids", "dy", "y", "dw"],
    run: async (verdict, of, names) => {
      verdict.input("w", "ids", "dy");
      const reads = differentiate(
        { w: of("w") },
        of("dy"),
        ({ w }) => embedding(w, ids(of("ids"))),
        (name) => name,
      );
      await agree(verdict, names, reads);
    },
  },

  linear: {
    needs: ["x", "w", "b", "dy", "y", "dx", "dw", "db"],
    run: async (verdict, of, names) => {
      verdict.input("x", "w", "b", "dy");
      const [x, w, b] = ["x", "w", "b"].map(of);
      const reads = differentiate(
        { x, w, b },
        of("dy"),
        (p) => linear(p.x, p.w, p.b),
        (name) => name,
      );
      await agree(verdict, names, reads);
    },
  },

  l2norm: {
    needs: ["x", "dy", "y", "dx"],
    run: async (verdict, of, names) => {
      verdict.input("x", "dy");
      await agree(
        verdict,
        names,
        differentiate(
          { x: of("x") },
          of("dy"),
          ({ x }) => normalize(x),
          (name) => name,
        ),
      );
    },
  },

  sap: {
    needs: ["mask", "pos", "a", "token"],
    run: async (verdict, of, names) => {
      verdict.input("mask", "pos", "dy");
      const [mask, pos, a] = [of("mask"), of("pos"), of("a")];
      const patch = patchOf(verdict, mask.shape, a.shape[1]);
      const reads = differentiate(
        { pos },
        of("dy"),
        (p) => prompt(cover(constant(mask), { patch }), p.pos),
        (name) => (name === "y" ? "token" : name),
      );
      {
        using _ = new Tape();
        const cover_NP = cover(constant(mask), { patch });
        reads.a = later(cover_NP);
        reads.token_indicator = later(prompt(cover_NP, constant(pos), { indicator: true }));
      }
      await agree(verdict, names, reads);
    },
  },

  kl_weights: {
    needs: ["logits", "kl_ij"],
    run: async (verdict, of, names) => {
      verdict.input("logits");
      await agree(verdict, names, { p: softmaxOf(of("logits")) });
      verdict.compare(
        "kl_ij",
        await divergences(of("logits")),
        of("kl_ij").data,
        verdict.folder.tolerance(verdict.file, "kl_ij"),
      );
      for (const name of names) {
        const [, form, beta] = /^w_(code|paper)_beta([\d.e-]+)$/.exec(name) ?? [];
        if (!form) continue;
        const got = await weights(of("logits"), Number(beta), form as "code" | "paper");
        const want = Array.from(of(name).data, removed);
        verdict.compare(name, Array.from(got, removed), want, verdict.folder.tolerance(verdict.file, name));
      }
    },
  },

  cross_entropy: {
    needs: ["labels", "a.logits", "a.loss"],
    run: async (verdict, of, names) => {
      verdict.input("labels");
      for (const part of names.flatMap((name) => /^(.*)\.logits$/.exec(name)?.[1] ?? [])) {
        const logits = leaf(of(`${part}.logits`));
        verdict.input(`${part}.logits`);
        const reads: Reads = {};
        {
          using tape = new Tape();
          const loss = crossEntropy(logits, ids(of("labels")));
          reads[`${part}.loss`] = later(loss);
          reads[`${part}.dlogits`] = later(tape.gradients(loss).get(logits));
        }
        await agree(verdict, names, reads);
      }
    },
  },

  adamw: {
    needs: ["p0", "grads", "lr"],
    run: async (verdict, of, names) => {
      verdict.input("p0", "grads", "lr");
      for (const name of names) {
        const decay = /^p_wd([\d.]+)$/.exec(name)?.[1];
        if (decay) await agree(verdict, names, await steps(verdict, of, decay));
      }
    },
  },

  attention_core: {
    needs: ["q", "k", "v", "dy", "full.y"],
    run: async (verdict, of, names) => {
      verdict.input("q", "k", "v", "dy");
      const heads = of("q").shape[1];
      for (const [kind, causal] of Object.entries(masking)) {
        await agree(
          verdict,
          names,
          attended(of, kind, (qkv) => attention(qkv, { heads, causal })),
        );
        if (!names.includes(`${kind}.p`)) continue;
        await verdict.tensor(`${kind}.p`, rowsOf(of, causal));
        await verdict.tensor(
          `${kind}.p`,
          mapOf(of, (qkv) => attention(qkv, { heads, causal })),
        );
      }
    },
  },

  mha: {
    needs: ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias", "x", "dy", "full.y"],
    run: async (verdict, of, names) => {
      const parameters = ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"];
      verdict.input("x", "dy", ...parameters);
      const heads = headsOf(verdict);
      const inputs = Object.fromEntries([...parameters, "x"].map((name) => [name, of(name)]));
      for (const [kind, causal] of Object.entries(masking)) {
        const forward = (p: Record<string, Tensor>) => {
          const y = attention(linear(p.x, p.in_proj_weight, p.in_proj_bias), { heads, causal });
          return linear(y, p["out_proj.weight"], p["out_proj.bias"]);
        };
        const as = (name: string) => `${kind}.${name === "y" || name === "dx" ? name : name.replace(/^d/, "d_")}`;
        await agree(verdict, names, differentiate(inputs, of("dy"), forward, as));
      }
    },
  },

  encoder_layer: {
    needs: ["self_attn.in_proj_weight", "linear1.weight", "norm2.bias", "x", "dy", "eval.y"],
    run: async (verdict, of, names) => {
      const masks = ["mask_attn", "mask_dropout1", "mask_dropout", "mask_dropout2"];
      const parameters = names.filter((name) => /^(self_attn|linear\d|norm\d)\./.test(name));
      verdict.input("x", "dy", ...masks, ...parameters);
      const heads = headsOf(verdict, of("mask_attn"));
      const p = verdict.folder.described(verdict.file, /p\s*=\s*([\d.]*\d)/) ?? 0.1;
      const inputs = Object.fromEntries([...parameters, "x"].map((name) => [name, of(name)]));
      for (const phase of ["eval", "train"]) {
        const forward = (all: Record<string, Tensor>) => {
          const kept = masks
            .map((name) => of(name))
            .map(({ data, shape }) =>
              tensor(
                Float32Array.from(data, (m) => m / (1 - p)),
                shape,
              ),
            );
          return encoderLayer(all.x, all, heads, phase === "train" ? kept : undefined);
        };
        const as = (name: string) => `${phase}.${name === "y" || name === "dx" ? name : name.replace(/^d/, "d_")}`;
        await agree(verdict, names, differentiate(inputs, of("dy"), forward, as));
      }
    },
  },
};

function softmaxOf(logits: GoldenTensor): Read {
  using _ = new Tape();
  return later(softmax(constant(logits)));
}

export function weights({ data, shape }: GoldenTensor, beta: number, form: "code" | "paper"): Read {
  using _ = new Tape();
  return later(klWeights(tensor(data, shape, "f32"), { beta, form }));
}

/**
 * KL(s_i‖s_j) by way of the weights, which are its reciprocal: they saturate where it is below 1e-6 of β, and so β is chosen
 * small enough that only equal rows do.
 */
export async function divergences(logits: GoldenTensor): Promise<Float32Array> {
  const beta = 1e-3;
  return Float32Array.from(await weights(logits, beta, "paper"), (w) => (w === 0 || w >= 1e6 ? 0 : beta / w));
}

async function steps(verdict: Verdict, of: Of, decay: string): Promise<Reads> {
  const { data: p0 } = of("p0");
  const [p, m, v] = [p0, new Float32Array(p0.length), new Float32Array(p0.length)].map((data) => parameter(data));
  const { data: lr } = of("lr");
  const { data: grads } = of("grads");
  const beta1 = verdict.folder.described(verdict.file, /betas \(([\d.]+),/) ?? 0.98;
  const beta2 = verdict.folder.described(verdict.file, /betas \([\d.]+, ([\d.]+)\)/) ?? 0.9;
  const eps = verdict.folder.described(verdict.file, /eps ([\d.e-]*\d)/) ?? 1e-6;
  const rows: number[] = [];
  for (let step = 1; step <= lr.length; step++) {
    {
      using _ = new Tape();
      const g = tensor(Float32Array.from(grads.subarray((step - 1) * p0.length, step * p0.length)));
      adamw(p, g, m, v, tensor([1], []), { step, lr: lr[step - 1], beta1, beta2, eps, decay: Number(decay) });
    }
    rows.push(...(await p.data()));
  }
  return {
    [`p_wd${decay}`]: Promise.resolve(rows),
    [`exp_avg_wd${decay}`]: m.data(),
    [`exp_avg_sq_wd${decay}`]: v.data(),
  };
}

const stem = (file: string) => basename(file).replace(/\.\w+$/, "");

/** A file is what its name says, or else the op of which it holds all tensors, and the most. */
function opOf(file: string, names: readonly string[]): OpCheck | undefined {
  const fits = ({ needs }: OpCheck) => needs.every((name) => names.includes(name));
  if (Object.hasOwn(checks, stem(file))) return checks[stem(file)];
  return Object.values(checks)
    .filter(fits)
    .sort((a, b) => b.needs.length - a.needs.length)[0];
}

/** Every single op. */
export const ops: Check = {
  takes: (file, folder) => isTensors(file) && opOf(file, folder.tensors(file).names) !== undefined,
  run: async (verdict) => {
    const { names } = verdict.folder.tensors(verdict.file);
    const of = (name: string) => verdict.folder.tensor(verdict.file, name);
    await opOf(verdict.file, names)!.run(verdict, of, names);
  },
};

/** The readings of the paper's Eq. 2, with logits of every shape. */
export const saamAttention: Check = {
  takes: (file, folder) =>
    isTensors(file) && ["q", "k", "v", "subject"].every((name) => folder.tensors(file).has(name)),
  run: async (verdict) => {
    const file = verdict.folder.tensors(verdict.file);
    const of = (name: string) => file.tensor(name);
    verdict.input("q", "k", "v", "dy", "subject");
    const { data, shape } = of("subject");
    const cover = () => tensor(Float32Array.from(data), shape);
    const heads = of("q").shape[1];
    for (const name of file.names) {
      const [, mode, kind] = /^(shift|two_hop|hadamard)_(\w+)\.y$/.exec(name) ?? [];
      if (!mode) continue;
      verdict.input(`A_logit_${kind}`);
      const logit = leaf(of(`A_logit_${kind}`));
      const attend = (qkv: Tensor) => saam(qkv, logit, cover(), { heads, mode: mode as SubjectMode });
      await agree(verdict, file.names, attended(of, `${mode}_${kind}`, attend, logit));
      if (file.has(`${mode}_${kind}.W`)) await verdict.tensor(`${mode}_${kind}.W`, mapOf(of, attend));
    }
    if (file.has("S"))
      await verdict.tensor(
        "S",
        mapOf(of, (qkv) => attention(qkv, { heads })),
      );
    if (!file.has("U")) return;
    // with A = 1 all attention moves, and the map is U; where it may not go, it is exactly zero
    const all = parameter([40]);
    const U = await mapOf(of, (qkv) => saam(qkv, all, cover(), { heads, mode: "shift" }));
    await verdict.tensor("U", U);
    if (file.has("allowed")) await verdict.tensor("allowed", reached(U, of("q").shape));
  },
};

/** Where a map [N, heads, L, L] is not zero, for the first head: [N, L, L]. */
function reached(map: Float32Array, [N, H, L]: readonly number[]): Uint8Array {
  return Uint8Array.from({ length: N * L * L }, (_, i) =>
    Number(map[Math.floor(i / L / L) * H * L * L + (i % (L * L))] > 0),
  );
}
