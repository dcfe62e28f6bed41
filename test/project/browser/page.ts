// The program of the page: opens the GPU, runs the step, and sends what it found to the test that serves it.
import { openGpu } from "../../../engine/index.ts";
import { step } from "./step.ts";

async function found(): Promise<object> {
  try {
    const gpu = await openGpu();
    return { adapter: gpu.facts.adapter, ...(await step()) };
  } catch (error) {
    return { error: String(error) };
  }
}

// the DOM's types are not the project's
await fetch("/found", { method: "POST", body: JSON.stringify(await found()) });
