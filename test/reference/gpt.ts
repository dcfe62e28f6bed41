// docs/examples/10-gpt.ts once more, in plain TypeScript and double precision: its own random numbers, forward, backward and AdamW,
// and nothing of ours. What the example computes in float32 is compared with it step by step (test/train/gpt.test.ts).

/** The example's sizes: B pieces of T letters, D numbers each, M = 4 D hidden ones. */
const [B, T, D, heads, depth] = [8, 32, 32, 4, 2];
const [N, M, K] = [B * T, 4 * D, D / heads];
const adam = { lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8, decay: 0.01, clip: 1 };

/** A parameter with its gradient and moments; `decays` for matrices. */
interface Parameter {
  readonly value: Float64Array;
  readonly gradient: Float64Array;
  readonly first: Float64Array;
  readonly second: Float64Array;
  readonly decays: boolean;
}

interface Weights {
  readonly weight: Parameter;
  readonly bias: Parameter;
}

/** Word `i & 3` of Philox4x32-10 with counter [i / 4, 0, 0, 0] and key [seed, stream] (Salmon et al. 2011). */
function philox(i: number, seed: number, stream: number): number {
  let counter = [i >>> 2, 0, 0, 0];
  let key = [seed >>> 0, stream >>> 0];
  const high = (a: number, b: number) => Number((BigInt(a) * BigInt(b)) >> 32n);
  for (let round = 0; round < 10; round++) {
    const [a, b, c, d] = counter;
    const words = [high(0xcd9e8d57, c) ^ b ^ key[0], Math.imul(0xcd9e8d57, c)];
    counter = [...words, high(0xd2511f53, a) ^ d ^ key[1], Math.imul(0xd2511f53, a)].map((word) => word >>> 0);
    key = [(key[0] + 0x9e3779b9) >>> 0, (key[1] + 0xbb67ae85) >>> 0];
  }
  return counter[i & 3];
}

/** Declares parameters in the example's order: each takes the next stream of random numbers. */
class Declared {
  readonly all: Parameter[] = [];

  make(size: number, decays: boolean, start: (i: number, stream: number) => number): Parameter {
    const stream = this.all.length;
    const value = Float64Array.from({ length: size }, (_, i) => Math.fround(start(i, stream)));
    const [gradient, first, second] = [0, 1, 2].map(() => new Float64Array(size));
    const made = { value, gradient, first, second, decays };
    this.all.push(made);
    return made;
  }

  uniform(size: number, bound: number): Parameter {
    return this.make(size, true, (i, stream) => bound * ((2 * (philox(i, 2022, stream) + 0.5)) / 2 ** 32 - 1));
  }

  dense(from: number, to: number): Weights {
    return { weight: this.uniform(from * to, from ** -0.5), bias: this.make(to, false, () => 0) };
  }

  norm(): Weights {
    return { weight: this.make(D, false, () => 1), bias: this.make(D, false, () => 0) };
  }
}

/** A stretch of the computation: its result, and how a slope of the result goes back to its input. */
interface Stretch {
  readonly y: Float64Array;
  back(dy: Float64Array): Float64Array;
}

/** y = x wᵀ + bias over rows; back adds to the gradients of both. */
function linear(x: Float64Array, { weight, bias }: Weights, inputs: number, outputs: number): Stretch {
  const w = weight.value;
  const y = new Float64Array((x.length / inputs) * outputs);
  for (let at = 0; at < y.length; at++) {
    const [row, column] = [Math.floor(at / outputs) * inputs, (at % outputs) * inputs];
    let sum = bias.value[at % outputs];
    for (let k = 0; k < inputs; k++) sum += x[row + k] * w[column + k];
    y[at] = sum;
  }
  const back = (dy: Float64Array) => {
    const dx = new Float64Array(x.length);
    const dw = weight.gradient;
    for (let at = 0; at < dy.length; at++) {
      const [row, column, slope] = [Math.floor(at / outputs) * inputs, (at % outputs) * inputs, dy[at]];
      bias.gradient[at % outputs] += slope;
      for (let k = 0; k < inputs; k++) {
        dw[column + k] += slope * x[row + k];
        dx[row + k] += slope * w[column + k];
      }
    }
    return dx;
  };
  return { y, back };
}

