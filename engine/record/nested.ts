// Numbers in the form of their shape, as NumPy and PyTorch print them: brackets for axes, ends of long ones, columns aligned.

/** Places shown from either end of an axis: of rows and columns, and of axes before them. */
const ends = { matrix: 3, outer: 1 };

/** The places of an axis that are shown; −1 stands for those left out. */
function placesOf(size: number, end: number): number[] {
  if (size <= 2 * end + 1) return [...Array(size).keys()];
  return [...Array(end).keys(), -1, ...Array.from({ length: end }, (_, i) => size - end + i)];
}

const short = (x: number | undefined): string => (x === undefined ? "…" : String(Number(x.toPrecision(6))));

/** "[[1, 2, 3],\n [4, 5, 6]]"; `at` gives elements by their place, row by row, where they are known. A scalar is its number. */
export function nested(shape: readonly number[], at: (place: number) => number | undefined): string {
  const cells: string[] = [];
  const places = shape.map((size, axis) => placesOf(size, axis < shape.length - 2 ? ends.outer : ends.matrix));
  const visit = (axis: number, place: number): void => {
    if (axis === shape.length) cells.push(short(at(place)));
    else for (const i of places[axis]) if (i >= 0) visit(axis + 1, place * shape[axis] + i);
  };
  visit(0, 0);
  const width = shape.length < 2 ? 0 : Math.max(...cells.map((cell) => cell.length));
  let next = 0;
  const draw = (axis: number): string => {
    if (axis === shape.length) return cells[next++].padStart(width);
    const parts = places[axis].map((i) => (i < 0 ? "…" : draw(axis + 1)));
    const apart = axis === shape.length - 1 ? ", " : `,${"\n".repeat(shape.length - 1 - axis)}${" ".repeat(axis + 1)}`;
    return `[${parts.join(apart)}]`;
  };
  return draw(0);
}
