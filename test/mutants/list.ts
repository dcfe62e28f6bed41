// The mutations: small faults of the kind that are made, in every family of kernels. Data; main.ts applies them.

/** One fault. */
export interface Mutation {
  /** The op whose derived tests have to notice. */
  readonly op: string;
  /** Where the text is from: a .wgsl file, or the file that emits it. */
  readonly file: string;
  /** What the first occurrence of this in the kernel's text becomes. */
  readonly find: string;
  readonly replace: string;
  readonly why: string;
}

type Row = readonly [op: string, find: string, replace: string, why: string];

const of = (file: string, ...rows: readonly Row[]): Mutation[] =>
  rows.map(([op, find, replace, why]) => ({ op, file, find, replace, why }));

export const mutations: readonly Mutation[] = [
  ...of("engine/record/builtin/fill.wgsl", [
    "fill",
    "min(start + dim.chunk, dim.N)",
    "min(start + dim.chunk, dim.N - 1)",
    "last one unwritten",
  ]),
  ...of(
    "engine/record/builtin/accumulate.wgsl",
    ["accumulate", "vec4f(a[i]) + vec4f(b[i])", "vec4f(a[i])", "second term dropped"],
    ["accumulate", "(dim.N + 3u) / 4u", "dim.N / 4u", "tail unwritten"],
  ),
  ...of(
    "engine/record/builtin/add-to.wgsl",
    ["addTo", "vec4f(y[i]) + select", "select", "what was there is lost"],
    ["addTo", "(dim.N + 3u) / 4u", "dim.N / 4u", "tail unwritten"],
  ),
  ...of("engine/record/builtin/copy.wgsl", [
    "copy",
    "min(start + dim.chunk, dim.N)",
    "min(start + dim.chunk, dim.N + 1)",
    "one too many",
  ]),

  ...of(
    "kernels/lib/flat.wgsl",
    ["neg", "(n + 3) / 4", "n / 4", "tail unwritten"],
    ["exp", "* (WG * STEPS); }", "* WG; }", "chunks start too early"],
    ["square", "start + WG * STEPS", "start + WG", "chunks too short"],
  ),
  ...of(
    "kernels/lib/levels.wgsl",
    ["klWeights", "sums.second + sums.first", "sums.second", "the last panels lost"],
    ["prompt", "next.second += next.first;", "", "a full level lost"],
  ),
  ...of("kernels/lib/erf.wgsl", ["gelu", "-3.7612447e-1", "3.7612447e-1", "swapped sign"]),
  ...of(
    "kernels/pointwise.ts",
    ["tanh", "1 - y_i * y_i", "1 - y_i", "wrong derivative"],
    ["relu", "x_i > vec4f(0)", "x_i > vec4f(0.5)", "wrong mask"],
    ["relu", "above_zero4(x_i)", "max(x_i, vec4f(0))", "NaN becomes 0"],
    ["clamp", "nan_or4(x_i, ", "(", "NaN becomes a bound"],
    ["tanh", "nan_or4(x_i, ", "(", "NaN becomes -1"],
    ["clamp", "x_i <= vec4f(dim.high)", "x_i <= vec4f(dim.low)", "wrong bound of the mask"],
    ["quickGelu", "1 + 1.702 * x_i", "1 + x_i", "missing factor"],
    ["sub", "vec4f(-1)", "vec4f(1)", "swapped sign of the second gradient"],
    ["mul", "vec4<T>(dy_i * (a_i))", "vec4<T>(0 * dy_i)", "gradient of the second input dropped"],
    ["sigmoid", "let y_i = vec4f(y[i]);", "let y_i = vec4f(y[start]);", "reads one element for all"],
  ),
  ...of(
    "kernels/broadcast.ts",
    ["addAlong", "select(alpha + 1, 0u, alpha + 1 == dim.A)", "alpha + 1", "b does not start again"],
    ["mulAlong", "(4 * i / dim.M) % dim.A", "(4 * i) % dim.A", "wrong broadcast"],
    ["mulAlong", "dim.M + q % dim.M", "dim.M + q / dim.M", "wrong place in a row"],
    ["mulAlong", "min((c + 1) * size, dim.N)", "min((c + 1) * size - 1, dim.N)", "last row of a chunk dropped"],
    ["divAlong", "(-y_i / b_i)", "(y_i / b_i)", "swapped sign of b's gradient"],
    ["subAlong", "b4 += step;", "b4 += 0;", "b stays where it began"],
  ),

  ...of("kernels/reduce/rows.wgsl", ["sum", "a += SG", "a += 2 * SG", "every other term"]),
  ...of("kernels/reduce/rows4.wgsl", ["mean", "subgroupAdd(sum4(acc))", "sum4(acc)", "lanes not joined"]),
  ...of(
    "kernels/reduce/columns.wgsl",
    ["sum", "sum += sumStretch;", "sum = sumStretch;", "stretches before the last dropped"],
    ["sum", "sumStretch += sumPanel;", "sumStretch = sumPanel;", "panels before the last dropped"],
  ),
  ...of("kernels/reduce/columns.wgsl", ["mean", "dim.factor * sum", "sum", "missing scale"]),
  ...of("kernels/reduce/columns4.wgsl", ["sum", "start + a * M4", "start + a", "wrong stride"]),
  ...of(
    "kernels/reduce/chunks4.wgsl",
    ["sum", "min(first + size, A4)", "first + size", "into the next chunk's terms"],
    ["sum", "let sum = subgroupAdd(sum4(acc));", "let sum = subgroupAdd(acc.x);", "three of four terms dropped"],
  ),
  ...of("kernels/from-bytes/from-bytes-rgb.wgsl", [
    "fromBytes",
    "table[256 + (b >> 24)]",
    "table[256 + ((b >> 16) & 255)]",
    "the red of a pixel as its green",
  ]),
  ...of("kernels/reduce/chunks.wgsl", [
    "sum",
    "min(first + size, dim.A)",
    "first + size",
    "into the next chunk's terms",
  ]),
  ...of("kernels/reduce/final.wgsl", ["sum", "c < nearEnd", "c + 1 < nearEnd", "last chunk dropped"]),
  ...of("kernels/reduce/spread.wgsl", ["repeat", "id % dim.M", "id % dim.A", "wrong axis"]),
  ...of("kernels/reduce/spread4.wgsl", ["repeat", "a < dim.A", "a + 1 < dim.A", "last copy unwritten"]),

  ...of(
    "kernels/fold/fold.ts",
    ["max", "na - n * dim.A", "na", "wrong axis"],
    ["min", "id - na * dim.M", "id", "wrong place"],
    ["argmax", "id % dim.C, id / places", "id / places, id % dim.C", "runs and places confused"],
  ),
  ...of(
    "kernels/fold/extremes.ts",
    ["max", "v > best", "v < best", "max becomes min"],
    ["min", "v < best || is_nan(f32(v))", "v < best", "NaN is overlooked"],
  ),
  ...of("kernels/fold/best-run.wgsl", ["argmin", "a += each", "a += 2 * each", "every other element"]),
  ...of(
    "kernels/fold/best-merge.wgsl",
    ["argmax", "other.place < state.place", "other.place > state.place", "the last of equals"],
    ["min", "c < dim.C", "c + 1 < dim.C", "last run dropped"],
  ),
  ...of("kernels/fold/total-run.wgsl", [
    "sumWhole",
    "var a = first + each",
    "var a = first + 2 * each",
    "one element dropped",
  ]),
  ...of("kernels/fold/total-merge.wgsl", ["prod", "c < dim.C", "c + 1 < dim.C", "last run dropped"]),
  ...of("kernels/fold/product-dx.wgsl", ["prod", "before[i] * behind", "behind", "what stands before is lost"]),
  ...of("kernels/fold/product-runs-dx.wgsl", ["prod", "behind *= partTotal[i];", "", "runs behind are lost"]),
  ...of(
    "kernels/fold/moments-run.wgsl",
    ["variance", "vec2f(off, off * off)", "vec2f(off, off)", "not squared"],
    ["std", "near += PANEL * each", "near += 2 * PANEL * each", "every other panel"],
  ),
  ...of("kernels/fold/moments-merge.wgsl", ["variance", " + outside * off", "", "spread between runs is lost"]),
  ...of(
    "kernels/fold/logsumexp-run.wgsl",
    ["logsumexp", "top = min(top, -LOWEST);", "top = 0.0;", "the largest is not taken off"],
    ["logsumexp", "min(top, -LOWEST)", "top", "∞ − ∞"],
  ),
  ...of("kernels/fold/norm-run.wgsl", ["norm", "min(top, -LOWEST)", "top", "∞ / ∞"]),
  ...of("kernels/fold/norm-merge.wgsl", ["norm", "* (part_of_top * part_of_top)", "", "runs unscaled"]),
  ...of("kernels/fold/logsumexp-merge.wgsl", ["logsumexp", "* share(partTop[part(c, r)], top)", "", "runs unscaled"]),

  ...of("kernels/shape/swap.wgsl", ["swapAxes", "(n * dim.P + p) * dim.Q", "(n * dim.Q + p) * dim.Q", "dims swapped"]),
  ...of("kernels/shape/transpose4.wgsl", [
    "swapAxes",
    "(r0.y, r1.y, r2.y, r3.y)",
    "(r0.y, r1.y, r3.y, r2.y)",
    "rows exchanged",
  ]),
  ...of("kernels/shape/window.wgsl", ["slice", "at >= 0 && at < dim.wide", "at < dim.wide", "missing guard in front"]),
  ...of("kernels/shape/window.wgsl", [
    "slice",
    "i32(q) + dim.offset",
    "i32(q)",
    "the piece always begins at the start",
  ]),
  ...of("kernels/shape/window.wgsl", ["pad", "bitcast<Num>(dim.bits)", "Num(0)", "the value is always 0"]),
  ...of("kernels/shape/rows.wgsl", ["concat", "n += nwg.y", "n += nwg.y + 1", "rows left out"]),
  ...of("kernels/shape/lanes.wgsl", ["concat", "i % dim.row", "i % dim.N", "wrong place in a row"]),
  ...of(
    "kernels/shape/parts.ts",
    ["concat", "q - dim.end0", "q", "the second part is read from further on"],
    ["split3", "q < dim.end1", "q <= dim.end1", "off by one between two parts"],
  ),
  ...of(
    "kernels/shape/turn.wgsl",
    ["flip", "dim.row - 1 - q", "dim.row - q", "off by one from behind"],
    ["roll", "q + dim.shift >= dim.row", "q + dim.shift > dim.row", "not quite round the axis"],
  ),
  ...of(
    "kernels/shape/triangle.wgsl",
    ["tril", "right <= Columns", "right < Columns", "without the diagonal"],
    ["triu", "dim.sign * ", "", "the other side"],
  ),
  ...of("kernels/index-select/forward.wgsl", [
    "indexSelect",
    "min(id, dim.V - 1)",
    "min(id, dim.V - 2)",
    "last place out of reach",
  ]),
  ...of("kernels/index-select/dx.wgsl", ["indexSelect", "place > 0 &&", "place > 1 &&", "two owners of a place"]),
  ...of("kernels/create/arange.wgsl", ["arange", "<Num>(k)", "<Num>(k + 1)", "begins a step late"]),
  ...of("kernels/create/linspace.wgsl", [
    "linspace",
    "vec4u(dim.N - 1) - min",
    "vec4u(dim.N) - min",
    "the end is not reached",
  ]),
  ...of("kernels/create/eye.wgsl", ["eye", "k / dim.B", "k / dim.A", "wrong where it is not square"]),

  ...of("kernels/embedding/forward.wgsl", ["embedding", "id < dim.V", "id <= dim.V", "off by one at the table's end"]),
  ...of("kernels/embedding/dtable.wgsl", ["embedding", "place > 0 &&", "place > 1 &&", "two owners of a row"]),
  ...of("kernels/embedding/dtable4.wgsl", ["embedding", "(a + b) + (c + e)", "(a + b) + c", "fourth term dropped"]),
  ...of("kernels/embedding/count.wgsl", [
    "embedding",
    "hist[r * dim.C + c] += 1;",
    "hist[r * dim.C + c] = 1;",
    "not counted",
  ]),
  ...of("kernels/embedding/scan.wgsl", ["embedding", "l < lane", "l <= lane", "counts begin too late"]),
  ...of("kernels/embedding/deal.wgsl", ["embedding", "= place + 1;", "= place;", "equal digits in one place"]),
  ...of("kernels/embedding/order.wgsl", ["embedding", "at < vec4u(n)", "at <= vec4u(n)", "ranks off by one"]),
  ...of("kernels/embedding/row.wgsl", [
    "rowGather",
    "index[n] < dim.L",
    "true",
    "an index beyond reads the last token",
  ]),
  ...of("kernels/embedding/row-dx.wgsl", ["rowGather", "q < token + width", "q <= token + width", "one too many"]),

  ...of(
    "kernels/matmul/tiles/subgroup.ts",
    ["matmul", "fma(vec4f(x.w), b3, s0)", "fma(vec4f(x.w), b2, s0)", "wrong row of b"],
    ["matmulTN", "(stop + 3u) / 4u", "stop / 4u", "last, partial step dropped"],
  ),
  ...of(
    "kernels/matmul/tiles/workgroup.ts",
    ["matmulNT", "workgroupBarrier();", "", "removed barrier after copying"],
    ["matmulTN", "workgroupBarrier();\n  }", "}", "removed barrier before the next step"],
  ),
  ...of(
    "kernels/matmul/tiles/matrix.ts",
    ["matmul", "b0, y0);", "b1, y0);", "wrong matrix of b"],
    ["matmulNT", "own / 1u * 16u", "own / 1u * 8u", "blocks overlap"],
    ["matmulTN", "k += 8u", "k += 16u", "every other matrix of a step left out"],
    ["linear", "vec4f(sums[first], sums[first + 1u]", "vec4f(sums[first + 1u], sums[first]", "columns swapped"],
  ),
  ...of(
    "kernels/matmul/parts.ts",
    ["matmul", "if (col + 3u < dim.cols)", "if (col + 2u < dim.cols)", "writes into the next row"],
    ["matmul", "total3 += s3;", "total3 = s3;", "panels before the last dropped"],
    ["matmulTN", "wid.z * dim.chunk;", "wid.z * dim.chunk + 4u * min(wid.z, 1u);", "parts of the sum have gaps"],
    ["matmulNT", "min(4u * q + 3u, dim.depth - 1u)", "min(4u * q + 2u, dim.depth - 1u)", "wrong element of a row"],
    ["linear", " + shift", "", "bias dropped"],
    ["linear", "row >= dim.rows || col >= dim.cols", "col >= dim.cols", "missing guard of rows"],
    ["linearResidual", " + rest", "", "residual dropped"],
    ["batchedMatmul", "wid.z * dim.bN", "wid.z * dim.aN", "wrong stride of batches"],
    ["batchedMatmulNT", "wid.z * dim.cN", "0u", "every batch into the first"],
    ["attention", "sum * gain", "sum", "missing scale"],
    ["attention", "row >= dim.rows || col >= dim.cols", "col >= dim.cols", "writes into the next head"],
    ["attention", "select(vec4f(), value, k < end)", "value", "sums beyond the last key"],
  ),
  ...of("kernels/matmul/logits-dv.wgsl", ["logits", "scale[0] * u[i]", "u[i]", "missing scale"]),
  ...of("kernels/matmul/copy.wgsl", [
    "linearResidual",
    "dresidual[i] = dy[i]",
    "dresidual[i] += dy[i]",
    "adds to what was there",
  ]),
  ...of(
    "kernels/lib/activation.wgsl",
    ["linearActivation", "0.134145", "0.044715", "wrong coefficient of a slope"],
    ["linearActivation", "(1.702 * x, vec4f(-80)", "(1.7 * x, vec4f(-80)", "another constant"],
  ),
  ...of("kernels/lib/colsum.wgsl", [
    "linear",
    "min((p + 1) * dim.part, dim.rows)",
    "(p + 1) * dim.part",
    "sum beyond the last row",
  ]),

  ...of(
    "kernels/layernorm/forward.wgsl",
    ["layernorm", " + dim.eps", "", "eps dropped"],
    ["layernorm", " + count * sum4(off * off)", "", "spread between lanes dropped"],
    ["layernorm", "subgroup) * ROWS", "subgroup) * (ROWS - 1)", "rows computed twice, others not"],
  ),
  ...of("kernels/layernorm/dx.wgsl", ["layernorm", " - xHat * meanGX[r]", "", "term dropped"]),
  ...of("kernels/layernorm/sums.wgsl", ["layernorm", " * rstd[i]", "", "missing scale"]),
  ...of("kernels/layernorm/sums-ragged.wgsl", ["layernorm", "gainPanel += g", "gainPanel = g", "missing +="]),
  ...of("kernels/layernorm/total.wgsl", ["layernorm", "r < nearEnd", "r + 1 < nearEnd", "last part dropped"]),
  ...of("kernels/softmax/forward.wgsl", ["softmax", "top = subgroupMax(top);", "top = 0;", "maximum not subtracted"]),
  ...of("kernels/softmax/dx.wgsl", ["softmax", " - sum)", ")", "term dropped"]),
  ...of("kernels/softmax/log-dx.wgsl", [
    "logSoftmax",
    "nan_exp(f32(y[start + j]))",
    "f32(y[start + j])",
    "missing exp",
  ]),
  ...of(
    "kernels/normalize/forward.wgsl",
    ["normalize", "nan_or(length, max(length, dim.floor))", "length", "floor dropped"],
    ["normalize", "nan_or(length, max(length, dim.floor))", "max(length, dim.floor)", "NaN becomes the floor"],
  ),
  ...of("kernels/normalize/dx.wgsl", ["normalize", "length > dim.floor", "length < dim.floor", "wrong branch"]),

  ...of(
    "kernels/attention/probabilities.wgsl",
    ["attention", "row % dim.L + 1", "row % dim.L + 2", "sees one key of the future"],
    ["attention", "top = subgroupMax(top);", "", "every lane its own maximum"],
  ),
  ...of("kernels/attention/slopes.wgsl", ["attention", "(slope[s] - mean)", "slope[s]", "term dropped"]),
  ...of(
    "kernels/attention/fused-forward.wgsl",
    ["attention", "total[r] * keep", "total[r]", "sum not rescaled"],
    ["attention", "workgroupBarrier();\n    for", "for", "removed barrier before copying"],
  ),
  ...of("kernels/attention/fused-dkv.wgsl", ["attention", " - along)", ")", "term dropped"]),
  ...of("kernels/attention/fused-dq.wgsl", [
    "attention",
    "workgroupBarrier();\n\n",
    "\n\n",
    "removed barrier after copying",
  ]),
  ...of("kernels/attention/keep.wgsl", ["attentionKept", "at / dim.M * dim.L", "at / dim.M * dim.M", "wrong stride"]),
  ...of("kernels/attention/map.wgsl", ["attentionRow", "j < dim.visible", "j <= dim.visible", "one key too many"]),
  ...of(
    "kernels/attention/subject-maps.wgsl",
    ["subjectAttention", "> dim.threshold", ">= dim.threshold", "patches without the subject belong to it"],
    ["subjectAttention", "j > 0 && subject(b, j)", "subject(b, max(j, 1))", "the prompt sees the class token"],
    ["subjectAttention", "p * (1.0 - A)", "p", "attention is copied, not moved"],
  ),
  ...of("kernels/attention/subject-slopes.wgsl", ["subjectAttention", "(dU - sums.y)", "dU", "term dropped"]),
  ...of("kernels/attention/share-slopes.wgsl", ["subjectAttention", "g[line] - dw[i]", "g[line]", "term dropped"]),
  ...of("kernels/attention/two-hop-slopes.wgsl", [
    "subjectAttentionTwoHop",
    " + A * dr[start + j]",
    "",
    "term dropped",
  ]),
  ...of("kernels/attention/two-hop-split.wgsl", ["subjectAttentionTwoHop", "p * (1.0 - A)", "p", "attention copied"]),

  ...of("kernels/patch-embed/patches.wgsl", ["patches", "(id / R) % 3", "(id / R) % 2", "a channel missing"]),
  ...of(
    "kernels/patch-embed/patches4.wgsl",
    ["patches", "(p % wide) * R", "(p % high) * R", "sides exchanged"],
    ["patches", "frames[start + r * J4 + c]", "frames[start + c]", "the first row of a patch for all"],
  ),
  ...of("kernels/patch-embed/tokens.wgsl", ["tokens", " + pos[q]", "", "positions dropped"]),
  ...of("kernels/patch-embed/dtokens.wgsl", ["tokens", "if (q < dim.D)", "if (q <= dim.D)", "one too many"]),
  ...of("kernels/prompt/cover.wgsl", ["cover", "f32(R * R)", "f32(R)", "sum, not mean"]),
  ...of("kernels/prompt/prompt.wgsl", ["prompt", "pos[(p + 1) * width", "pos[p * width", "the class token's position"]),
  ...of("kernels/prompt/dpos.wgsl", ["prompt", "select(SUM(), whole(sums), l > 0)", "whole(sums)", "missing mask"]),
  ...of("kernels/kl-weights/log-softmax.wgsl", ["klWeights", " - top - logSum", " - top", "not normalised"]),
  ...of(
    "kernels/kl-weights/weights.wgsl",
    ["klWeights", "i == j ||", "", "own pair not excepted"],
    ["klWeights", "nan_or(kl, min(", "max(0.0, min(", "NaN becomes a weight"],
    ["klWeights", "select(j, i,", "select(i, j,", "KL the other way round"],
  ),
  ...of(
    "kernels/snce/lse.wgsl",
    ["snce", "let z = vec2f(l[r * B + j], l[j * B + r])", "let z = vec2f(l[r * B + j])", "one direction twice"],
    ["snce", "l[j * B + r]) - w[r * B + j]); }", "l[j * B + r])); }", "the maximum is taken without w"],
  ),
  ...of("kernels/snce/dl.wgsl", ["snce", "(video - 1)", "video", "term dropped"]),
  ...of("kernels/snce/total.wgsl", ["snce", "dim.factor * sum", "sum", "missing scale"]),
  ...of("kernels/cross-entropy/lse.wgsl", ["crossEntropy", "nll[n] = 0.0;", "", "ignored rows count in the loss"]),
  ...of("kernels/cross-entropy/mean.wgsl", [
    "meanOverTargets",
    "select(1u, 0u, ",
    "select(1u, 1u, ",
    "ignored rows count in the mean",
  ]),
  ...of("kernels/cross-entropy/dlogits.wgsl", ["crossEntropy", "p - wanted - ", "p - ", "target not subtracted"]),

  ...of("kernels/cross-entropy/lse.wgsl", [
    "crossEntropy",
    "(mean + sum - loss)",
    "(mean - loss)",
    "smoothing without log-sum",
  ]),
  ...of("kernels/cross-entropy/mean-dx.wgsl", ["meanOverTargets", "dloss[0] * share[0]", "dloss[0]", "sum, not mean"]),
  ...of("kernels/cross-entropy/chosen.wgsl", ["nllLoss", "-logs[", "logs[", "swapped sign"]),
  ...of(
    "kernels/loss/binary.wgsl",
    ["bce", "p >= 0 && p < 0.5", "p >= 0", "the series beyond its range"],
    ["bceWithLogits", "nan_or(x, max(x, 0.0)", "(max(x, 0.0)", "NaN becomes a number"],
  ),
  ...of("kernels/loss/loss.ts", ["huber", "- 0.5 * min", "- min", "the line misses the square"]),

  ...of(
    "kernels/attention/masked-softmax.wgsl",
    ["scaledDotProductAttention", "h * dim.maskH", "h", "another head's mask"],
    ["scaledDotProductAttention", "select(0.0, 1.0 / sum, seen == 1)", "1.0 / sum", "a row that sees nothing is NaN"],
    ["scaledDotProductAttention", "(after && dim.causal == 1)", "false", "the future is seen"],
  ),
  ...of("kernels/attention/masked-slopes.wgsl", [
    "scaledDotProductAttention",
    "(dz[start + j] - sum)",
    "dz[start + j]",
    "mean kept",
  ]),
  ...of("kernels/attention/bias-sums.wgsl", ["scaledDotProductAttention", "dim.L / dim.J", "1u", "queries left out"]),

  ...of(
    "kernels/conv2d/patches.wgsl",
    ["convPatches", "i < dim.I && j < dim.J", "j < dim.J", "no border above and below"],
    ["convPatches", "g * (dim.K / taps) + ", "", "groups all read the first channels"],
  ),
  ...of("kernels/conv2d/dx.wgsl", ["convPatches", "i % dim.strideI == 0 && ", "", "places between the strides count"]),
  ...of("kernels/rmsnorm/dx.wgsl", ["rmsnorm", "* scale * mean", "* mean", "factor missing"]),
  ...of("kernels/rmsnorm/sums.wgsl", [
    "rmsnorm",
    "let end = min(dim.N,",
    "let end = min(dim.N - 1,",
    "the last row left out",
  ]),
  ...of("kernels/groupnorm/forward.wgsl", ["groupnorm", "/ dim.M % dim.C", "% dim.C", "another channel's gain"]),
  ...of("kernels/groupnorm/sums.wgsl", [
    "groupnorm",
    "rstd[row / dim.channels]",
    "rstd[row]",
    "another group's spread",
  ]),

  ...of(
    "kernels/adamw/adamw.wgsl",
    ["adamw", "(grad * grad)", "grad", "not squared"],
    ["adamw", " + dim.eps", "", "eps dropped"],
    ["adamw", "p[i] = nan_or4(next, ", "p[i] = max(vec4f(-3e38), ", "NaN becomes a number"],
    ["adamw", "clip > 0", "clip >= 0", "a skipped update is made"],
  ),
  ...of(
    "kernels/adamw/adam.wgsl",
    ["adam", " + dim.decay * p[i]", "", "decay dropped"],
    ["adam", "sqrt(square) * dim.root", "sqrt(square)", "second moment not corrected"],
    ["adam", "clip > 0", "clip >= 0", "a skipped update is made"],
  ),
  ...of(
    "kernels/lion/lion.wgsl",
    ["lion", "dim.beta1 * m[i] + dim.rest1 * grad", "dim.beta2 * m[i] + dim.rest2 * grad", "the sign of the new mean"],
    ["lion", "nan_or4(mixed, sign(mixed))", "sign(mixed)", "NaN becomes a step"],
    ["lion", "dim.keep * p[i]", "p[i]", "decay dropped"],
  ),
  ...of(
    "kernels/muon/moment.wgsl",
    ["muonMoment", "min(start + 4 * WG * STEPS, dim.N)", "min(start + WG * STEPS, dim.N)", "a quarter of each chunk"],
    ["muonMoment", "dim.nesterov != 0", "dim.nesterov == 0", "Nesterov the other way round"],
    ["muonMoment", "clip > 0", "clip >= 0", "a skipped update is made"],
  ),
  ...of(
    "kernels/muon/step.wgsl",
    ["muonStep", "dim.keep * p[i] - dim.size", "p[i] - dim.size", "decay dropped"],
    ["muonStep", "factor[0] > 0", "factor[0] >= 0", "a skipped update is made"],
    ["muonStep", "nan_or(next, select(raised", "min(3e38, select(raised", "NaN becomes a number"],
  ),
  ...of(
    "kernels/sgd/sgd.wgsl",
    ["sgd", "grad + dim.momentum * next", "grad + next", "missing momentum"],
    ["sgd", " + dim.decay * p[i]", "", "decay dropped"],
  ),
  ...of(
    "kernels/grad-norm/squares.wgsl",
    ["squareSums", "real & !odd", "!odd", "padding counted"],
    ["squareSums", "bad.x + bad.y + bad.z + bad.w", "bad.x + bad.y + bad.w", "a fault in every fourth place missed"],
  ),
  ...of("kernels/grad-norm/total.wgsl", ["totalNorm", "sqrt(square)", "square", "missing root"]),
  ...of("kernels/grad-norm/clip.wgsl", [
    "clipFactor",
    "norm[0] / dim.lossScale",
    "norm[0]",
    "norm of scaled gradients",
  ]),

  ...of(
    "kernels/random/philox.wgsl",
    ["initUniform", "0xd2511f53", "0xd2511f55", "another constant"],
    ["dropout", "round < 10", "round < 9", "a round less"],
  ),
  ...of("kernels/random/uniform.wgsl", ["initUniform", "4.656612873e-10 - 1", "4.656612873e-10", "not centred"]),
  ...of("kernels/random/rand.wgsl", [
    "rand",
    "vec4u(dim.shift)",
    "vec4u(dim.shift + 1)",
    "the upper half is never met",
  ]),
  ...of("kernels/random/randint.wgsl", [
    "randint",
    "multiply_high(words.w, dim.range)",
    "words.w % dim.range",
    "another rule for every fourth",
  ]),
  ...of("kernels/random/randn.wgsl", ["randn", "(i, 0, 2,", "(i, 0, 1,", "the counters of rand"]),
  ...of("kernels/random/box-muller.wgsl", ["initNormal", "& 0x40000000", "& 0x20000000", "wrong bit of the quadrant"]),
  ...of("kernels/random/dropout.wgsl", ["dropout", "dim.firstRow + n", "n", "mask depends on the batch"]),
  ...of("kernels/random/dropout4.wgsl", ["dropout", "select(0u, 1u, block >= D4)", "0u", "row not carried"]),
  ...of("kernels/conv1d/forward.wgsl", ["conv1d", "start + k * dim.E", "start + k", "wrong stride"]),
  ...of("kernels/conv1d/dx.wgsl", ["conv1d", "t - k < dim.U", "t - k <= dim.U", "one too many"]),
  ...of("kernels/conv1d/dw.wgsl", ["conv1d", "dim.B * dim.U", "dim.U", "first clip only"]),
];
