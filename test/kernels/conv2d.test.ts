// Convolutions against the definition, over random shapes and options, also where the patches come in parts.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  compute,
  LimitError,
  placeholder,
  planOnly,
  Scope,
  ShapeError,
  tensor,
  UsageError,
} from "../../engine/index.ts";
import { Guard } from "../../engine/device/guard.ts";
import { useRunner } from "../../engine/record/runner.ts";
import { conv2d, type ConvOptions } from "../../kernels/index.ts";
import { agrees, drawn } from "./against.ts";
import { sharedGpu, uniform } from "./derive.ts";

const gpu = await sharedGpu();

interface Case {
  readonly sizes: { B: number; O: number; I: number; J: number; high: number; wide: number };
  /** Channels in a group. */
  readonly channels: number;
  readonly groups: number;
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly hasBias: boolean;
  readonly seed: number;
}

const pair = (...values: number[]) => fc.tuple(fc.constantFrom(...values), fc.constantFrom(...values));
const cases: fc.Arbitrary<Case> = fc
  .record({
    sizes: fc.record({
      B: fc.constantFrom(1, 2, 3),
      O: fc.constantFrom(1, 2, 5),
      I: fc.constantFrom(1, 4, 7, 9),
      J: fc.constantFrom(1, 3, 8, 11),
      high: fc.constantFrom(1, 2, 3, 5),
      wide: fc.constantFrom(1, 2, 3, 4),
    }),
    channels: fc.constantFrom(1, 2, 3),
    groups: fc.constantFrom(1, 1, 2, 3),
    stride: pair(1, 2, 3),
    padding: pair(0, 1, 2),
    dilation: pair(1, 2),
    hasBias: fc.boolean(),
    seed: fc.integer({ min: 1, max: 2 ** 30 }),
  })
  .filter(({ sizes: { I, J, high, wide }, padding, dilation }) => {
    const fits = (size: number, kernel: number, at: 0 | 1) => size + 2 * padding[at] > dilation[at] * (kernel - 1);
    return fits(I, high, 0) && fits(J, wide, 1);
  });

/** The sum over channels and taps, for every place of every output channel. */
function reference({ sizes, channels, groups, stride, padding, dilation }: Case) {
  const { B, O, I, J, high, wide } = sizes;
  const places = (size: number, kernel: number, at: 0 | 1) =>
    Math.floor((size + 2 * padding[at] - dilation[at] * (kernel - 1) - 1) / stride[at]) + 1;
  return (x: Float64Array, weight: Float64Array, bias?: Float64Array) => {
    const y: number[] = [];
    for (let b = 0; b < B; b++)
      for (let o = 0; o < O * groups; o++)
        for (let u = 0; u < places(I, high, 0); u++)
          for (let v = 0; v < places(J, wide, 1); v++) {
            let sum = bias ? bias[o] : 0;
            for (let c = 0; c < channels; c++)
              for (let a = 0; a < high; a++)
                for (let e = 0; e < wide; e++) {
                  const i = u * stride[0] + a * dilation[0] - padding[0];
                  const j = v * stride[1] + e * dilation[1] - padding[1];
                  if (i < 0 || i >= I || j < 0 || j >= J) continue;
                  const channel = Math.floor(o / O) * channels + c;
                  sum +=
                    weight[((o * channels + c) * high + a) * wide + e] *
                    x[((b * channels * groups + channel) * I + i) * J + j];
                }
            y.push(sum);
          }
    return y;
  };
}

async function holds(c: Case): Promise<void> {
  const { sizes, channels, groups, stride, padding, dilation, hasBias, seed } = c;
  const { B, O, I, J, high, wide } = sizes;
  const random = uniform(seed);
  const inputs = [drawn(random, [B, channels * groups, I, J]), drawn(random, [O * groups, channels, high, wide])];
  if (hasBias) inputs.push(drawn(random, [O * groups]));
  await agrees(inputs, (x, w, bias) => conv2d(x, w, bias, { stride, padding, dilation, groups }), reference(c), {
    seed,
  });
}

test("values and gradients are those of the definition", () =>
  fc.assert(fc.asyncProperty(cases, holds), { numRuns: 60, seed: 3 }));

/** A device whose largest binding is smaller. */
class Small extends Guard {
  constructor(readonly most: number) {
    super(gpu, 0);
  }
  override get maxBinding(): number {
    return this.most;
  }
}

