// How a command opens the GPU: what the flags and the environment say, as options of the engine, which reads neither.
import { UsageError } from "../engine/errors.ts";
import type { GpuOptions } from "../engine/index.ts";
import { bytesIn } from "../train/memory-size.ts";

export type { GpuOptions };

/** The flags that all commands share, as commander takes them. */
export const ADAPTER = "--adapter <name>";
export const MEMORY = "--gpu-memory <size>";
export const DEADLINE = "--gpu-deadline <seconds>";

/** Their values. */
export interface GpuFlags {
  readonly adapter?: string;
  readonly gpuMemory?: string;
  readonly gpuDeadline?: string;
}

/** What every command is handed. */
export interface Context {
  /** Options for `openGpu`, as the flags of the command that runs and the environment have them. Errors: UsageError. */
  gpu(): GpuOptions;
  /** Runs another command in this process, on a GPU with these options where its own flags say nothing else. */
  run(words: readonly string[], gpu: GpuOptions): Promise<void>;
}

/** Flags before what is given, and that before the variables EMOTIONCLIP_ADAPTER, _GPU_MEMORY and _GPU_DEADLINE. */
export function gpuOptions({ adapter, gpuMemory, gpuDeadline }: GpuFlags, given: GpuOptions = {}): GpuOptions {
  const { EMOTIONCLIP_ADAPTER, EMOTIONCLIP_GPU_MEMORY, EMOTIONCLIP_GPU_DEADLINE } = process.env;
  const deadline = gpuDeadline ?? given.deadline ?? EMOTIONCLIP_GPU_DEADLINE;
  const memory = gpuMemory ? bytesOf(gpuMemory) : given.memory;
  return {
    ...given,
    adapter: adapter || given.adapter || EMOTIONCLIP_ADAPTER || undefined,
    memory: memory ?? (EMOTIONCLIP_GPU_MEMORY ? bytesOf(EMOTIONCLIP_GPU_MEMORY) : undefined),
    deadline: deadline === undefined || deadline === "" ? undefined : secondsOf(deadline),
  };
}

function secondsOf(text: string | number): number {
  const seconds = Number(text);
  if (/^\d+(\.\d+)?$/.test(`${text}`.trim()) && seconds > 0) return seconds;
  throw new UsageError(`--gpu-deadline: "${text}" is not a number of seconds such as 120`);
}

/** The bytes of a size that a flag gives. */
export function bytesOf(text: string, flag = "--gpu-memory"): number {
  const bytes = bytesIn(text);
  if (bytes === undefined) throw new UsageError(`${flag}: "${text}" is not a size such as 800M or 2.5G`);
  return bytes;
}
