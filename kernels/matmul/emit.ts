// The inner tile of a matrix product as WGSL: the one kernel of this folder whose text is unrolled, and so is emitted.
// Sizes, strides and offsets are data; transposes, the structure, the kind of access and the epilogue are text.
//
// Three structures; of two of them what was measured on lavapipe (2 cores, f32, CPU time, one interleaved run) as ratios to one 4x4
// register tile per invocation (bench/baselines/plain-tile.wgsl):
//   sg  one subgroup owns `rows` x 4·SG columns; a's vectors are broadcast lane by lane. No workgroup memory, no
//       barrier: what CPU rasterisers are good at. 512³ NN / NT / TN: 8 rows 2.5 / 2.6 / 2.3, 16 rows 3.3 / 3.8 / 3.2,
//       32 rows 4.2 / 4.2 / 4.0; 408x2304x768 with 32 rows 4.1 / 4.3 / 3.9.
//   wg  a workgroup of TX x TY invocations owns a tile; both operands pass through workgroup memory in steps of KT.
//       What GPUs are good at; on lavapipe it loses to the plain register tile.
//   mx  subgroups multiply matrices of halves into f32 (tiles/matrix.ts): the matrix units of GPUs. On a CPU slower than any other.
// A sum takes its four k's together in TN too: one k at a time loads and stores every sum four times as often (2.9).
// The first two add over k in order into f32, PANEL k's at a time, and then those sums, so they agree bit for bit where fma is not fused. One
// chain of additions over K = 3072 rounds four times as much: in float32 the blocks of ViT-B/32 were up to 1.10 times the tolerance
// of the official numbers away, with panels of 512 / 256 / 128 they are 0.77 / 0.61 / 0.35. Panels cost 2 / 6 / 8 % of the time.
// Where there are more than 64 panels their sums go 64 by 64 into sums of a level above, so that the error stays what it is.
import activations from "../lib/activation.wgsl";
import erf from "../lib/erf.wgsl";
import { bindings, dims, epilogue, loader } from "./parts.ts";
import { type EmittedKernel, tileOf } from "./structures.ts";
import { matrixTile } from "./tiles/matrix.ts";
import { subgroupTile } from "./tiles/subgroup.ts";
import { workgroupTile } from "./tiles/workgroup.ts";

/** The text of a kernel. */
export function emit(kernel: EmittedKernel): string {
  return [
    ...title(kernel),
    ...(kernel.structure.mode === "mx" ? ["enable chromium_experimental_subgroup_matrix;"] : []),
    ...dims(kernel),
    ...bindings(kernel),
    ...(kernel.activation === "none" ? [] : [erf, activations]),
    ...loader("a", kernel),
    ...loader("b", kernel),
    ...epilogue(kernel),
    ...tile(kernel),
    "",
  ].join("\n");
}

/** Tile variables, and main. */
function tile(kernel: EmittedKernel): string[] {
  const { structure } = kernel;
  if (structure.mode === "sg") return subgroupTile(kernel, structure);
  return structure.mode === "wg" ? workgroupTile(kernel, structure) : matrixTile(kernel, structure);
}

const equations = { NN: "a[M,K] b[K,N]", NT: "a[M,K] b[N,K]ᵀ", TN: "a[K,M]ᵀ b[K,N]" };

function title({ form, structure, access, subgroup }: EmittedKernel): string[] {
  const { rows, cols } = tileOf(structure, subgroup);
  return [
    `// c[M,N] = ${equations[form]}, ${rows} x ${cols} of it per ${structure.mode === "sg" ? "subgroup" : "workgroup"}; access: ${access}`,
  ];
}
