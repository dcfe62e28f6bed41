// What moves elements, at random shapes, axes and types: each result is said as the place that every element comes from, and from that
// follow values and gradients.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compute, type Dtype, later, ShapeError, Tape, type Tensor, tensor } from "../../engine/index.ts";
import {
  chunk,
  concat,
  embedding,
  flip,
  gather,
  indexSelect,
  mul,
  pad,
  permute,
  roll,
  slice,
  split,
  squeeze,
  stack,
  sum,
  tile,
  tril,
  triu,
  unsqueeze,
} from "../../kernels/index.ts";
import { sharedGpu, uniform } from "./derive.ts";

const gpu = await sharedGpu();
const types: readonly Dtype[] = ["f32", "u32", "i32", ...(gpu.facts.f16 ? (["f16"] as const) : [])];

type Shape = readonly number[];

const numel = (shape: Shape): number => shape.reduce((a, b) => a * b, 1);

/** The coordinates of element i, row-major, and back. */
function coordinates(shape: Shape, i: number): number[] {
  const at: number[] = [];
  for (const size of shape.toReversed()) {
    at.unshift(i % size);
    i = Math.floor(i / size);
  }
  return at;
}
const placeOf = (shape: Shape, at: Shape): number => at.reduce((place, a, i) => place * shape[i] + a, 0);

/** A result: its shape, and for every element the place in x that it comes from, or undefined where it is new. */
interface Result {
  readonly shape: Shape;
  readonly from: (at: Shape) => number | undefined;
}

/** Holds at random shapes: `of` computes what `result` says of a tensor with elements 1, 2, 3 …; `fresh` is what is new. */
function moves<C>(
  sentence: string,
  cases: (shape: Shape) => fc.Arbitrary<C>,
  of: (x: Tensor<Dtype>, c: C) => Tensor<Dtype> | Tensor<Dtype>[],
  results: (shape: Shape, c: C) => Result | Result[],
  { leastRank = 0, fresh = () => 0 }: { leastRank?: number; fresh?: (c: C) => number } = {},
): void {
  const shapes = fc.array(fc.constantFrom(1, 2, 3, 4, 5, 8), { minLength: leastRank, maxLength: 4 });
  const drawn = shapes
    .filter((shape) => numel(shape) <= 600)
    .chain((shape) => fc.record({ shape: fc.constant(shape), c: cases(shape), dtype: fc.constantFrom(...types) }));
  test(sentence, () =>
    fc.assert(
      fc.asyncProperty(drawn, async ({ shape, c, dtype }) => {
        const elements = Float64Array.from({ length: numel(shape) }, (_, i) => i + 1);
        const want = [results(shape, c)].flat();
        const random = uniform(7);
        const slopes = want.map((each) =>
          Float64Array.from({ length: numel(each.shape) }, () => Math.floor(9 * random())),
        );
        const { values, gradient } = await run((x) => [of(x, c)].flat(), tensorOf(elements, shape, dtype), slopes);
        const dx = new Float64Array(elements.length);
        assert.is(values.length, want.length, "number of tensors");
        for (const [k, each] of want.entries()) {
          assert.equal(values[k].shape, [...each.shape], `shape of ${k}`);
          const sources = Array.from({ length: numel(each.shape) }, (_, i) => each.from(coordinates(each.shape, i)));
          assert.equal(
            values[k].elements,
            sources.map((source) => (source === undefined ? fresh(c) : elements[source])),
            `elements of ${k}`,
          );
          for (const [i, source] of sources.entries()) if (source !== undefined) dx[source] += slopes[k][i];
        }
        if (gradient) assert.equal(gradient, [...dx], "gradient");
      }),
      { numRuns: 40, seed: 2022, includeErrorInReport: true },
    ),
  );
}

const tensorOf = (elements: Float64Array, shape: Shape, dtype: Dtype) => () => tensor(elements, shape, dtype);

