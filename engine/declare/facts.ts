// What the engine knows of a device before any kernel is chosen.

/** What kernels and their choice may depend on: the device as the engine uses it. */
export interface DeviceFacts {
  /** Name, driver and architecture in one line. */
  readonly adapter: string;
  /** A rasteriser on the CPU (lavapipe, SwiftShader): other kernels win there (docs/DESIGN.md). */
  readonly software: boolean;
  /** Lanes of one subgroup, `SG` in kernels. */
  readonly subgroup: number;
  readonly f16: boolean;
  /** Bytes of workgroup memory and invocations of one workgroup. */
  readonly workgroupBytes: number;
  readonly workgroupSize: number;
  /** Tuned choices: shape class -> variant name (`emotionclip tune`). */
  readonly tuned: ReadonlyMap<string, string>;
}
