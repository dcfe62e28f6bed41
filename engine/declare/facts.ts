// What the engine knows of a device before any kernel is chosen.

/** Rows and columns of a product of matrices of a subgroup, and the length of its sums. */
export interface MatrixSize {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** What kernels and their choice may depend on: the device as the engine uses it. */
export interface DeviceFacts {
  /** Name, driver and architecture in one line. */
  readonly adapter: string;
  /** A rasteriser on the CPU (lavapipe, SwiftShader): other kernels win there (docs/DESIGN.md). */
  readonly software: boolean;
  /** Lanes of one subgroup, `SG` in kernels. */
  readonly subgroup: number;
  readonly f16: boolean;
  /** Matrices that a subgroup multiplies as one: m x k halves by k x n halves into m x n f32. */
  readonly matrices?: readonly MatrixSize[];
  /** Bytes of workgroup memory and invocations of one workgroup. */
  readonly workgroupBytes: number;
  readonly workgroupSize: number;
  /** Tuned choices: shape class -> variant name (`emotionclip tune`). */
  readonly tuned: ReadonlyMap<string, string>;
}