/** Elements of the results, and the gradient of ⟨results, slopes⟩ where the type has one. */
async function run(
  of: (x: Tensor<Dtype>) => Tensor<Dtype>[],
  make: () => Tensor<Dtype>,
  slopes: readonly Float64Array[],
) {
  let ys: Tensor<Dtype>[];
  let reads: Promise<ArrayLike<number>>[];
  let dx: Promise<ArrayLike<number>> | undefined;
  {
    using tape = new Tape();
    const x = make();
    const hasSlope = x.dtype === "f32" || x.dtype === "f16";
    if (hasSlope) tape.watch(x as Tensor);
    ys = of(x);
    reads = ys.map((y) => later(y));
    const upstream = ys.map((y, k) => tensor(slopes[k], y.shape, y.dtype));
    if (hasSlope && ys.some((y) => y.value.needsGrad))
      dx = later(tape.vjp(ys as Tensor[], upstream as Tensor[]).get(x as Tensor));
  }
  const values = await Promise.all(
    ys.map(async (y, k) => ({ shape: [...y.shape], elements: [...Array.from(await reads[k])] })),
  );
  return { values, gradient: dx && [...Array.from(await dx)] };
}

/** An axis of a shape, from the front or from the end, and the same from the front. */
const axisIn = (rank: number) => fc.integer({ min: -rank, max: rank - 1 });
const front = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
const someAxes = (shape: Shape) =>
  fc.uniqueArray(axisIn(shape.length), {
    selector: (axis) => front(axis, shape.length),
    minLength: 1,
    maxLength: shape.length,
  });

moves(
  "stack puts copies beside each other along a new axis",
  (shape) => fc.record({ count: fc.integer({ min: 1, max: 9 }), axis: axisIn(shape.length + 1) }),
  (x, { count, axis }) => stack(new Array<Tensor<Dtype>>(count).fill(x), axis),
  (shape, { count, axis }) => {
    const at = front(axis, shape.length + 1);
    return { shape: shape.toSpliced(at, 0, count), from: (place) => placeOf(shape, place.toSpliced(at, 1)) };
  },
);

moves(
  "concat joins any number of pieces, in their order",
  (shape) =>
    fc.record({
      axis: axisIn(shape.length),
      cuts: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 20 }),
    }),
  (x, { axis, cuts }) => {
    const n = x.shape[front(axis, x.shape.length)];
    return concat(
      cuts.map((length, i) => slice(x, i % n, Math.min(n, (i % n) + length), axis)),
      axis,
    );
  },
  (shape, { axis, cuts }) => {
    const at = front(axis, shape.length);
    const n = shape[at];
    const order = cuts.flatMap((length, i) =>
      Array.from({ length: Math.min(n, (i % n) + length) - (i % n) }, (_, k) => (i % n) + k),
    );
    return { shape: shape.with(at, order.length), from: (place) => placeOf(shape, place.with(at, order[place[at]])) };
  },
  { leastRank: 1 },
);

/** The pieces of an axis as results. */
function piecesOf(shape: Shape, axis: number, sizes: readonly number[]): Result[] {
  const at = front(axis, shape.length);
  return sizes.map((size, k) => {
    const start = sizes.slice(0, k).reduce((a, b) => a + b, 0);
    return { shape: shape.with(at, size), from: (place) => placeOf(shape, place.with(at, start + place[at])) };
  });
}

/** Sizes that fill an axis, drawn from its divisions. */
const partition = (n: number, random: readonly boolean[]): number[] => {
  const sizes = [1];
  for (let i = 1; i < n; i++)
    if (random[i % random.length]) sizes.push(1);
    else sizes[sizes.length - 1]++;
  return sizes;
};

moves(
  "split cuts an axis into pieces of the sizes given",
  (shape) => fc.record({ axis: axisIn(shape.length), cuts: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }) }),
  (x, { axis, cuts }) => split(x, partition(x.shape[front(axis, x.shape.length)], cuts), axis),
  (shape, { axis, cuts }) => piecesOf(shape, axis, partition(shape[front(axis, shape.length)], cuts)),
  { leastRank: 1 },
);

const evenly = (n: number, size: number) =>
  partition(
    n,
    Array.from({ length: n }, (_, i) => i % size === 0),
  );

