// Matrix products with gradients: two-dimensional ones, where rows may have any number of leading axes, and batches.
// Letters here: N rows (or batches), K the axis that is summed, I, J and M rows and columns, Z parts of a sum.
import { ShapeError } from "../../engine/errors.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { contract } from "./contract.ts";
import { checkInner, overColumns, overLeading } from "./leading.ts";
import { product64 } from "./reference.ts";
import { parted, partsOfSum, splitCount } from "./split.ts";

/** Sizes around the tiles' edges, multiples of 4 and others, and one N long enough to be summed in parts. */
const columns = [1, 3, 4, 5, 8, 12, 31, 32, 36];
const test = {
  sizes: {
    N: [1, 3, 4, 8, 9, 16, 17, 33, 260],
    K: [1, 2, 3, 4, 7, 8, 16, 20, 33, 131, 261],
    M: columns,
    I: columns,
    J: columns,
  },
};

/** One layer of the frame encoder: 8 frames of 51 tokens, and a square product. */
const layer = [
  { N: 512, K: 512, M: 512 },
  { N: 408, K: 768, M: 2304 },
];

const dw = parted("x_NK dy_NM -> dw_KM");
const matmulNN = op({
  name: "matmul",
  about: "y = x w, for every row of x",
  sig: "x_NK w_KM -> y_NM",
  derive: ({ N, K, M }) => ({ Z: partsOfSum(N, K, M) }),
  ways: {
    direct: { forward: [contract("x_NK w_KM -> y_NM")], backward: [contract("dy_NM w_KM -> dx_NK"), ...dw.direct] },
    split: { forward: [contract("x_NK w_KM -> y_NM")], backward: [contract("dy_NM w_KM -> dx_NK"), ...dw.split] },
  },
  way: ({ Z, K, M }, device) => splitCount(device, Z, K, M),
  ref: ({ x, w }, { N, K, M }) => ({ y: product64("NN", x, w, [N, M, K]) }),
  flops: ({ N, K, M }) => 2 * N * K * M,
  bench: layer,
  test,
});

const dwT = parted("dy_NM x_NK -> dw_MK");
const matrixNT = op({
  name: "matmulNT",
  about: "y = x wᵀ, for every row of x",
  sig: "x_NK w_MK -> y_NM",
  derive: ({ N, K, M }) => ({ Z: partsOfSum(N, M, K) }),
  ways: {
    direct: { forward: [contract("x_NK w_MK -> y_NM")], backward: [contract("dy_NM w_MK -> dx_NK"), ...dwT.direct] },
    split: { forward: [contract("x_NK w_MK -> y_NM")], backward: [contract("dy_NM w_MK -> dx_NK"), ...dwT.split] },
  },
  way: ({ Z, K, M }, device) => splitCount(device, Z, M, K),
  ref: ({ x, w }, { N, K, M }) => ({ y: product64("NT", x, w, [N, M, K]) }),
  flops: ({ N, K, M }) => 2 * N * K * M,
  bench: layer,
  test,
});

const yTN = parted("a_NI b_NJ -> y_IJ");
const backwardTN = [contract("b_NJ dy_IJ -> da_NI"), contract("a_NI dy_IJ -> db_NJ")];
const matrixTN = op({
  name: "matmulTN",
  about: "y = aᵀ b, summed over the rows of a and b",
  sig: "a_NI b_NJ -> y_IJ",
  derive: ({ N, I, J }) => ({ Z: partsOfSum(N, I, J) }),
  ways: {
    direct: { forward: yTN.direct, backward: backwardTN },
    split: { forward: yTN.split, backward: backwardTN },
  },
  way: ({ Z, I, J }, device) => splitCount(device, Z, I, J),
  ref: ({ a, b }, { N, I, J }) => ({ y: product64("TN", a, b, [I, J, N]) }),
  flops: ({ N, I, J }) => 2 * N * I * J,
  bench: [
    { N: 512, I: 512, J: 512 },
    { N: 768, I: 408, J: 2304 },
  ],
  test,
});

/** Scores and values of attention: 8 frames of 12 heads, 51 tokens of 64. */
const heads = [{ N: 96, I: 51, J: 51, K: 64 }];