/** y = gain · (x − μ)/σ + bias over rows of D, with 1e-5 under the root. */
function layernorm(x: Float64Array, { weight: gain, bias }: Weights): Stretch {
  const [y, normal] = [new Float64Array(x.length), new Float64Array(x.length)];
  const inverse = new Float64Array(x.length / D);
  for (let n = 0; n < inverse.length; n++) {
    const row = x.subarray(n * D, n * D + D);
    const mean = row.reduce((sum, v) => sum + v, 0) / D;
    inverse[n] = 1 / Math.sqrt(row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / D + 1e-5);
    for (let d = 0; d < D; d++) {
      normal[n * D + d] = (row[d] - mean) * inverse[n];
      y[n * D + d] = gain.value[d] * normal[n * D + d] + bias.value[d];
    }
  }
  const back = (dy: Float64Array) => {
    const dx = new Float64Array(x.length);
    for (let n = 0; n < inverse.length; n++) {
      let [sum, along] = [0, 0];
      for (let d = 0; d < D; d++) {
        const at = n * D + d;
        gain.gradient[d] += dy[at] * normal[at];
        bias.gradient[d] += dy[at];
        sum += dy[at] * gain.value[d];
        along += dy[at] * gain.value[d] * normal[at];
      }
      for (let d = 0; d < D; d++) {
        const at = n * D + d;
        dx[at] = inverse[n] * (dy[at] * gain.value[d] - sum / D - (normal[at] * along) / D);
      }
    }
    return dx;
  };
  return { y, back };
}

/** Causal attention per head: rows of 3 D numbers (q, k, v) -> rows of D. */
function attention(qkv: Float64Array): Stretch {
  const y = new Float64Array(N * D);
  const shares = new Float64Array(B * heads * T * T);
  const at = (b: number, t: number, part: number, h: number) => ((b * T + t) * 3 + part) * D + h * K;
  const dot = (a: Float64Array, from: number, b: Float64Array, start: number) => {
    let sum = 0;
    for (let c = 0; c < K; c++) sum += a[from + c] * b[start + c];
    return sum;
  };
  /** Adds `factor` times K numbers of `a` to `into`. */
  const addTo = (into: Float64Array, to: number, a: Float64Array, from: number, factor: number) => {
    for (let c = 0; c < K; c++) into[to + c] += factor * a[from + c];
  };
  /** Every query with its row of shares and the place of its result. */
  const queries = function* () {
    for (let b = 0; b < B; b++)
      for (let h = 0; h < heads; h++)
        for (let t = 0; t < T; t++) yield { b, h, t, row: ((b * heads + h) * T + t) * T, out: (b * T + t) * D + h * K };
  };
  for (const { b, h, t, row, out } of queries()) {
    const scores = Array.from(
      { length: t + 1 },
      (_, j) => dot(qkv, at(b, t, 0, h), qkv, at(b, j, 1, h)) / Math.sqrt(K),
    );
    const top = Math.max(...scores);
    const sum = scores.reduce((s, z) => s + Math.exp(z - top), 0);
    scores.forEach((z, j) => {
      shares[row + j] = Math.exp(z - top) / sum;
      addTo(y, out, qkv, at(b, j, 2, h), shares[row + j]);
    });
  }
  const back = (dy: Float64Array) => {
    const dqkv = new Float64Array(qkv.length);
    for (const { b, h, t, row, out } of queries()) {
      const dshares = Array.from({ length: t + 1 }, (_, j) => dot(dy, out, qkv, at(b, j, 2, h)));
      const mean = dshares.reduce((sum, slope, j) => sum + slope * shares[row + j], 0);
      dshares.forEach((slope, j) => {
        const dscore = (shares[row + j] * (slope - mean)) / Math.sqrt(K);
        addTo(dqkv, at(b, j, 2, h), dy, out, shares[row + j]);
        addTo(dqkv, at(b, t, 0, h), qkv, at(b, j, 1, h), dscore);
        addTo(dqkv, at(b, j, 1, h), qkv, at(b, t, 0, h), dscore);
      });
    }
    return dqkv;
  };
  return { y, back };
}

/** GELU by its tanh form, as in GPT-2. */
function gelu(x: Float64Array): Stretch {
  const inner = Math.sqrt(2 / Math.PI);
  const tanh = x.map((v) => Math.tanh(inner * (v + 0.044715 * v ** 3)));
  const slope = (v: number, t: number) => 0.5 * (1 + t) + 0.5 * v * (1 - t * t) * inner * (1 + 3 * 0.044715 * v * v);
  return { y: x.map((v, i) => 0.5 * v * (1 + tanh[i])), back: (dy) => dy.map((d, i) => d * slope(x[i], tanh[i])) };
}

const sumOf = (a: Float64Array, b: Float64Array) => a.map((v, i) => v + b[i]);

/** x + the parts, one after the other. */
function residual(x: Float64Array, parts: readonly ((x: Float64Array) => Stretch)[]): Stretch {
  const stretches: Stretch[] = [];
  let y: Float64Array = x;
  for (const part of parts) {
    stretches.push(part(y));
    y = stretches.at(-1)!.y;
  }
  return {
    y: sumOf(x, y),
    back: (dy) =>
      sumOf(
        dy,
        stretches.reduceRight<Float64Array>((slope, each) => each.back(slope), dy),
      ),
  };
}

interface Block {
  readonly ln1: Weights;
  readonly qkv: Weights;
  readonly out: Weights;
  readonly ln2: Weights;
  readonly up: Weights;
  readonly down: Weights;
}