moves(
  "split with one size leaves the rest to the last piece, and chunk divides so that there are at most as many",
  (shape) => fc.record({ axis: axisIn(shape.length), size: fc.integer({ min: 1, max: 6 }), isChunk: fc.boolean() }),
  (x, { axis, size, isChunk }) => (isChunk ? chunk : split)(x, size, axis),
  (shape, { axis, size, isChunk }) => {
    const n = shape[front(axis, shape.length)];
    return piecesOf(shape, axis, evenly(n, isChunk ? Math.ceil(n / size) : size));
  },
  { leastRank: 1 },
);

moves(
  "unsqueeze and squeeze change nothing but the shape",
  (shape) => axisIn(shape.length + 1),
  (x, axis) => [unsqueeze(x, axis), squeeze(unsqueeze(x, axis), axis), squeeze(x)],
  (shape, axis) => {
    const longer = shape.toSpliced(front(axis, shape.length + 1), 0, 1);
    const bare = shape.filter((size) => size > 1);
    return [longer, shape, bare].map((each) => ({ shape: each, from: (place) => placeOf(each, place) }));
  },
);

moves(
  "pad puts a value before and behind each axis",
  (shape) =>
    fc.record({
      widths: fc.tuple(...shape.map(() => fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 2 })))),
      value: fc.constantFrom(0, 7),
    }),
  (x, { widths, value }) => pad(x, widths, value === 0 ? undefined : { value }),
  (shape, { widths }) => ({
    shape: shape.map((size, i) => widths[i][0] + size + widths[i][1]),
    from(place) {
      const at = place.map((a, i) => a - widths[i][0]);
      return at.every((a, i) => a >= 0 && a < shape[i]) ? placeOf(shape, at) : undefined;
    },
  }),
  { fresh: ({ value }) => value },
);

moves(
  "flip reverses the axes given, and no others",
  someAxes,
  (x, axes) => flip(x, axes),
  (shape, axes) => {
    const turned = new Set(axes.map((axis) => front(axis, shape.length)));
    return {
      shape,
      from: (place) =>
        placeOf(
          shape,
          place.map((a, i) => (turned.has(i) ? shape[i] - 1 - a : a)),
        ),
    };
  },
  { leastRank: 1 },
);

moves(
  "roll moves elements on along an axis, and round its end",
  (shape) => fc.record({ axis: axisIn(shape.length), shift: fc.integer({ min: -12, max: 12 }) }),
  (x, { axis, shift }) => [roll(x, shift, axis), roll(x, shift)],
  (shape, { axis, shift }) => {
    const at = front(axis, shape.length);
    const round = (a: number, n: number) => (((a - shift) % n) + n) % n;
    return [
      { shape, from: (place) => placeOf(shape, place.with(at, round(place[at], shape[at]))) },
      { shape, from: (place) => round(placeOf(shape, place), numel(shape)) },
    ];
  },
  { leastRank: 1 },
);

moves(
  "tile repeats the whole along each axis, and along new ones in front",
  (shape) =>
    fc.record({
      times: fc.tuple(...shape.map(() => fc.integer({ min: 1, max: 3 }))),
      more: fc.array(fc.integer({ min: 1, max: 2 }), { maxLength: 2 }),
    }),
  (x, { times, more }) => tile(x, [...more, ...times]),
  (shape, { times, more }) => ({
    shape: [...more, ...shape.map((size, i) => size * times[i])],
    from: (place) =>
      placeOf(
        shape,
        place.slice(more.length).map((a, i) => a % shape[i]),
      ),
  }),
);

moves(
  "tril keeps what is left of a diagonal of each matrix, triu what is right of it",
  () => fc.integer({ min: -6, max: 6 }),
  (x, diagonal) => [tril(x, diagonal), triu(x, diagonal), tril(x), triu(x)],
  (shape, diagonal) => {
    const side = (place: Shape) => place.at(-1)! - place.at(-2)!;
    const where = (holds: (right: number) => boolean): Result => ({
      shape,
      from: (place) => (holds(side(place)) ? placeOf(shape, place) : undefined),
    });
    return [
      where((right) => right <= diagonal),
      where((right) => right >= diagonal),
      where((r) => r <= 0),
      where((r) => r >= 0),
    ];
  },
  { leastRank: 2 },
);

