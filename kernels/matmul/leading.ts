// Leading axes of products: they broadcast as in NumPy, and what is repeated is written out only where nothing else helps.
import { ShapeError } from "../../engine/errors.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { broadcastShape } from "../broadcast.ts";
import { expandTo } from "../reduce/reduce.ts";

type Product = (a: Tensor, b: Tensor) => Tensor;

/** A product of matrices as the ops know it. */
export interface Products {
  readonly name: string;
  /** Rows of a, with any leading axes, by one matrix. */
  readonly rows: Product;
  /** Matrices of a by matrices of b, one by one. */
  readonly batches: Product;
}

const leadOf = ({ shape }: Tensor): readonly number[] => shape.slice(0, -2);
const numel = (sizes: readonly number[]): number => sizes.reduce((product, size) => product * size, 1);

function broadcastLead(name: string, a: Tensor, b: Tensor): number[] {
  try {
    return broadcastShape(leadOf(a), leadOf(b), name);
  } catch {
    throw new ShapeError(
      `${name}: [${a.shape}] and [${b.shape}] have leading axes [${leadOf(a)}] and [${leadOf(b)}], which do not broadcast; ` +
        "counted from the last two axes, they are equal or one of them is 1",
    );
  }
}

/**
 * Products of a[…, I, K] with b, whose matrices follow one another along its leading axes. Axes before the last two along which only b
 * is repeated become rows of a: no copy, and their gradient is summed in the product.
 */
export function overLeading({ name, rows, batches }: Products, a: Tensor, b: Tensor): Tensor {
  const lead = broadcastLead(name, a, b);
  const [I, K] = a.shape.slice(-2);
  const [ownA, ownB] = [a, b].map((x) => [...Array<number>(lead.length - leadOf(x).length).fill(1), ...leadOf(x)]);
  let kept = lead.length;
  while (kept > 0 && ownB[kept - 1] === 1) kept--;
  const folded = numel(lead.slice(kept));
  const left = a.reshape([...ownA.slice(0, kept), folded * I, K]);
  const right = b.reshape([...ownB.slice(0, kept), ...b.shape.slice(-2)]);
  const y = kept === 0 ? rows(left, right) : overBatches(batches, left, right, lead.slice(0, kept));
  return y.reshape([...lead, I, y.shape.at(-1)!]);
}

/** The same where nothing can be folded: rows of aᵀ do not follow one another. */
export function overColumns({ name, rows, batches }: Products, a: Tensor, b: Tensor): Tensor {
  const lead = broadcastLead(name, a, b);
  return lead.length === 0 ? rows(a, b) : overBatches(batches, a, b, lead);
}

const overBatches = (batches: Product, a: Tensor, b: Tensor, lead: readonly number[]): Tensor =>
  batches(expandTo(a, [...lead, ...a.shape.slice(-2)]), expandTo(b, [...lead, ...b.shape.slice(-2)]));

/** Refuses what is no matrix, and sums of two lengths; `inner` are the axes that are summed over, counted from the end. */
export function checkInner(name: string, a: Tensor, b: Tensor, inner: readonly [number, number]): void {
  const given = `${name}: a is [${a.shape}] and b [${b.shape}]`;
  if (a.shape.length < 2 || b.shape.length < 2) throw new ShapeError(`${given}; expected at least two axes of each`);
  const [ofA, ofB] = [a.shape.at(inner[0])!, b.shape.at(inner[1])!];
  if (ofA !== ofB)
    throw new ShapeError(
      `${given}; ${word(inner[0])} of a has ${ofA} elements and ${word(inner[1])} of b ${ofB}; they are summed over and agree`,
    );
}

const word = (axis: number): string => (axis === -1 ? "the last axis" : "the axis before the last");
