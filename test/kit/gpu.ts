// The GPU of tests: the adapter that the test run chose, which the environment names.
import { type Gpu, type GpuOptions, openGpu } from "../../engine/index.ts";

/** As `openGpu`, on the adapter under test. */
export const openTestGpu = (options: GpuOptions = {}): Promise<Gpu> =>
  openGpu({ adapter: process.env.EMOTIONCLIP_ADAPTER, ...options });