moves(
  "indexSelect takes places of an axis, as often as they are named",
  (shape) =>
    fc.record({
      axis: axisIn(shape.length),
      picks: fc.array(fc.nat(), { minLength: 1, maxLength: 12 }),
      isTensor: fc.boolean(),
    }),
  (x, { axis, picks, isTensor }) => {
    const ids = picks.map((pick) => pick % x.shape[front(axis, x.shape.length)]);
    return indexSelect(x, axis, isTensor ? tensor(Uint32Array.from(ids)) : ids);
  },
  (shape, { axis, picks }) => {
    const at = front(axis, shape.length);
    return {
      shape: shape.with(at, picks.length),
      from: (place) => placeOf(shape, place.with(at, picks[place[at]] % shape[at])),
    };
  },
  { leastRank: 1 },
);

moves(
  "permute takes axes in another order",
  (shape) => fc.shuffledSubarray([...shape.keys()], { minLength: shape.length, maxLength: shape.length }),
  (x, order) => permute(x, order),
  (shape, order) => ({
    shape: order.map((axis) => shape[axis]),
    from: (place) =>
      placeOf(
        shape,
        [...shape.keys()].map((axis) => place[order.indexOf(axis)]),
      ),
  }),
);

test("what lies outside a triangle, or round a padded tensor, may be infinite, and so may the value", async () => {
  const masked = await compute(() => triu(tensor([1, 2, Number.NaN, Infinity], [2, 2]), 0));
  assert.equal([...masked], [1, 2, 0, Infinity]);
  assert.equal([...(await compute(() => pad(tensor([1]), [[1, 1]], { value: -Infinity })))], [-Infinity, 1, -Infinity]);
});

test("integers keep all their bits when they are moved, and an id beyond gives 0 of them", async () => {
  const large = Uint32Array.of(2 ** 32 - 1, 2 ** 31 + 1, 2 ** 24 + 1, 0x7fc00001);
  const all = (f: (x: Tensor<"u32">) => Tensor<"u32">) => compute(() => f(tensor(large, [2, 2])));
  assert.equal(await all((x) => concat([x, x], 1)), Uint32Array.of(...[0, 1, 0, 1, 2, 3, 2, 3].map((i) => large[i])));
  assert.equal(await all((x) => flip(x, [0, 1])), large.toReversed());
  assert.equal(await all((x) => gather(x, 1, unsqueeze(computed(1, 9), 1))), Uint32Array.of(large[1], 0));
  assert.equal(await all((x) => embedding(x, computed(1, 9))), Uint32Array.of(large[2], large[3], 0, 0));
  assert.equal(await all((x) => indexSelect(x, 0, computed(1, 9))), Uint32Array.of(large[2], large[3], 0, 0));
});

/** The same numbers, computed: what the host would refuse is met on the device. */
const computed = (...ids: number[]): Tensor<"u32"> => roll(tensor(Uint32Array.from(ids)), ids.length);

test("the gradient of indexSelect adds thousands of equal ids without loss, the same bits in every run", async () => {
  const n = 1 << 15;
  const once = async () => {
    using tape = new Tape();
    const x = tensor(new Float32Array(12), [2, 3, 2]);
    tape.watch(x);
    const y = indexSelect(
      x,
      1,
      Uint32Array.from({ length: n }, (_, i) => (i % 4 === 0 ? 2 : 0)),
    );
    const dy = tensor(new Float32Array(2 * n * 2).fill(1.23456), [2, n, 2]);
    return [
      ...(await tape
        .gradients(sum(mul(y, dy)))
        .get(x)
        .data()),
    ];
  };
  const [first, second] = [await once(), await once()];
  assert.equal(first, second);
  const one = Math.fround(1.23456);
  for (const b of [0, 1])
    for (const [v, count] of [
      [0, (3 * n) / 4],
      [1, 0],
      [2, n / 4],
    ] as const)
      for (const d of [0, 1]) {
        const got = first[(b * 3 + v) * 2 + d];
        assert.ok(Math.abs(got - one * count) <= 1e-6 * one * count, `[${b}, ${v}, ${d}]: ${got}`);
      }
});

