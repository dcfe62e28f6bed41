// save and load: what comes back, what is refused, and that a refusal changes nothing.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CheckpointError, declare, free, later, parameter, persistent, Tape, tensor } from "../../engine/index.ts";
import { linear, mean, square, sub, tanh } from "../../kernels/index.ts";
import { allocate, type Group, Init, load, named, SafetensorsFile, save } from "../../model/index.ts";
import { Muon } from "../../train/index.ts";
import { archive } from "../data/torch-files.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

const gpu = await sharedGpu();

/** A tree of every kind of tensor; `sign` tells two of them apart. */
function treeOf(sign: number) {
  const shared = parameter([sign, 2, 3], [3]);
  return {
    blocks: [{ weight: parameter([1, 2, 3, 4.5 * sign], [2, 2]) }, { weight: shared, tied: shared }],
    ids: persistent(Uint32Array.of(1, 2 ** 32 - 1)),
    steps: persistent(Int32Array.of(-7 * sign), []),
    scale: parameter([0.25 * sign], []),
    name: "ignored",
    ...(gpu.facts.f16 && { half: parameter([0.1 * sign, 65504], [2], "f16") }),
  };
}
const valuesOf = async (module: object) => {
  const found = await Promise.all(
    [...named(module)].map(async ([name, t]) => [name, Array.from(await t.data())] as const),
  );
  return Object.fromEntries(found);
};

test("a module comes back bit by bit, whatever its tensors are, and the report says what was done", () =>
  inTemporary(async (folder) => {
    const path = join(folder, "model.safetensors");
    const [from, to] = [treeOf(1), treeOf(-1)];
    const saved = await save(path, from, { metadata: { step: "120" } });
    const names = ["blocks.0.weight", "blocks.1.weight", "ids", "steps", "scale", ...(gpu.facts.f16 ? ["half"] : [])];
    assert.equal(saved.tensors, names);
    assert.is(saved.bytes, readFileSync(path).length);
    const report = await load(path, to);
    assert.equal(await valuesOf(to), await valuesOf(from));
    assert.equal(report, {
      loaded: names,
      missing: [],
      unexpected: [],
      converted: [],
      metadata: { format: "pt", step: "120" },
    });
  }));

test("f16 and bf16 files are half as large, round, and come back as float32; whole numbers stay", () =>
  inTemporary(async (folder) => {
    const path = join(folder, "half.safetensors");
    const module = () => ({ w: parameter([1 / 3, -1e-3, 40000]), ids: persistent(Uint32Array.of(70000)) });
    for (const [dtype, want] of [
      ["f16", [0.333251953125, -0.0010004043579101562, 40000]],
      ["bf16", [0.333984375, -0.00099945068359375, 39936]],
    ] as const) {
      await save(path, module(), { dtype });
      const file = await SafetensorsFile.open(path);
      assert.is(file.info("w").bytes, 6);
      await file.close();
      const to = { w: parameter([0, 0, 0]), ids: persistent(Uint32Array.of(0)) };
      assert.equal((await load(path, to)).converted, ["w"]);
      assert.equal(await valuesOf(to), { w: [...want], ids: [70000] });
    }
    const error = await refusal(save(path, { w: parameter([70000]) }, { dtype: "f16" }));
    assert.match(error.message, /half\.safetensors: "w" has 70000, and f16 ends at 65504/);
  }));

test("everything that does not fit is listed at once, and nothing is loaded", () =>
  inTemporary(async (folder) => {
    const path = join(folder, "other.safetensors");
    await save(path, {
      good: parameter([1]),
      wieght: parameter([1]),
      long: parameter([1, 2]),
      ids: parameter([3]),
      extra: parameter([1]),
    });
    const to = {
      good: parameter([9]),
      weight: parameter([9]),
      long: parameter([9]),
      ids: persistent(Uint32Array.of(9)),
    };
    const before = await valuesOf(to);
    const error = await refusal(load(path, to));
    assert.instance(error, CheckpointError);
    assert.match(
      error.message,
      /does not fit the module: 1 missing, 2 unexpected, 1 of another shape, 1 of another type; nothing was loaded/,
    );
    for (const line of [
      /missing +"weight" \(did you mean "wieght"\?\)/,
      /"extra"/,
      /"long" is \[2\] in the file, \[1\] in the module/,
      /"ids" is F32 in the file, u32/,
    ])
      assert.match(error.message, line);
    assert.equal(await valuesOf(to), before);
    const lax = await refusal(load(path, to, { strict: false })); // shapes and types have to fit in any case
    assert.match(lax.message, /does not fit the module: 1 of another shape, 1 of another type/);
    const some = { good: parameter([9]), other: parameter([8]) };
    const report = await load(path, some, { strict: false });
    assert.equal([report.loaded, report.missing], [["good"], ["other"]]);
    assert.equal(report.unexpected.toSorted(), ["extra", "ids", "long", "wieght"]);
    assert.equal(await valuesOf(some), { good: [1], other: [8] });
    assert.match(
      (await refusal(load(path, { zebra: parameter([1]) }, { strict: false }))).message,
      /none of its tensors/,
    );
  }));

