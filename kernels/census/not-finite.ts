// What is not finite in a tensor: how much, and where it begins.
import { ceilDiv, pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import { subgroupGrid } from "../lib/flat.ts";
import rows from "../lib/rows.wgsl";
import text from "./not-finite.wgsl";

/** x_N -> found_C3, by chunk of x: the number of NaNs and of infinities, and the place of the first of either, N without any. */
export const notFinite = op({
  name: "notFinite",
  about: "found_c = [NaNs, infinities, place of the first of either or N] among chunk c of x",
  sig: "x_N -> found_C3:u32",
  derive: ({ N }) => ({ C: Math.min(16, ceilDiv(N, 16384)) }),
  forward: [pass("x_N -> found_C3:u32", [rows, text], ({ C }, consts) => subgroupGrid(C, consts))],
  ref({ x }, { N, C }) {
    const found = new Float64Array(3 * C);
    const size = ceilDiv(ceilDiv(N, 4), C) * 4;
    for (let c = 0; c < C; c++) found[3 * c + 2] = N;
    for (let i = 0; i < N; i++) {
      const c = Math.floor(i / size);
      if (Number.isFinite(Math.fround(x[i]))) continue;
      found[3 * c + Number(!Number.isNaN(x[i]))]++;
      found[3 * c + 2] = Math.min(found[3 * c + 2], i);
    }
    return { found };
  },
  flops: () => 0,
  bench: [{ N: 1 << 24 }],
  test: {
    sizes: { N: [1, 2, 3, 4, 5, 7, 33, 16383, 16385, 300000] },
    draw: {
      x: (random, _, n) =>
        Array.from({ length: n }, () =>
          random() < 0.1 ? [Infinity, -Infinity, NaN][Math.floor(3 * random())] : random(),
        ),
    },
  },
});
