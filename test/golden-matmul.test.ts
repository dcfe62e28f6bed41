// A linear layer against the official code's numbers.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openGpu, parameter, Tape, tensor } from "../engine/index.ts";
import { later } from "../engine/record.ts";
import { linear } from "../kernels/index.ts";
import { deviation, golden, manifest, tolerance } from "./golden.ts";

const file = "ops/linear.safetensors";
await openGpu();

test("linear: output and gradients are those of the official layer, within the fixture's tolerances", async () => {
  const fixture = golden(`emotionclip/${file}`);
  const of = (name: string) => fixture.get(name)!;
  const got: Record<string, Promise<ArrayLike<number>>> = {};
  {
    const [x, w, b] = ["x", "w", "b"].map((name) => parameter(of(name).data, of(name).shape));
    using tape = new Tape();
    const y = linear(x, w, b);
    const gradients = tape.vjp([y], [tensor(of("dy").data, of("dy").shape)]);
    for (const [name, value] of Object.entries({ y, dx: gradients.get(x), dw: gradients.get(w), db: gradients.get(b) }))
      got[name] = later(value);
  }
  for (const [name, data] of Object.entries(got)) {
    const { share, at } = deviation(await data, of(name).data, tolerance(manifest(), file, name));
    assert.ok(share <= 1, `${name}[${at}] is ${share} times its tolerance away`);
  }
});

test.run();
