// How a dispatch is encoded: the one place that does it.

/** What a dispatch needs. */
export interface Dispatch {
  readonly kernel: { readonly pipeline: GPUComputePipeline };
  readonly group: GPUBindGroup;
  readonly immediates: ArrayBuffer;
  /** Workgroups in x, y, z. */
  readonly grid: readonly number[];
}

/** Encodes dispatches `from` … `to − 1` of a list into a compute pass. */
export function encodeLaunches(
  pass: GPUComputePassEncoder,
  list: readonly Dispatch[],
  from = 0,
  to = list.length,
): void {
  let last: GPUComputePipeline | undefined;
  for (let i = from; i < to; i++) {
    const { kernel, group, immediates, grid } = list[i];
    if (kernel.pipeline !== last) pass.setPipeline((last = kernel.pipeline));
    pass.setBindGroup(0, group);
    if (immediates.byteLength) pass.setImmediates(0, immediates);
    pass.dispatchWorkgroups(grid[0], grid[1] ?? 1, grid[2] ?? 1);
  }
}
