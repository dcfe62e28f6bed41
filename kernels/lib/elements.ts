// What texts of long rows leave open: elements as stored (X) and as summed (SUM), COLUMNS of them in one, and `across` to add them up.
import type { Sizes } from "../../engine/declare/signature.ts";

/** One column at a time. */
export const single =
  "alias X = T;\nalias SUM = f32;\nconst COLUMNS: u32 = 1;\nfn across(v: f32) -> f32 { return v; }\n";

/** Four columns at a time; for widths that 4 divides. */
export const fours =
  "alias X = vec4<T>;\nalias SUM = vec4f;\nconst COLUMNS: u32 = 4;\nfn across(v: vec4f) -> f32 { return sum4(v); }\n";

/** Whether rows of D columns are whole vec4s. */
export const inQuads = (_: unknown, { D }: Sizes): boolean => D % 4 === 0;
