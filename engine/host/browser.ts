// The engine in a browser: navigator.gpu, no files.
import { type EngineError, GpuError, UsageError } from "../errors.ts";
import type { Host } from "./host.ts";
import { type Hearing, orFault } from "./or-fault.ts";

/** What of the page the engine uses; the types of the DOM are not the project's. */
const { navigator } = globalThis as unknown as { navigator: { gpu?: GPU; deviceMemory?: number } };

/** A browser has one adapter to offer, and Dawn's toggles are its own flags. */
async function adapter(): Promise<GPUAdapter> {
  const { gpu } = navigator;
  if (!gpu) throw new GpuError("this browser has no WebGPU, or not on this page: it needs https or localhost");
  const found = await gpu.requestAdapter({ powerPreference: "high-performance" }).catch((error: Error) => {
    throw new GpuError(`this browser gave no GPU adapter: ${error.message}`);
  });
  if (!found) throw new GpuError("this browser found no GPU adapter");
  return found;
}

/** Gigabytes, as far as the browser tells. */
const memory = (): number => (navigator.deviceMemory ?? 4) * 2 ** 30;

function noFiles(): never {
  throw new UsageError("a browser has no cache folder");
}

/** How often the deadline is looked at, in ms. */
const look = 250;

/** The browser's own loop settles promises; only the deadline is ours. */
const wait = <T>(promise: Promise<T>, hear: Hearing, _ms: number, late: () => EngineError | undefined): Promise<T> =>
  orFault(promise, hear, (fail) => {
    const timer = setInterval(() => {
      const error = late();
      if (error) fail(error);
    }, look);
    return () => clearInterval(timer);
  });

export const host: Host = {
  adapter,
  memory,
  cacheFolder: noFiles,
  tunedPath: noFiles,
  tuned: () => new Map(),
  wait,
};
