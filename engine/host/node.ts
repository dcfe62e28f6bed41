// The engine in Node: Dawn through the package webgpu, the user's cache folder. The only file of the engine that imports
// "webgpu" or anything of Node's.
import { AsyncLocalStorage } from "node:async_hooks";
import { readFileSync } from "node:fs";
import { homedir, totalmem } from "node:os";
import { join } from "node:path";
import program from "node:process";
import { create, globals } from "webgpu";
import { GpuError } from "../errors.ts";
import type { Host } from "./host.ts";
import { throttled } from "./wait.ts";

Object.assign(globalThis, globals);

/** The instance must outlive every device: were it collected, the process would die. */
const keepAlive = globalThis as { emotionclipInstances?: GPU[] };

async function adapter(name: string, toggles: readonly string[]): Promise<GPUAdapter> {
  const enable = ["allow_unsafe_apis", "vulkan_enable_f16_on_nvidia", ...toggles];
  const flags = [`enable-dawn-features=${enable}`, "disable-dawn-features=timestamp_quantization"];
  const instance = create(name ? [...flags, `adapter=${name}`] : flags);
  (keepAlive.emotionclipInstances ??= []).push(instance);
  const found = await instance.requestAdapter().catch((error: Error) => {
    throw new GpuError(
      `no adapter matches "${name}": ${error.message.split("\n")[0]}\n  emotionclip doctor lists what is there`,
    );
  });
  if (found) return found;
  throw new GpuError(
    'no GPU adapter: no Vulkan, Metal or D3D12 driver answered\n  install a GPU driver, or Mesa\'s software one (README, "Drivers")',
  );
}

/** XDG_CACHE_HOME is where the user's files lie, not a setting of the engine's. */
const cacheFolder = (): string => join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "emotionclip");

/** One small JSON file per adapter, written by `emotionclip tune`. */
const tunedPath = (adapter: string): string => join(cacheFolder(), `tuned-${adapter.replace(/[^\w.]+/g, "-")}.json`);

function tuned(adapter: string): ReadonlyMap<string, string> {
  try {
    const file = JSON.parse(readFileSync(tunedPath(adapter), "utf8")) as {
      version: number;
      choices: Record<string, string>;
    };
    return new Map(file.version === 1 ? Object.entries(file.choices) : []);
  } catch {
    return new Map();
  }
}

const current = new AsyncLocalStorage<unknown>();
const tasks = { get: () => current.getStore(), set: (value: unknown) => current.enterWith(value) };

const idle = (act: () => void) => void program.on("beforeExit", act);

export const host: Host = { tasks, idle, adapter, memory: totalmem, cacheFolder, tunedPath, tuned, wait: throttled };
