// What a device can do at best, and what of it a kernel got.

/** What a device can do at best, as measured on it (bench/roofline.ts). */
export interface Roofline {
  readonly bytesPerSecond: number;
  readonly flopsPerSecond: number;
  /** Seconds of a launch that does nothing. */
  readonly launch: number;
}

/** What limits a kernel: the bytes it moves, the arithmetic it does, or that it was launched at all. */
export type Bound = "bytes" | "flops" | "launch";

/** The time that the roofline allows for some work, and which edge of it that is. */
export function ideal(
  { bytes, flops, calls }: { bytes: number; flops: number; calls: number },
  roof: Roofline,
): { seconds: number; bound: Bound } {
  const edges: [Bound, number][] = [
    ["bytes", bytes / roof.bytesPerSecond],
    ["flops", flops / roof.flopsPerSecond],
    ["launch", calls * roof.launch],
  ];
  const [bound, seconds] = edges.reduce((a, b) => (b[1] > a[1] ? b : a));
  return { seconds, bound };
}
