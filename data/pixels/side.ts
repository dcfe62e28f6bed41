// Sizes of frames and of grids: one number for a square, [height, width] for a rectangle.
import { UsageError } from "../../engine/errors.ts";

/** Pixels or patches: the side of a square, or height and width. */
export type Side = number | readonly [height: number, width: number];

export const rowsOf = (side: Side): number => (typeof side === "number" ? side : side[0]);
export const columnsOf = (side: Side): number => (typeof side === "number" ? side : side[1]);

/** The side of a square; `what` says what is shown in squares alone. Errors: UsageError for a rectangle. */
export function squareOf(side: Side, what: string): number {
  if (typeof side !== "number") throw new UsageError(`${what} in squares; this model takes rectangles`);
  return side;
}

/** Rows and columns. */
export const pairOf = (side: Side): readonly [height: number, width: number] => [rowsOf(side), columnsOf(side)];

/** One number where both are equal. */
export const sideOf = (height: number, width: number): Side => (height === width ? height : [height, width]);

export const sizeOf = (side: Side): { width: number; height: number } => ({
  height: rowsOf(side),
  width: columnsOf(side),
});

/** Pixels of a frame, or patches. */
export const cellsOf = (side: Side): number => rowsOf(side) * columnsOf(side);

/** As people write it: "7x7", height first. */
export const sideText = (side: Side): string => `${rowsOf(side)}x${columnsOf(side)}`;

/** Both numbers through one function. */
export const mapSide = (side: Side, f: (length: number) => number): Side =>
  typeof side === "number" ? f(side) : [f(side[0]), f(side[1])];