test("a damaged last number leaves the module as it was", () =>
  inTemporary(async (folder) => {
    const path = join(folder, "model.safetensors");
    const module = () => ({ a: parameter([1, 2]), b: parameter([3, 4]) });
    await save(path, module());
    const bytes = readFileSync(path);
    bytes.writeFloatLE(Number.NaN, bytes.length - 4);
    writeFileSync(path, bytes);
    const to = { a: parameter([9, 9]), b: parameter([9, 9]) };
    assert.match((await refusal(load(path, to))).message, /"b" has a number that is not finite/);
    assert.equal(await valuesOf(to), { a: [9, 9], b: [9, 9] });
    writeFileSync(path, bytes.subarray(0, bytes.length - 1));
    await refusal(load(path, to));
    assert.equal(await valuesOf(to), { a: [9, 9], b: [9, 9] });
  }));

test("a refused save leaves the older file, and nothing beside it", () =>
  inTemporary(async (folder) => {
    const path = join(folder, "model.safetensors");
    await save(path, { a: parameter([1, 2]) });
    const before = readFileSync(path);
    const error = await refusal(save(path, { a: parameter([5, 6]), b: parameter([Number.NaN]) }));
    assert.match(error.message, /model\.safetensors: "b" has a number that is not finite/);
    assert.equal(readFileSync(path), before);
    assert.equal(readdirSync(folder), ["model.safetensors"]);
  }));

test("declared parameters, empty modules and other endings are refused in a sentence", () =>
  inTemporary(async (folder) => {
    const path = join(folder, "model.safetensors");
    await save(path, { w: parameter([1]) });
    const bare = { w: declare([1]), b: parameter([1]) };
    for (const work of [save(path, bare), load(path, bare)])
      assert.match(
        (await refusal(work)).message,
        /1 of 2 tensors have no memory of their own \("w"\); declared parameters get it by allocate/,
      );
    for (const work of [save(path, {}), load(path, { a: 1 })])
      assert.match((await refusal(work)).message, /the module has no tensors/);
    assert.match(
      (await refusal(save(join(folder, "model.pt"), { w: parameter([1]) }))).message,
      /only \.safetensors is written/,
    );
    assert.match(
      (await refusal(save(path, { "a.b": parameter([1]), a: { b: parameter([1]) } }))).message,
      /two tensors of the module are named "a\.b"/,
    );
    assert.match(
      (await refusal(save(path, { w: parameter([1]) }, { metadata: { step: 1 as never } }))).message,
      /metadata\.step is no text/,
    );
    assert.match(
      (await refusal(load(join(folder, "none.safetensors"), { w: parameter([1]) }))).message,
      /none\.safetensors/,
    );
  }));

test("a state dict of PyTorch loads under its names", () =>
  inTemporary(async (folder) => {
    const path = join(folder, "model.pt");
    writeFileSync(path, archive());
    const to = { a: parameter([0, 0, 0, 0]) };
    const { loaded } = await load(path, to);
    assert.equal(loaded, ["a"]);
    assert.equal(Array.from(await to.a.data()), [1, 2, 3, 4]);
    free(to.a);
  }));

/** A network in training with Muon; `frozen` tensors lie in no group. */
function learner() {
  const init = new Init(7);
  const model = {
    hidden: { weight: init.normal([6, 3], 0.5), bias: init.constant([6], 0) },
    out: { weight: init.normal([2, 6], 0.5) },
  };
  const weights = [...named(model)];
  const groups: Group[] = [
    { name: "matrices", members: weights.filter(([, { shape }]) => shape.length === 2), decay: true },
    { name: "rest", members: weights.filter(([, { shape }]) => shape.length !== 2), decay: false },
  ];
  const optimizer = new Muon(groups, allocate(groups, Muon.moments), { decay: 0.1, clip: 1 });
  init.fill();
  const update = async (step: number) => {
    const loss = (() => {
      using tape = new Tape();
      const x = tensor(
        Array.from({ length: 12 }, (_, i) => Math.sin(i * step)),
        [4, 3],
      );
      const y = linear(tanh(linear(x, model.hidden.weight, model.hidden.bias)), model.out.weight);
      const loss = mean(square(sub(y, tensor([1, 2, 3, 4, 5, 6, 7, 8], [4, 2]))));
      tape.gradients(loss);
      optimizer.step(step, { matrices: 0.02, rest: 0.01 });
      return later(loss);
    })();
    return (await loss)[0];
  };
  return { model, optimizer, update };
}

test("a run that is saved and loaded, optimiser and all, goes on with the same bits", () =>
  inTemporary(async (folder) => {
    const [weights, state] = [join(folder, "model.safetensors"), join(folder, "optimizer.safetensors")];
    const one = learner();
    for (let step = 1; step <= 3; step++) await one.update(step);
    await save(weights, one.model);
    await save(state, Object.fromEntries(one.optimizer.state()), { metadata: { step: "3" } });
    const two = learner();
    await two.update(9);
    await load(weights, two.model);
    const { metadata } = await load(state, Object.fromEntries(two.optimizer.state()));
    for (let step = Number(metadata.step) + 1; step <= 6; step++)
      assert.is(await two.update(step), await one.update(step));
    assert.equal(await valuesOf(two.model), await valuesOf(one.model));
  }));

test.run();