/** Mean cross-entropy of rows of V logits, and its slope. */
function crossEntropy(logits: Float64Array, targets: readonly number[], V: number) {
  let loss = 0;
  const slope = new Float64Array(logits.length);
  targets.forEach((target, n) => {
    const row = logits.subarray(n * V, n * V + V);
    const top = Math.max(...row);
    const sum = row.reduce((s, z) => s + Math.exp(z - top), 0);
    loss += (top + Math.log(sum) - row[target]) / targets.length;
    for (let v = 0; v < V; v++)
      slope[n * V + v] = (Math.exp(row[v] - top) / sum - Number(v === target)) / targets.length;
  });
  return { loss, slope };
}

class Gpt {
  readonly declared = new Declared();
  readonly letters: Parameter;
  readonly places: Parameter;
  readonly blocks: readonly Block[];
  readonly ln: Weights;
  readonly head: Weights;

  constructor(readonly V: number) {
    const { declared } = this;
    this.letters = declared.uniform(V * D, 0.5);
    this.places = declared.uniform(T * D, 0.5);
    this.blocks = Array.from({ length: depth }, () => ({
      ln1: declared.norm(),
      qkv: declared.dense(D, 3 * D),
      out: declared.dense(D, D),
      ln2: declared.norm(),
      up: declared.dense(D, M),
      down: declared.dense(M, D),
    }));
    this.ln = declared.norm();
    this.head = declared.dense(D, V);
  }

  /** The loss of a batch; its gradients are added to the parameters'. */
  learn(ids: readonly number[], targets: readonly number[]): number {
    const { letters, places, V } = this;
    const x = Float64Array.from({ length: N * D }, (_, i) => {
      return letters.value[ids[Math.floor(i / D)] * D + (i % D)] + places.value[i % (T * D)];
    });
    const stretches: Stretch[] = [];
    const then = (stretch: Stretch) => {
      stretches.push(stretch);
      return stretch.y;
    };
    let y: Float64Array = x;
    for (const { ln1, qkv, out, ln2, up, down } of this.blocks) {
      y = then(
        residual(y, [
          (h) => layernorm(h, ln1),
          (h) => linear(h, qkv, D, 3 * D),
          attention,
          (h) => linear(h, out, D, D),
        ]),
      );
      y = then(residual(y, [(h) => layernorm(h, ln2), (h) => linear(h, up, D, M), gelu, (h) => linear(h, down, M, D)]));
    }
    const logits = then(linear(then(layernorm(y, this.ln)), this.head, D, V));
    const { loss, slope } = crossEntropy(logits, targets, V);
    const dx = stretches.reduceRight<Float64Array>((dy, each) => each.back(dy), slope);
    dx.forEach((d, i) => {
      letters.gradient[ids[Math.floor(i / D)] * D + (i % D)] += d;
      places.gradient[i % (T * D)] += d;
    });
    return loss;
  }

  /** Update `step`, from 1 on (Loshchilov & Hutter 2019), behind a limit on the norm of all gradients together. */
  update(step: number): void {
    const { lr, beta1, beta2, eps, decay, clip } = adam;
    const { all } = this.declared;
    const norm = Math.sqrt(all.reduce((sum, { gradient }) => gradient.reduce((s, g) => s + g * g, sum), 0));
    const factor = Math.min(1, clip / (norm + 1e-6));
    for (const { value, gradient, first, second, decays } of all)
      for (let i = 0; i < value.length; i++) {
        const g = factor * gradient[i];
        first[i] = beta1 * first[i] + (1 - beta1) * g;
        second[i] = beta2 * second[i] + (1 - beta2) * g * g;
        const [mean, square] = [first[i] / (1 - beta1 ** step), second[i] / (1 - beta2 ** step)];
        value[i] = value[i] * (1 - (decays ? lr * decay : 0)) - (lr * mean) / (Math.sqrt(square) + eps);
        gradient[i] = 0;
      }
  }
}

/** What a run may be disturbed by after each backward pass. */
export type Disturb = (parameters: readonly Parameter[]) => void;

/** The losses of the first `steps` updates on a text. */
export function gptLosses(text: string, steps: number, disturb: Disturb = () => {}): number[] {
  const letters = [...new Set(text)].sort();
  const ids = Array.from(text, (letter) => letters.indexOf(letter));
  const gpt = new Gpt(letters.length);
  return Array.from({ length: steps }, (_, n) => {
    const pieces = (shift: number) =>
      Array.from({ length: N }, (_, i) => {
        const start = (((n + 1) * B + Math.floor(i / T)) * 7919) % (ids.length - T);
        return ids[start + shift + (i % T)];
      });
    const loss = gpt.learn(pieces(0), pieces(1));
    disturb(gpt.declared.all);
    gpt.update(n + 1);
    return loss;
  });
}