const refusals: readonly [what: string, call: () => unknown, message: RegExp][] = [
  ["stack of nothing", () => stack([]), /^stack: no tensors/],
  ["stack of shapes that differ", () => stack([tensor([1, 2]), tensor([1])]), /^stack: \[2\] and \[1\] differ/],
  ["stack beyond the axes", () => stack([tensor([1, 2])], 3), /^stack: \[2\] with one more axis has no axis 3/],
  [
    "concat of types that differ",
    () => concat<Dtype>([tensor([1]), tensor(Uint32Array.of(1))]),
    /^concat: f32 and u32 do not join; cast\(x, "f32"\)/,
  ],
  [
    "concat of shapes that differ",
    () => concat([tensor([1, 2], [1, 2]), tensor([1])]),
    /^concat: \[1,2\] and \[1\] differ beside axis 0/,
  ],
  [
    "split that does not add up",
    () => split(tensor([1, 2, 3]), [1, 1]),
    /^split: pieces of 1, 1 have 2 in all, but axis 0 of \[3\] has 3/,
  ],
  ["split of no pieces", () => split(tensor([1, 2, 3]), []), /^split: pieces of no size have 0 in all/],
  ["chunk of a scalar", () => chunk(tensor([1], []), 2), /^chunk: \[\] has no axis 0/],
  ["squeeze of a long axis", () => squeeze(tensor([1, 2], [1, 2]), 1), /^squeeze: axis 1 of \[1,2\] has length 2/],
  ["unsqueeze beyond", () => unsqueeze(tensor([1, 2]), -3), /^unsqueeze: \[2\] with one more axis has no axis -3/],
  [
    "pad for other axes",
    () =>
      pad(tensor([1, 2]), [
        [1, 1],
        [0, 0],
      ]),
    /^pad: widths are \[\[1,1\],\[0,0\]\]; expected a pair/,
  ],
  ["pad with less than nothing", () => pad(tensor([1, 2]), [[-1, 0]]), /^pad: widths\[0\]\[0\] is -1/],
  [
    "pad with what no integer is",
    () => pad(tensor(Uint32Array.of(1)), [[1, 0]], { value: 0.5 }),
    /^pad: value is 0\.5; u32 holds/,
  ],
  [
    "flip of one axis twice",
    () => flip(tensor([1, 2]), [0, -1]),
    /^flip: axis is \[0,-1\], which names axis 0 of \[2\] twice/,
  ],
  ["flip of no such axis", () => flip(tensor([1, 2]), 1), /^flip: \[2\] has no axis 1/],
  [
    "tile of fewer axes",
    () => tile(tensor([1, 2], [1, 2]), [2]),
    /^tile: times are \[2\]; expected a number for each of the 2 axes/,
  ],
  ["tril of a row", () => tril(tensor([1, 2])), /^tril: \[2\] is no matrix/],
  [
    "indexSelect beyond",
    () => indexSelect(tensor([1, 2]), 0, [0, 2]),
    /^indexSelect: ids\[1\] is 2, which is no place along the axis/,
  ],
  [
    "indexSelect from behind",
    () => indexSelect(tensor([1, 2]), 0, [-1]),
    /^indexSelect: ids\[0\] is -1, which is no place/,
  ],
  [
    "indexSelect by a matrix",
    () => indexSelect(tensor([1, 2]), 0, tensor(Uint32Array.of(0), [1, 1])),
    /^indexSelect: ids are \[1,1\]; expected one axis/,
  ],
];

for (const [what, call, message] of refusals)
  test(`${what} is refused with a sentence`, async () => {
    const error = (await compute(call as never).catch((thrown: Error) => thrown)) as Error;
    assert.instance(error, ShapeError);
    assert.match(error.message, message);
  });

test.run();
