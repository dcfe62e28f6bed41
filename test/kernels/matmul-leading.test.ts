// Products whose leading axes broadcast, and of vectors: values and gradients against plain sums in f64, at random shapes.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compute, ShapeError, Tape, type Tensor, tensor } from "../../engine/index.ts";
import { later } from "../../engine/record/compute.ts";
import { matmul, matmulNT, matmulTN } from "../../kernels/index.ts";
import { gaussian, near, sharedGpu, uniform } from "./derive.ts";

const gpu = await sharedGpu();

const numel = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

function drawn(shape: readonly number[], seed: number): Float64Array {
  const random = uniform(seed);
  return Float64Array.from({ length: numel(shape) }, () => Math.fround(gaussian(random)));
}

/** The index of an element, axis by axis. */
function indexOf(at: number, shape: readonly number[]): number[] {
  const index: number[] = [];
  for (const size of [...shape].reverse()) {
    index.unshift(at % size);
    at = Math.floor(at / size);
  }
  return index;
}

/** The place of an index in a tensor whose axes of 1, and missing ones, are met by all. */
const placeIn = (shape: readonly number[], index: readonly number[]): number =>
  shape.reduce((place, size, axis) => place * size + (size === 1 ? 0 : index[index.length - shape.length + axis]), 0);

interface Form {
  readonly op: (a: Tensor, b: Tensor) => Tensor;
  /** Whether a, and b, are stored transposed. */
  readonly turned: readonly [boolean, boolean];
}

const forms: Record<string, Form> = {
  matmul: { op: matmul, turned: [false, false] },
  matmulNT: { op: matmulNT, turned: [false, true] },
  matmulTN: { op: matmulTN, turned: [true, false] },
};

interface Sizes {
  readonly lead: readonly number[];
  readonly a: readonly number[];
  readonly b: readonly number[];
  readonly I: number;
  readonly J: number;
  readonly K: number;
}

/** y and the gradients of ⟨y, dy⟩, term by term. */
function reference({ turned }: Form, { lead, a: ofA, b: ofB, I, J, K }: Sizes, [a, b, dy]: readonly Float64Array[]) {
  const y = new Float64Array(numel(lead) * I * J);
  const [da, db] = [new Float64Array(a.length), new Float64Array(b.length)];
  for (let at = 0; at < y.length; at++) {
    const index = indexOf(at, [...lead, I, J]);
    const outer = index.slice(0, -2);
    const [i, j] = index.slice(-2);
    for (let k = 0; k < K; k++) {
      const left = placeIn(ofA, outer) * I * K + (turned[0] ? k * I + i : i * K + k);
      const right = placeIn(ofB, outer) * K * J + (turned[1] ? j * K + k : k * J + j);
      y[at] += a[left] * b[right];
      da[left] += dy[at] * b[right];
      db[right] += dy[at] * a[left];
    }
  }
  return { y, da, db };
}

const size = fc.constantFrom(1, 2, 3, 4, 5, 8, 9);
const sizes: fc.Arbitrary<Sizes> = fc
  .record({
    axes: fc.array(fc.record({ size: fc.constantFrom(1, 2, 3), a: fc.boolean(), b: fc.boolean() }), { maxLength: 3 }),
    missing: fc.tuple(fc.nat(3), fc.nat(3)),
    I: size,
    J: size,
    K: size,
  })
  .map(({ axes, missing, ...rest }) => {
    const a = axes.map(({ size, a }) => (a ? size : 1)).slice(Math.min(missing[0], axes.length));
    const b = axes.map(({ size, b }) => (b ? size : 1)).slice(Math.min(missing[1], axes.length));
    const rank = Math.max(a.length, b.length);
    const lead = Array.from({ length: rank }, (_, i) =>
      Math.max(a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1),
    );
    return { a, b, lead, ...rest };
  });

async function run({ op }: Form, shapes: readonly (readonly number[])[], [a, b, dy]: readonly Float64Array[]) {
  let reads: Promise<ArrayLike<number>>[];
  let shape: readonly number[];
  {
    using tape = new Tape();
    const [x, w] = [tensor(a, shapes[0]), tensor(b, shapes[1])];
    x.value.needsGrad = w.value.needsGrad = true;
    const y = op(x, w);
    shape = y.shape;
    const found = tape.vjp([y], [tensor(dy, y.shape)]);
    reads = [y, found.get(x), found.get(w)].map((each) => later(each));
  }
  const [y, da, db] = await Promise.all(reads);
  return { y, da, db, shape };
}

