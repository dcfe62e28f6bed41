// emotionclip doctor: which adapter is open, what it offers, and what the engine uses of it.
import { Command } from "commander";
import { create, globals } from "webgpu";
import { GpuError } from "../engine/errors.ts";
export function command(): Command {
  return new Command().option("--json", "one JSON object").action(doctor);
}
async function doctor(): Promise<void> {
  Object.assign(globalThis, globals);
  const name = process.env.EMOTIONCLIP_ADAPTER;
  const gpu = create(name ? [`adapter=${name}`] : []);
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new GpuError("no adapter");
  console.log(adapter.info.description);
}
