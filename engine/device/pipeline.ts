// Kernel text -> pipeline: compiled once per text, kept, and compile errors explained with the line they are in.
import { KernelError } from "../errors.ts";
import type { KernelText } from "../declare/kernel-text.ts";

/** A compiled kernel. */
export interface Kernel {
  readonly id: number;
  readonly text: KernelText;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly consts: Readonly<Record<string, number>>;
}

/** Pipelines by text and constants; bind group layouts by access pattern. Pipelines are never freed. */
export class KernelCache {
  #kernels = new Map<string, Kernel>();
  #layouts = new Map<string, { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>();
  pipelines = 0;

  constructor(
    readonly device: GPUDevice,
    readonly fail: (checked: Promise<void>) => void,
  ) {}

  get(text: KernelText, constants: Record<string, number>, label: string): Kernel {
    const key = `${JSON.stringify(constants)}${text.code}`;
    let kernel = this.#kernels.get(key);
    if (!kernel) this.#kernels.set(key, (kernel = this.#compile(text, constants, label)));
    return kernel;
  }

  #compile(text: KernelText, constants: Record<string, number>, label: string): Kernel {
    this.pipelines++;
    const { group, pipeline: layout } = this.#layout(text);
    const { device } = this;
    device.pushErrorScope("validation");
    const module = device.createShaderModule({ code: text.code, label });
    const pipeline = device.createComputePipeline({
      label,
      layout,
      compute: { module, entryPoint: "main", constants },
    });
    this.fail(this.#check(device.popErrorScope(), module, text, label));
    return { id: this.pipelines, text, pipeline, layout: group, consts: { ...text.overrides, ...constants } };
  }

  async #check(
    scope: Promise<GPUError | null>,
    module: GPUShaderModule,
    text: KernelText,
    label: string,
  ): Promise<void> {
    const error = await scope;
    if (error) throw new KernelError(await explain(module, text.code, label, error.message));
  }

  #layout({ bindings, fields }: KernelText) {
    const key = `${bindings.map(({ index, write }) => `${index}${write ? "w" : "r"}`)}|${fields.length}`;
    let layout = this.#layouts.get(key);
    if (!layout) {
      const entries = bindings.map(({ index, write }) => ({
        binding: index,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: write ? ("storage" as const) : ("read-only-storage" as const) },
      }));
      const group = this.device.createBindGroupLayout({ entries });
      const pipeline = this.device.createPipelineLayout({
        bindGroupLayouts: [group],
        immediateSize: fields.length * 4,
      });
      this.#layouts.set(key, (layout = { group, pipeline }));
    }
    return layout;
  }
}

/** "label:line:column message", the source line and a caret. */
export async function explain(module: GPUShaderModule, code: string, label: string, fallback: string): Promise<string> {
  const { messages } = await module.getCompilationInfo();
  const first = messages.find(({ type }) => type === "error");
  if (!first) return `${label}: ${fallback}`;
  const line = code.split("\n")[first.lineNum - 1] ?? "";
  const margin = `    ${first.lineNum} | `;
  const caret = " ".repeat(margin.length - 2 + first.linePos);
  return `${label}:${first.lineNum}:${first.linePos} ${first.message}\n${margin}${line}\n${caret}^`;
}
