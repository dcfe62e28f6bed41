// The engine in a browser: navigator.gpu, no files.
import { GpuError, UsageError } from "../errors.ts";
import { type Host, noProgress } from "./host.ts";

/** What of the page the engine uses; the types of the DOM are not the project's. */
const { navigator } = globalThis as unknown as { navigator: { gpu?: GPU; deviceMemory?: number } };

/** A browser has one adapter to offer, and Dawn's toggles are its own flags. */
async function adapter(): Promise<GPUAdapter> {
  const { gpu } = navigator;
  if (!gpu) throw new GpuError("this browser has no WebGPU, or not on this page: it needs https or localhost");
  const found = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!found) throw new GpuError("this browser found no GPU adapter");
  return found;
}

/** Gigabytes, as far as the browser tells. */
const memory = (): number => (navigator.deviceMemory ?? 4) * 2 ** 30;

function noFiles(): never {
  throw new UsageError("a browser has no cache folder");
}

/** The browser's own loop settles promises; only the deadline is ours. */
async function wait<T>(promise: Promise<T>, fault: Promise<never>, _ms: number, deadline: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new GpuError(noProgress(deadline))), deadline);
  });
  try {
    return await Promise.race([promise, fault, late]);
  } finally {
    clearTimeout(timer);
  }
}

export const host: Host = {
  adapter,
  memory,
  cacheFolder: noFiles,
  tunedPath: noFiles,
  tuned: () => new Map(),
  wait,
};