const batchedNN = op({
  name: "batchedMatmul",
  about: "y_n = a_n b_n",
  sig: "a_NIK b_NKJ -> y_NIJ",
  forward: [contract("a_NIK b_NKJ -> y_NIJ")],
  backward: [contract("dy_NIJ b_NKJ -> da_NIK"), contract("a_NIK dy_NIJ -> db_NKJ")],
  ref: ({ a, b }, { N, I, J, K }) => ({ y: product64("NN", a, b, [I, J, K], N) }),
  flops: ({ N, I, J, K }) => 2 * N * I * J * K,
  bench: heads,
  test: { sizes: { ...test.sizes, N: [1, 2, 3, 6] } },
});

const batchedNT = op({
  name: "batchedMatmulNT",
  about: "y_n = a_n b_nᵀ",
  sig: "a_NIK b_NJK -> y_NIJ",
  forward: [contract("a_NIK b_NJK -> y_NIJ")],
  backward: [contract("dy_NIJ b_NJK -> da_NIK"), contract("dy_NIJ a_NIK -> db_NJK")],
  ref: ({ a, b }, { N, I, J, K }) => ({ y: product64("NT", a, b, [I, J, K], N) }),
  flops: ({ N, I, J, K }) => 2 * N * I * J * K,
  bench: heads,
  test: { sizes: { ...test.sizes, N: [1, 2, 3, 6] } },
});

const batchedTN = op({
  name: "batchedMatmulTN",
  about: "y_n = a_nᵀ b_n",
  sig: "a_NKI b_NKJ -> y_NIJ",
  forward: [contract("a_NKI b_NKJ -> y_NIJ")],
  backward: [contract("b_NKJ dy_NIJ -> da_NKI"), contract("a_NKI dy_NIJ -> db_NKJ")],
  ref: ({ a, b }, { N, I, J, K }) => ({ y: product64("TN", a, b, [I, J, K], N) }),
  flops: ({ N, I, J, K }) => 2 * N * I * J * K,
  bench: heads,
  test: { sizes: { ...test.sizes, N: [1, 2, 3, 6] } },
});

const forms = {
  matmul: { name: "matmul", rows: matmulNN, batches: batchedNN },
  matmulNT: { name: "matmulNT", rows: matrixNT, batches: batchedNT },
  matmulTN: { name: "matmulTN", rows: matrixTN, batches: batchedTN },
};

/**
 * a b (PyTorch's matmul): matrices […, I, K] and […, K, J], whose leading axes broadcast, give […, I, J]. A vector is a row on the
 * left and a column on the right, and its axis is not in the result: two vectors give their scalar product. Errors: ShapeError where the
 * lengths that are summed over differ, or leading axes do not broadcast.
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  takes("matmul(a: tensor, b: tensor)", arguments);
  if (a.shape.length === 0 || b.shape.length === 0)
    throw new ShapeError(
      `matmul: a is [${a.shape}] and b [${b.shape}]; expected matrices or vectors, mul(a, b) takes numbers`,
    );
  const [row, column] = [a.shape.length === 1, b.shape.length === 1];
  const [left, right] = [row ? a.reshape([1, -1]) : a, column ? b.reshape([-1, 1]) : b];
  checkInner("matmul", left, right, [-1, -2]);
  const y = overLeading(forms.matmul, left, right);
  if (!row && !column) return y;
  const { shape } = y;
  return y.reshape([...shape.slice(0, -2), ...(row ? [] : shape.slice(-2, -1)), ...(column ? [] : shape.slice(-1))]);
}

/** a bᵀ: matrices […, I, K] and […, J, K], whose leading axes broadcast, give […, I, J]. Errors: as matmul. */
export function matmulNT(a: Tensor, b: Tensor): Tensor {
  takes("matmulNT(a: tensor, b: tensor)", arguments);
  if (a.shape.length === 1 && b.shape.length === 2) return matrixNT(a, b);
  checkInner("matmulNT", a, b, [-1, -1]);
  return overLeading(forms.matmulNT, a, b);
}

/** aᵀ b: matrices […, K, I] and […, K, J], whose leading axes broadcast, give […, I, J]. Errors: as matmul. */
export function matmulTN(a: Tensor, b: Tensor): Tensor {
  takes("matmulTN(a: tensor, b: tensor)", arguments);
  checkInner("matmulTN", a, b, [-2, -2]);
  return overColumns(forms.matmulTN, a, b);
}