for (const [name, form] of Object.entries(forms))
  test(`${name} broadcasts leading axes, and sums gradients over them`, () =>
    fc.assert(
      fc.asyncProperty(sizes, fc.nat(1000), async (at, seed) => {
        const { lead, a, b, I, J, K } = at;
        const shapes = [
          [...a, ...(form.turned[0] ? [K, I] : [I, K])],
          [...b, ...(form.turned[1] ? [J, K] : [K, J])],
        ];
        const data = [drawn(shapes[0], seed), drawn(shapes[1], seed + 1), drawn([...lead, I, J], seed + 2)];
        const got = await run(form, shapes, data);
        assert.equal(got.shape, [...lead, I, J]);
        const want = reference(form, at, data);
        for (const which of ["y", "da", "db"] as const)
          near(got[which], want[which], 2e-6 * (1 + K), `${name} ${which}`);
      }),
      { numRuns: 60, seed: 2022 },
    ));

test("a vector is a row on the left and a column on the right, and its axis goes", () =>
  fc.assert(
    fc.asyncProperty(sizes, fc.constantFrom("left", "right", "both"), async ({ lead, I, J, K }, side) => {
      const [left, right] = [side !== "right", side !== "left"];
      const shapes = [left ? [K] : [...lead, I, K], right ? [K] : [...lead, K, J]];
      const at: Sizes = {
        lead: left && right ? [] : lead,
        a: left ? [] : lead,
        b: right ? [] : lead,
        I: left ? 1 : I,
        J: right ? 1 : J,
        K,
      };
      const shape = [...at.lead, ...(left ? [] : [I]), ...(right ? [] : [J])];
      const data = [drawn(shapes[0], 1), drawn(shapes[1], 2), drawn(shape, 3)];
      const got = await run(forms.matmul, shapes, data);
      assert.equal(got.shape, shape);
      const want = reference(forms.matmul, at, data);
      for (const which of ["y", "da", "db"] as const) near(got[which], want[which], 2e-6 * (1 + K), which);
    }),
    { numRuns: 40, seed: 2022 },
  ));

test("axes along which only b is repeated become rows: one launch, and no copy", async () => {
  const launches = async (a: number[], b: number[]) => {
    await compute(() => matmul(tensor(drawn(a, 1), a), tensor(drawn(b, 2), b)));
    return gpu.last.launches;
  };
  assert.is(await launches([2, 3, 4, 5], [5, 6]), 1);
  assert.is(await launches([2, 3, 4, 5], [1, 1, 5, 6]), 1);
  assert.is(await launches([2, 3, 4, 5], [2, 1, 5, 6]), 1);
  assert.is(await launches([2, 3, 4, 5], [2, 3, 5, 6]), 1);
  assert.is(await launches([4, 5], [2, 3, 5, 6]), 3); // a is written out along two axes
});

test("shapes that do not fit are refused with both, and the reason", async () => {
  const refused = async (op: (a: Tensor, b: Tensor) => Tensor, a: number[], b: number[]) => {
    const body = () => op(tensor(new Float32Array(numel(a)), a), tensor(new Float32Array(numel(b)), b));
    const error = await compute(body).then(
      () => undefined,
      (thrown: unknown) => thrown as Error,
    );
    assert.instance(error, ShapeError);
    return error!.message;
  };
  assert.match(
    await refused(matmul, [2, 3, 4], [5, 4, 6]),
    /^matmul: \[2,3,4\] and \[5,4,6\] have leading axes \[2\] and \[5\], which do not broadcast/,
  );
  assert.match(
    await refused(matmul, [2, 3, 4], [2, 5, 6]),
    /^matmul: a is \[2,3,4\] and b \[2,5,6\]; the last axis of a has 4 elements and the axis before the last of b 5/,
  );
  assert.match(await refused(matmul, [], [2, 2]), /^matmul: a is \[\] and b \[2,2\]; expected matrices or vectors/);
  assert.match(await refused(matmulTN, [4], [4, 2]), /^matmulTN: a is \[4\] and b \[4,2\]; expected at least two axes/);
  assert.match(await refused(matmulNT, [3, 4], [3, 5]), /the last axis of a has 4 elements and the last axis of b 5/);
});

test.run();
