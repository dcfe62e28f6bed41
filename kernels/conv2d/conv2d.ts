// Convolution of images by patches: what lies under the kernel becomes a row, and the rest is one matrix product. Letters: B images of
// C channels, I by J; O output channels, U by V; G groups; P = B · U · V places, K = C / G · kernel height · width.
import { LimitError, ShapeError } from "../../engine/errors.ts";
import { pass } from "../../engine/declare/pass.ts";
import { bytesPer, type Sizes } from "../../engine/declare/signature.ts";
import { op } from "../../engine/record/op.ts";
import { currentScope } from "../../engine/record/scope.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { add } from "../broadcast.ts";
import { lanesGrid } from "../lib/flat.ts";
import levels from "../lib/levels.wgsl";
import panels from "../lib/panels.wgsl";
import { linear } from "../matmul/linear.ts";
import { matmulNT } from "../matmul/matmul.ts";
import { concat } from "../shape/join.ts";
import { permute, slice, transpose } from "../shape/shape.ts";
import dx from "./dx.wgsl";
import patches from "./patches.wgsl";

/** Places of a kernel along a side of `size`; 0 or less where it does not fit. */
const placesOf = (size: number, kernel: number, stride: number, padding: number, dilation: number): number =>
  Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;

interface Taps {
  kernelI: number;
  kernelJ: number;
  strideI: number;
  strideJ: number;
  paddingI: number;
  paddingJ: number;
  dilationI: number;
  dilationJ: number;
}

/** Rows and columns of the output. */
function outputOf({ I, J }: Sizes, taps: Taps): readonly [high: number, wide: number] {
  return [
    placesOf(I, taps.kernelI, taps.strideI, taps.paddingI, taps.dilationI),
    placesOf(J, taps.kernelJ, taps.strideJ, taps.paddingJ, taps.dilationJ),
  ];
}

const fields = (count: string) => (dims: Sizes, attrs: object) => {
  const { groups: _, ...taps } = attrs as Taps & { groups: number };
  const [high, wide] = outputOf(dims, taps);
  return { ...taps, high, wide, count: [...count].reduce((product, axis) => product * dims[axis], 1) };
};

const size = "size" as const;
const place = "place" as const;

/** x_BCIJ -> rows_GPK: what lies under the kernel at each place, for each group of channels. */
const underKernel = op({
  name: "convPatches",
  about: "rows_gpk = the element of x under tap k of the kernel at place p, 0 beyond the border",
  sig: "x_BCIJ -> rows_GPK",
  attrs: {
    groups: 1,
    ...{ kernelI: 1, kernelJ: 1, strideI: 1, strideJ: 1, paddingI: 0, paddingJ: 0, dilationI: 1, dilationJ: 1 },
  },
  takes: {
    groups: size,
    ...{ kernelI: size, kernelJ: size, strideI: size, strideJ: size },
    ...{ paddingI: place, paddingJ: place, dilationI: size, dilationJ: size },
  },
  derive(dims, { groups, ...taps }) {
    const [high, wide] = outputOf(dims, taps);
    if (dims.C % groups || high < 1 || wide < 1)
      throw new ShapeError(
        `convPatches: ${groups} groups of kernels do not fit x_BCIJ[${dims.B},${dims.C},${dims.I},${dims.J}]`,
      );
    return { G: groups, P: dims.B * high * wide, K: (dims.C / groups) * taps.kernelI * taps.kernelJ };
  },
  forward: [
    pass("x_BCIJ -> rows_GPK", patches, ({ G, P, K }, consts) => lanesGrid(G * P * K, consts), {
      uniforms: fields("GPK"),
    }),
  ],
  backward: [
    pass("drows_GPK -> dx_BCIJ", [panels, levels, dx], ({ B, C, I, J }, consts) => lanesGrid(B * C * I * J, consts), {
      uniforms: fields("BCIJ"),
    }),
  ],
  ref({ x }, dims, { groups, ...taps }) {
    const { B, C, I, J } = dims;
    const [high, wide] = outputOf(dims, taps);
    const rows: number[] = [];
    for (let g = 0; g < groups; g++)
      for (let b = 0; b < B; b++)
        for (let u = 0; u < high; u++)
          for (let v = 0; v < wide; v++)
            for (let c = (g * C) / groups; c < ((g + 1) * C) / groups; c++)
              for (let a = 0; a < taps.kernelI; a++)
                for (let e = 0; e < taps.kernelJ; e++) {
                  const i = u * taps.strideI + a * taps.dilationI - taps.paddingI;
                  const j = v * taps.strideJ + e * taps.dilationJ - taps.paddingJ;
                  rows.push(i >= 0 && i < I && j >= 0 && j < J ? x[((b * C + c) * I + i) * J + j] : 0);
                }
    return { rows };
  },
  flops: () => 0,
  bench: [{ B: 16, C: 64, I: 56, J: 56, attrs: { kernelI: 3, kernelJ: 3, paddingI: 1, paddingJ: 1 } }],
  test: {
    sizes: { B: [1, 2, 3], C: [2, 4, 6], I: [1, 4, 5, 9, 17], J: [1, 3, 4, 8, 16] },
    attrs: [
      {},
      { kernelI: 3, kernelJ: 3, paddingI: 1, paddingJ: 1 },
      { groups: 2, kernelI: 2, kernelJ: 3, strideI: 2, strideJ: 1, paddingJ: 2 },
      { kernelI: 5, kernelJ: 1, strideI: 3, strideJ: 2, paddingI: 4, dilationI: 2 },
      { kernelI: 3, kernelJ: 7, paddingI: 3, paddingJ: 3, dilationI: 3, groups: 2 },
    ],
  },
});

/** A number for both sides, or rows and columns apart. */
type Pair = number | readonly [number, number];

