// What other engines are asked to do: a few of our cases, with the same numbers.
import type { Gpu } from "../../engine/device/gpu.ts";
import { GpuError } from "../../engine/errors.ts";
import { Deadline } from "../../engine/host/deadline.ts";
import { throttled } from "../../engine/host/wait.ts";
import type { Arm } from "../measure.ts";

/** A case of one of the ops that other engines have too, with its inputs on the host, by the op's names. */
export interface Problem {
  readonly op: "matmul" | "softmax" | "layernorm" | "gelu";
  readonly dims: Readonly<Record<string, number>>;
  readonly inputs: Readonly<Record<string, Float32Array>>;
}

/** An engine at work on a problem. */
export interface Contestant extends Arm {
  /** The result of the last run. */
  output(): Promise<ArrayLike<number>>;
  free(): void;
}

/** Another engine. `prepare` throws where it cannot run: the table then says why. */
export interface Baseline {
  readonly engine: string;
  /** What in its rows is not as in ours. */
  readonly note?: string;
  prepare(problem: Problem, gpu: Gpu): Promise<Contestant>;
}

/** Waits for a device that is not ours, as sparingly as for ours. */
export function finished(device: GPUDevice): Promise<void> {
  const lost = device.lost.then(({ message }): never => {
    throw new GpuError(`its device was lost: ${message}`);
  });
  const deadline = new Deadline(60_000, () => 0);
  return throttled(
    Promise.race([device.queue.onSubmittedWorkDone().then(() => {}), lost]),
    () => () => {},
    0.5,
    () => (deadline.passed() ? new GpuError("its device made no progress for 60 s") : undefined),
  );
}

/** Adds `navigator.gpu` as browsers have it: the way by which browser libraries find the device. Returns the undoing. */
export function withNavigator(gpu: object): () => void {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  const value = { gpu, userAgent: "node", hardwareConcurrency: 2 };
  Object.defineProperty(globalThis, "navigator", { value, configurable: true, writable: true });
  return () => {
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else Reflect.deleteProperty(globalThis, "navigator");
  };
}
