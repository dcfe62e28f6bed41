// Kernel texts without hardware: Dawn's null backend runs the whole WGSL front end for devices this machine is not.
import { create, globals } from "webgpu";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { matchBindings } from "../../engine/declare/kernel-text.ts";
import { explain } from "../../engine/device/pipeline.ts";
import { anyType, type Dtype } from "../../engine/declare/signature.ts";
import { ops } from "../../kernels/index.ts";
import { madeUp, textsOf } from "./texts.ts";

Object.assign(globalThis, globals);
const instance = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
const adapter = (await instance.requestAdapter())!;
const requiredFeatures = ["subgroups", "subgroup-size-control", "shader-f16"] as GPUFeatureName[];
const device = await adapter.requestDevice({ requiredFeatures });
(globalThis as { nullInstance?: GPU }).nullInstance = instance;

const limits = { bindings: 10, fields: 16 };
let compiled = 0;

for (const T of anyType)
  for (const subgroup of [4, 8, 16, 32, 64])
    test(`every kernel compiles with subgroups of ${subgroup} and ${T} storage`, async () => {
      for (const op of ops) for (const software of [true, false]) await compileAll(op, subgroup, software, T);
    });

const seen = new Set<string>();

async function compileAll(op: (typeof ops)[number], subgroup: number, software: boolean, T: Dtype): Promise<void> {
  for (const { label, text, pass, variant } of textsOf(op, madeUp(subgroup, software, T === "f16"), T, true)) {
    assert.is(matchBindings(text, pass, variant).length, text.bindings.length);
    assert.ok(text.bindings.length <= limits.bindings, `${label}: ${text.bindings.length} bindings`);
    if (seen.has(text.code)) continue;
    seen.add(text.code);
    compiled++;
    device.pushErrorScope("validation");
    const module = device.createShaderModule({ code: text.code });
    const constants = variant.constants ?? {};
    device.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main", constants } });
    const error = await device.popErrorScope();
    if (error)
      assert.unreachable(await explain(module, text.code, `${label}, subgroup ${subgroup}, ${T}`, error.message));
  }
}

test("a text with a mistake is found (control)", async () => {
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code: "@compute @workgroup_size(1) fn main() { let x: u32 = 1.5; }" });
  assert.ok(await device.popErrorScope());
  assert.match(
    await explain(module, "@compute @workgroup_size(1) fn main() { let x: u32 = 1.5; }", "k", ""),
    /^k:1:\d+ /,
  );
});

test("the checks above compiled something", () => {
  console.log(`${compiled} kernel texts compiled`);
  assert.ok(compiled > ops.length);
});

test.run();
