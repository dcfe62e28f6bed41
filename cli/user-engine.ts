// The engine as examples and guides of this project import it: an `openGpu` without options takes the adapter, the memory and the
// deadline of the command line that runs them, which the engine itself does not know.
import { type GpuOptions, openGpu as open } from "../engine/index.ts";
import { gpuOptions } from "./gpu.ts";

export * from "../engine/index.ts";

let given: GpuOptions | undefined;

/** What `openGpu` shall take from now on where a program says nothing else; until then that is what the environment says. */
export const giveGpu = (options: GpuOptions): void => {
  given = options;
};

const openGpu = (options: GpuOptions = {}) => open({ ...(given ?? gpuOptions({})), ...options });
export { openGpu };
