// Every op of the registry, called rightly but for one argument: tensors, position by position, and attributes, name by
// name. Each answer is one sentence of ours that names the argument, and the right call still works.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compute, op, ops, pass, persistent, Scope, tensor, type Tensor } from "../../engine/index.ts";
import type { Op } from "../../engine/declare/op.ts";
import { anyType } from "../../engine/declare/signature.ts";
import { call } from "../../engine/record/op.ts";
import { add, square, sum } from "../../kernels/index.ts";
import { casesOf, drawInputs, fullSizes, runsOn, shapeFor, sharedGpu, typeOf } from "../kernels/derive.ts";
import { answerTo, everywhere, somewhere } from "./answers.ts";

const gpu = await sharedGpu();

function lostTensor(): Tensor {
  using _scope = new Scope();
  return square(tensor([1, 2, 3, 4], [2, 2]));
}

/** Tensors that do not belong where others do: ended, of no fitting type or rank. */
function strangeTensors(dtype: string, { storage }: Op): Record<string, unknown> {
  const fitting = dtype === "T" ? storage.slice(0, storage.length < anyType.length ? undefined : 1) : [dtype];
  return {
    "a tensor of an ended scope": lostTensor(),
    "a tensor of another type": tensor(
      [1],
      [1],
      (["f32", "u32", "i32"] as const).find((type) => !fitting.includes(type)) ?? "u32",
    ),
    "a tensor of nine axes": tensor(new Float32Array(3), [1, 1, 1, 1, 1, 1, 1, 1, 3]),
  };
}

/** Leading axes may be many, and where one tensor alone has the storage type it may be any that the op takes. */
const mayFit = (what: string, { sig, storage }: Op): boolean =>
  what === "a tensor of nine axes" ||
  (what === "a tensor of another type" &&
    storage.length === anyType.length &&
    sig.inputs.filter(({ dtype }) => dtype === "T").length === 1);

const strays = { ...somewhere, ...everywhere(persistent([1])) };
/** What an attribute of each type may well be, by name of the stray. */
const mayBe: Record<string, RegExp> = {
  number: /^(-1|1\.5|Infinity|2\^31|2\^53|NaN|undefined)$/,
  string: /^(undefined)$/,
  boolean: /^(true|undefined)$/,
};

/** A right call of the op in the open scope: its tensors and attributes. */
function rightCall(which: Op) {
  const [chosen] = fc.sample(casesOf(which, 4000), { numRuns: 1, seed: 11 });
  const inputs = drawInputs(which, chosen);
  for (const [name, { along }] of Object.entries(which.chooses)) // drawn are some beyond the axis as well
    inputs[name] = inputs[name].map((number) => number % fullSizes(which, chosen)![along]);
  const tensors = which.sig.inputs.map((term) =>
    tensor(inputs[term.name], shapeFor(term, chosen.sizes), typeOf(which, term)),
  );
  return { tensors, attrs: chosen.attrs };
}

for (const which of ops.filter((each) => runsOn(each, gpu.facts)))
  test(`${which.name} refuses each wrong argument by name`, async () => {
    const faults: string[] = [];
    const refuses = async (what: string, args: (from: ReturnType<typeof rightCall>) => unknown[], isRefused = true) => {
      await gpu.idle(); // only so many segments may be on their way
      using _scope = new Scope();
      const answer = await answerTo(() => call(which, args(rightCall(which)) as Tensor[]));
      if (answer.kind === "wrong") faults.push(`${what}: ${answer.what}`);
      else if (answer.kind === "accepted" && isRefused) faults.push(`${what}: accepted`);
      else if (
        answer.kind === "refused" &&
        !answer.error.message.startsWith(which.name.replace(/^(tokens|patches)$/, ""))
      )
        if (!/^\w+: /.test(answer.error.message)) faults.push(`${what}: nobody says it: ${answer.error.message}`);
    };
    for (const [i, { name, dtype }] of which.sig.inputs.entries()) {
      const swapped = (value: unknown) => (from: ReturnType<typeof rightCall>) => [
        ...from.tensors.with(i, value as Tensor),
        from.attrs,
      ];
      for (const [what, value] of Object.entries(strays)) await refuses(`${name} is ${what}`, swapped(value));
      for (const what of ["a tensor of an ended scope", "a tensor of another type", "a tensor of nine axes"])
        await refuses(
          `${name} is ${what}`,
          (from) => swapped(strangeTensors(dtype, which)[what])(from),
          !mayFit(what, which),
        );
    }
    for (const name of Object.keys(which.attrs))
      for (const [what, value] of Object.entries(strays))
        await refuses(
          `${name} is ${what}`,
          ({ tensors, attrs }) => [...tensors, { ...attrs, [name]: value }],
          !mayBe[typeof which.attrs[name]].test(what),
        );
    await refuses("an unknown attribute", ({ tensors, attrs }) => [...tensors, { ...attrs, zorgblatt: 1 }]);
    await refuses("one argument too many", ({ tensors, attrs }) => [...tensors, attrs, true]);
    await refuses("attributes that are none", ({ tensors }) => [...tensors, 7]);
    assert.equal(faults.slice(0, 6), []);
    using _scope = new Scope();
    const { tensors, attrs } = rightCall(which);
    call(which, [...tensors, attrs]);
  });

test("an op declared wrongly is refused", async () => {
  for (const value of Object.values(strays)) {
    for (const declare of [
      () => (op as (x: unknown) => unknown)(value),
      () => (pass as (x: unknown) => unknown)(value),
    ]) {
      const { kind } = await answerTo(declare);
      assert.is(kind, "refused");
    }
  }
});

test("the GPU computes after all that", async () => {
  assert.equal(await compute(() => sum(add(tensor([1, 2]), tensor([3, 4])))), new Float32Array([10]));
});

test.run();