test("where the patches of a batch pass the largest binding, images come in parts, and values and gradients are the same", async () => {
  const sizes = { B: 5, O: 2, I: 6, J: 6, high: 3, wide: 3 };
  const pairs = { stride: [1, 1], padding: [1, 1], dilation: [1, 1] } as const;
  for (const groups of [1, 2]) {
    const one = 4 * 36 * 9 * 3 * groups;
    for (const most of [one, 2 * one + 4, 5 * one]) {
      useRunner(new Small(most));
      try {
        await holds({ sizes, channels: 3, groups, ...pairs, hasBias: true, seed: 7 });
      } finally {
        useRunner(gpu);
      }
    }
  }
});

test("the plan of a large batch has no tensor beyond the binding; an image alone beyond it is refused with its size", () => {
  const plan = (images: number, side: number) =>
    planOnly(gpu.facts, 2 ** 27, () => {
      using scope = new Scope();
      conv2d(placeholder([images, 64, side, side]), placeholder([64, 64, 3, 3]), undefined, { padding: 1 });
      void scope;
    });
  assert.ok(plan(64, 56).launches > plan(16, 56).launches); // 441 MB of patches, and 110
  assert.throws(
    () => plan(1, 512),
    (error: Error) =>
      error instanceof LimitError && /one image of \[64,512,512\] take 576 MB; .* 128 MB/.test(error.message),
  );
});

test("one number stands for rows and columns, and what is not said is 1, 0 and 1", async () => {
  const x = () =>
    tensor(
      Float32Array.from({ length: 25 }, (_, i) => i),
      [1, 1, 5, 5],
    );
  const ones = () => tensor([1, 1, 1, 1], [1, 1, 2, 2]);
  const of = (options?: ConvOptions) => compute(() => conv2d(x(), ones(), undefined, options));
  assert.equal([...(await of())], [...(await of({ stride: 1, padding: [0, 0], dilation: [1, 1] }))]);
  assert.equal([...(await of({ stride: 2 }))], [12, 20, 52, 60]);
  assert.equal([...(await of({ dilation: 4 }))], [48]);
});

if (gpu.facts.f16)
  test("images and weights in f16", async () => {
    const of = (shape: readonly number[]) =>
      tensor(new Float32Array(shape.reduce((a, b) => a * b)).fill(0.5), shape, "f16");
    const y = await compute(() => conv2d(of([1, 2, 3, 3]), of([2, 1, 3, 3]), of([2]), { groups: 2 }));
    assert.equal([...y], [2.75, 2.75]);
  });

test("what does not fit is refused by name", () => {
  using scope = new Scope();
  const of = (...shape: number[]) => tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
  const refused = (f: () => unknown, said: RegExp, kind: new (text: string) => Error = ShapeError) =>
    assert.throws(f, (error: unknown) => error instanceof kind && said.test((error as Error).message));
  refused(() => conv2d(of(3, 8, 8), of(4, 3, 3, 3)), /x has 3 axes\n.*expected .*\n.*received {2}x\[3,8,8\]/s);
  refused(() => conv2d(of(1, 3, 8, 8), of(4, 2, 3, 3)), /weight has 2 channels, x has 3 in a group/);
  refused(() => conv2d(of(1, 3, 8, 8), of(4, 1, 3, 3), undefined, { groups: 2 }), /2 groups do not divide 3 and 4/);
  refused(() => conv2d(of(1, 3, 8, 8), of(4, 3, 3, 3), of(3)), /bias is \[3\]/);
  refused(() => conv2d(of(1, 3, 2, 8), of(4, 3, 3, 3)), /a kernel of 3 by 3, .* does not fit x\[1,3,2,8\]/);
  refused(
    () => conv2d(of(1, 1, 4, 4), of(1, 1, 1, 1), undefined, { stride: 0 }),
    /stride is \[0,0\]; expected .* at least 1/,
  );
  refused(() => conv2d(of(1, 1, 4, 4), of(1, 1, 1, 1), undefined, { padding: [1] as never }), /padding is \[1\]/);
  refused(
    () => conv2d(of(1, 1, 4, 4), of(1, 1, 1, 1), undefined, { strides: 2 } as never),
    /did you mean stride/,
    UsageError,
  );
  void scope;
});

test.run();