/** What `conv2d` may be told besides x, weight and bias; each a number, or [rows, columns]. */
export interface ConvOptions {
  /** Places from one application of the kernel to the next; 1 by default. */
  readonly stride?: Pair;
  /** Zeros around x; 0 by default. */
  readonly padding?: Pair;
  /** Places from one element of the kernel to the next; 1 by default. */
  readonly dilation?: Pair;
  /** Groups of channels that do not meet: `C` of them are a depth-wise convolution. */
  readonly groups?: number;
}

const pairOf = (given: Pair | undefined, otherwise: number, what: string, least: number): readonly [number, number] => {
  const pair = typeof given === "object" ? given : [given ?? otherwise, given ?? otherwise];
  if (pair.length !== 2 || pair.some((value) => value < least))
    throw new ShapeError(
      `conv2d: ${what} is [${pair}]; expected a number of at least ${least}, or two: [rows, columns]`,
    );
  return [pair[0], pair[1]];
};

/**
 * y[b, o] = bias[o] + Σ over channels and taps of weight[o] · x[b], a cross-correlation (PyTorch's F.conv2d): x [B, C, H, W],
 * weight [O, C / groups, kernel height, width], bias [O] -> [B, O, rows, columns]. The patches are a matrix of B · rows · columns by
 * C · kernel height · width numbers, kept for the gradient; where it passes the largest binding, the images come in several.
 * With groups the product is one for each: right, but for depth-wise convolutions not quick.
 */
export function conv2d(x: Tensor, weight: Tensor, bias?: Tensor, options: ConvOptions = {}): Tensor {
  takes(
    "conv2d(x: tensor, weight: tensor, bias?: tensor, options?: " +
      "{ stride?: whole | whole[], padding?: whole | whole[], dilation?: whole | whole[], groups?: size })",
    arguments,
  );
  const { groups = 1 } = options;
  checkShapes(x, weight, bias, groups);
  const [strideI, strideJ] = pairOf(options.stride, 1, "stride", 1);
  const [paddingI, paddingJ] = pairOf(options.padding, 0, "padding", 0);
  const [dilationI, dilationJ] = pairOf(options.dilation, 1, "dilation", 1);
  const [, , kernelI, kernelJ] = weight.shape;
  const taps = { kernelI, kernelJ, strideI, strideJ, paddingI, paddingJ, dilationI, dilationJ };
  const [high, wide] = outputOf({ I: x.shape[2], J: x.shape[3] }, taps);
  if (high < 1 || wide < 1)
    throw new ShapeError(
      `conv2d: a kernel of ${kernelI} by ${kernelJ}, dilation [${dilationI},${dilationJ}], does not fit x[${x.shape}] with padding [${paddingI},${paddingJ}]`,
    );
  const each = imagesAtOnce(x, weight, high * wide);
  const parts = Array.from({ length: Math.ceil(x.shape[0] / each) }, (_, i) => {
    const part = each < x.shape[0] ? slice(x, i * each, Math.min((i + 1) * each, x.shape[0])) : x;
    return convolve(underKernel(part, { groups, ...taps }), weight, bias, [part.shape[0], high, wide]);
  });
  return concat(parts);
}

function checkShapes({ shape: x }: Tensor, { shape: weight }: Tensor, bias: Tensor | undefined, groups: number): void {
  const refuse = (what: string) => {
    throw new ShapeError(
      `conv2d: ${what}\n  expected  x[B, C, H, W]  weight[O, C / groups, kernel height, width]  bias[O]\n` +
        `  received  x[${x}]  weight[${weight}]${bias ? `  bias[${bias.shape}]` : ""}  groups ${groups}`,
    );
  };
  if (x.length !== 4) refuse(`x has ${x.length} axes`);
  if (weight.length !== 4) refuse(`weight has ${weight.length} axes`);
  if (x[1] % groups || weight[0] % groups) refuse(`${groups} groups do not divide ${x[1]} and ${weight[0]} channels`);
  if (weight[1] !== x[1] / groups) refuse(`weight has ${weight[1]} channels, x has ${x[1] / groups} in a group`);
  if (bias && `${bias.shape}` !== `${weight[0]}`) refuse(`bias is [${bias.shape}]`);
}

/** How many images have patches that one binding holds. */
function imagesAtOnce(x: Tensor, weight: Tensor, places: number): number {
  const [B, C] = x.shape;
  const bytes = places * C * weight.shape[2] * weight.shape[3] * bytesPer(x.dtype);
  const { maxBinding } = currentScope("conv2d").runner;
  if (bytes > maxBinding)
    throw new LimitError(
      `conv2d: the patches of one image of [${x.shape.slice(1)}] take ${Math.ceil(bytes / 2 ** 20)} MB; this adapter binds at most ` +
        `${Math.floor(maxBinding / 2 ** 20)} MB\n  cut the image into overlapping parts, or take a larger stride`,
    );
  return Math.min(B, Math.floor(maxBinding / bytes));
}

/** rows_GPK and weight -> y_BOUV. */
function convolve(rows: Tensor, weight: Tensor, bias: Tensor | undefined, [B, U, V]: readonly number[]): Tensor {
  const [G, P, K] = rows.shape;
  const O = weight.shape[0];
  if (G === 1) {
    const y = linear(rows.reshape([P, K]), weight.reshape([O, K]), bias);
    return transpose(y.reshape([B, U * V, O])).reshape([B, O, U, V]);
  }
  const y = matmulNT(rows, weight.reshape([G, O / G, K])).reshape([G, B, U * V, O / G]);
  const images = permute(y, [1, 0, 3, 2]).reshape([B, O, U, V]);
  return bias ? add(images, bias.reshape([O, 1, 1])) : images;
}
