// Where numbers stop being finite in a step: each value that its launches find or write was looked at, and the first one counts.
import type { CompiledPass } from "../engine/declare/op.ts";
import type { Look } from "../engine/device/inspector.ts";
import type { Value } from "../engine/record/value.ts";

/** What a value is that no op of the step made: a parameter, the place of its gradient, or a part of the batch. */
export interface KnownValue {
  readonly name: string;
  /** Parameters, and the places of gradients, say where in the model an op is. */
  readonly isPlace: boolean;
  /** The clip that an element belongs to. */
  readonly clipOf?: (element: number) => string;
}

export type KnownValues = ReadonlyMap<Value, KnownValue>;

interface Shaped {
  readonly name: string;
  readonly shape: readonly number[];
  /** What it is in the model or in the batch. */
  readonly of?: string;
}

/** The first tensor of a step that is not finite. */
export interface NotFinite {
  /** The op that wrote it, or that reads it first where none of the step's did. */
  readonly op: string;
  readonly pass: "forward" | "backward";
  readonly tensor: Shaped;
  /** It was so before the op: a parameter, or what the batch brought. */
  readonly isInput: boolean;
  readonly nans: number;
  readonly infinities: number;
  /** The place of the first element of either along each axis, and its clip where it is one of the batch's. */
  readonly first: readonly number[];
  readonly clip?: string;
  /** What the op reads. */
  readonly inputs: readonly Shaped[];
  /** Where the op is in the model, by the names of the parameters at it or around it. */
  readonly where: string;
}

/** The first of what the op `notFinite` said something of, in the order of the launches; undefined where all is finite. */
export function firstNotFinite(looks: readonly Look[], known: KnownValues): NotFinite | undefined {
  const found = looks.find(({ said }) => said.some((count, i) => i % 3 < 2 && count > 0));
  if (!found) return undefined;
  const { call, term, isFound, said } = found;
  const { pass, values } = call;
  const column = (k: number) => [...said].filter((_, i) => i % 3 === k);
  const sum = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);
  const first = Math.min(...column(2));
  const shapedAt = (i: number) => shaped(pass, i, call.dims, known.get(values[pass.slots[i]]));
  const tensor = shapedAt(term);
  const clip = known.get(values[pass.slots[term]])?.clipOf?.(first);
  return {
    op: pass.op.name,
    pass: pass.backward ? "backward" : "forward",
    tensor,
    isInput: isFound,
    nans: sum(column(0)),
    infinities: sum(column(1)),
    first: placeIn(tensor.shape, first),
    ...(clip !== undefined && { clip }),
    inputs: pass.pass.sig.inputs.map((_, i) => shapedAt(i)),
    where: whereOf(looks, found, known),
  };
}

function shaped({ terms }: CompiledPass, i: number, dims: Record<string, number>, known?: KnownValue): Shaped {
  const { name, axes } = terms[i];
  const shape = axes.map((axis) => (axis >= "A" ? dims[axis] : Number(axis)));
  return { name, shape, ...(known && { of: known.name }) };
}

/** Along each axis. */
function placeIn(shape: readonly number[], element: number): number[] {
  const place: number[] = [];
  let rest = element;
  for (const size of shape.toReversed()) {
    place.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return place;
}

/** The parameters that the op itself reads, or whose gradients it writes; else those of the ops before and behind it. */
function whereOf(looks: readonly Look[], found: Look, known: KnownValues): string {
  const names = ({ call: { pass, values } }: Look) =>
    pass.slots.flatMap((slot) => {
      const of = known.get(values[slot]);
      return of?.isPlace ? [of.name] : [];
    });
  const own = names(found);
  if (own.length > 0) return `at ${own.join(", ")}`;
  const at = looks.indexOf(found);
  const before = looks.slice(0, at).findLast((look) => names(look).length > 0);
  const behind = looks.slice(at).find((look) => names(look).length > 0);
  const around = [before && `behind ${names(before)[0]}`, behind && `before ${names(behind)[0]}`];
  return around.filter(Boolean).join(", ") || "at no parameter";
}

/** Lines that say what was found, where, and of what. */
export function notFiniteText(found: NotFinite): string {
  const { op, pass, tensor, isInput, nans, infinities, first, clip, inputs, where } = found;
  const counts = [nans && `${nans} NaN`, infinities && `${infinities} infinite`].filter(Boolean).join(", ");
  const total = tensor.shape.reduce((a, b) => a * b, 1);
  const what = tensor.of ?? `${shapeText(tensor)}, which ${op} ${isInput ? "reads" : "writes"}`;
  return [
    `the first tensor that is not finite is ${what}`,
    `in the ${pass} pass of ${op}, ${where}`,
    `${counts} of ${total} elements, the first at [${first.join(", ")}]${clip === undefined ? "" : `, of the clip ${clip}`}`,
    `${op} reads ${inputs.map(shapeText).join(", ")}`,
  ].join("\n  ");
}

const shapeText = ({ name, shape, of }: Shaped): string => `${name} [${shape.join(", ")}]${of ? ` (${of})` : ""}`;
