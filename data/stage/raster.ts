// A small anti-aliased rasteriser: each shape is a signed distance, its edge is one pixel of coverage. Knows no people.

/** Red, green, blue in 0..255. */
export type Rgb = readonly [number, number, number];

/** A point in pixels, y down. */
export type Point = readonly [number, number];

/** How a shape is painted: its inside, and an outline of `width` pixels around it. */
export interface Ink {
  readonly fill: Rgb;
  readonly line?: Rgb;
  /** Outline in pixels, 0 when `line` is absent. */
  readonly width?: number;
}

/** Mix of two colours, t = 0 gives a. */
export function mix(a: Rgb, b: Rgb, t: number): Rgb {
  return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t];
}

/** An RGB picture, `data[3 * (y * width + x) + channel]`, drawn on in painter's order. */
export class Raster {
  readonly data: Uint8Array;

  constructor(
    readonly width: number,
    readonly height: number,
    copy?: Uint8Array,
  ) {
    this.data = copy ? copy.slice() : new Uint8Array(width * height * 3);
  }

  /** Rows y0..y1 (whole pixels) in a vertical gradient. */
  gradient(y0: number, y1: number, top: Rgb, bottom: Rgb): void {
    for (let y = Math.max(0, y0); y < Math.min(this.height, y1); y++) {
      const [r, g, b] = mix(top, bottom, (y - y0) / Math.max(1, y1 - y0 - 1));
      for (let at = y * this.width * 3, end = at + this.width * 3; at < end; at += 3) {
        this.data[at] = r;
        this.data[at + 1] = g;
        this.data[at + 2] = b;
      }
    }
  }

  /** A thick line with round ends. */
  capsule(a: Point, b: Point, radius: number, ink: Ink): void {
    this.stroke([a, b], radius, ink);
  }

  /** A thick polyline with round joints. */
  stroke(points: readonly Point[], radius: number, ink: Ink): void {
    this.paint(points, radius, ink, (x, y) => {
      let least = Number.POSITIVE_INFINITY;
      for (let i = 1; i < points.length; i++) least = Math.min(least, squaredToSegment(x, y, points[i - 1], points[i]));
      return Math.sqrt(least) - radius;
    });
  }

  /** An ellipse with radii rx, ry, turned by `angle` (radians). The distance is first-order, exact at the edge. */
  ellipse(centre: Point, rx: number, ry: number, ink: Ink, angle = 0): void {
    const cos = Math.cos(angle);
    const sin = Math.sin(angle);
    this.paint([centre], Math.max(rx, ry), ink, (x, y) => {
      const dx = x - centre[0];
      const dy = y - centre[1];
      const u = (dx * cos + dy * sin) / rx;
      const v = (dy * cos - dx * sin) / ry;
      // Not Math.hypot, which guards against overflow at several times the price.
      const k0 = Math.sqrt(u * u + v * v);
      const k1 = Math.sqrt((u * u) / (rx * rx) + (v * v) / (ry * ry));
      return k1 === 0 ? -Math.min(rx, ry) : (k0 * (k0 - 1)) / k1;
    });
  }

  /** A closed polygon, convex or not, its corners rounded by `round` pixels. */
  polygon(points: readonly Point[], ink: Ink, round = 0): void {
    this.paint(points, round, ink, (x, y) => toPolygon(x, y, points) - round);
  }

  /** Blends every pixel near the shape by coverage: 1 half a pixel inside, 0 half a pixel outside. */
  private paint(points: readonly Point[], reach: number, ink: Ink, distance: (x: number, y: number) => number): void {
    const edge = ink.line ? (ink.width ?? 0) : 0;
    const line = ink.line ?? ink.fill;
    const { fill } = ink;
    const margin = reach + edge + 1;
    let [x0, y0, x1, y1] = [this.width, this.height, 0, 0];
    for (const [x, y] of points) {
      x0 = Math.min(x0, x - margin);
      y0 = Math.min(y0, y - margin);
      x1 = Math.max(x1, x + margin);
      y1 = Math.max(y1, y + margin);
    }
    x0 = Math.max(0, Math.floor(x0));
    y0 = Math.max(0, Math.floor(y0));
    x1 = Math.min(this.width, Math.ceil(x1));
    y1 = Math.min(this.height, Math.ceil(y1));
    for (let y = y0; y < y1; y++) {
      for (let x = x0; x < x1; x++) {
        const d = distance(x + 0.5, y + 0.5);
        if (d >= edge + 0.5) continue;
        const alpha = Math.min(1, edge + 0.5 - d);
        const inner = Math.min(1, Math.max(0, 0.5 - d));
        const at = 3 * (y * this.width + x);
        for (let c = 0; c < 3; c++) {
          const colour = line[c] + (fill[c] - line[c]) * inner;
          this.data[at + c] = this.data[at + c] + (colour - this.data[at + c]) * alpha + 0.5;
        }
      }
    }
  }
}

/** Points of the quadratic Bezier curve a..b pulled towards `control`, for `stroke`. */
export function curve(a: Point, control: Point, b: Point, pieces = 6): Point[] {
  return Array.from({ length: pieces + 1 }, (_, i) => {
    const t = i / pieces;
    const s = 1 - t;
    return [s * s * a[0] + 2 * s * t * control[0] + t * t * b[0], s * s * a[1] + 2 * s * t * control[1] + t * t * b[1]];
  });
}

function squaredToSegment(x: number, y: number, a: Point, b: Point): number {
  const ex = b[0] - a[0];
  const ey = b[1] - a[1];
  const dx = x - a[0];
  const dy = y - a[1];
  const length = ex * ex + ey * ey;
  const t = length === 0 ? 0 : Math.min(1, Math.max(0, (dx * ex + dy * ey) / length));
  return (dx - ex * t) ** 2 + (dy - ey * t) ** 2;
}

function toPolygon(x: number, y: number, points: readonly Point[]): number {
  let least = Number.POSITIVE_INFINITY;
  let inside = false;
  for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
    const a = points[i];
    const b = points[j];
    least = Math.min(least, squaredToSegment(x, y, a, b));
    const crosses = a[1] > y !== b[1] > y && x < ((b[0] - a[0]) * (y - a[1])) / (b[1] - a[1]) + a[0];
    if (crosses) inside = !inside;
  }
  return inside ? -Math.sqrt(least) : Math.sqrt(least);
}
