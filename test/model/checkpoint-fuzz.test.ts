// Hostile headers: whatever names, shapes, formats and configurations a file has, planning to load it gives a plan whose every
// parameter has its place, or one of our errors, soon and short.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { EngineError } from "../../engine/errors.ts";
import { describe } from "../../model/families.ts";
import { planLoad } from "../../model/checkpoint/plan.ts";
import { type Content, type StoredTensor, TensorRef } from "../../data/formats/content.ts";
import { type FileDtype, itemBytes } from "../../data/formats/dtypes.ts";
import { configFromValue } from "../../model/emotionclip/official-config.ts";
import { configFromValue as readStoredConfig } from "../../model/emotionclip/official-config.ts";
import type { Json } from "../../data/formats/json.ts";
import type { WeightFile } from "../../data/formats/weights.ts";
import { golden, goldenJson } from "../kit/golden.ts";

const folder = "emotionclip/checkpoints";
const expected = goldenJson<{ config: Json }>(`${folder}/emotionclip_official.expected.json`);
const config = configFromValue(expected.config, "expected.json");
const official = new Map(
  Array.from(golden(`${folder}/emotionclip_official.expected.safetensors`))
    .filter(([name]) => name.startsWith("model."))
    .map(([name, { shape }]): [string, StoredTensor] => [name, { dtype: "F32", shape }]),
);

/** A file of these tensors, all zero. */
function fileOf(tensors: ReadonlyMap<string, StoredTensor>, metadata?: string): WeightFile {
  const content = new Map<string, Content>(Array.from(tensors.keys(), (name) => [name, new TensorRef(name)]));
  if (metadata !== undefined) content.set("__metadata__", new Map([["config", metadata]]));
  const size = (name: string) => tensors.get(name)!.shape.reduce((n, length) => n * length, 1);
  const floats = async (name: string) => {
    assert.ok(size(name) <= 2 ** 16, `${size(name)} numbers of ${name} are read to make a plan`);
    return new Float32Array(size(name));
  };
  return {
    path: "hostile.safetensors",
    format: "safetensors",
    tensors,
    content,
    floats,
    bytes: () => Promise.reject(new Error("a plan reads no large tensor")),
    chunks: () => {
      throw new Error("a plan reads no large tensor");
    },
    close: async () => {},
  };
}

const names = [...official.keys()];
const size = fc.oneof(fc.integer({ min: 0, max: 70 }), fc.constantFrom(0, 1, 2 ** 31, 2 ** 53 - 1));
const stored = fc.record({
  dtype: fc.constantFrom(...(Object.keys(itemBytes) as FileDtype[])),
  shape: fc.oneof(fc.array(size, { maxLength: 5 }), fc.constantFrom([5, 32], [1, 32], [17, 32], [], [3])),
});
const word = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom("__proto__", "constructor", "99999999999", "1e9", "-1", "", "saam_logit", "hmn_embedding", "\x1b[2J"),
);
const name = fc.oneof(
  fc.constantFrom(...names),
  fc.tuple(fc.constantFrom(...names), word).map(([base, more]) => `${base.slice(0, base.lastIndexOf(".") + 1)}${more}`),
  fc.tuple(fc.constantFrom(...names), word).map(([base, number]) => base.replace(/\.\d+\./, `.${number}.`)),
  fc.constantFrom("model.visual_head.position_ids", "model.backbone.visual.hmn_embedding", "visual.conv1.weight"),
  word,
);
const edit = fc.oneof(
  fc.record({ kind: fc.constant("set" as const), name, stored }),
  fc.record({ kind: fc.constant("drop" as const), name: fc.constantFrom(...names), stored }),
  fc.record({ kind: fc.constant("strip" as const), name: fc.constantFrom("model.", "model.backbone."), stored }),
);

type Edit = { kind: "set" | "drop" | "strip"; name: string; stored: StoredTensor };

function edited(edits: readonly Edit[]): Map<string, StoredTensor> {
  let tensors = new Map(official);
  for (const { kind, name, stored } of edits) {
    if (kind === "set") tensors.set(name, stored);
    else if (kind === "drop") tensors.delete(name);
    else tensors = new Map(Array.from(tensors, ([key, t]) => [key.startsWith(name) ? key.slice(name.length) : key, t]));
  }
  return tensors;
}

test("a plan places every parameter, or a fault is told, whatever the header says", async () => {
  let plans = 0;
  let refusals = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { maxLength: 4 }), fc.boolean(), fc.boolean(), async (edits, strict, given) => {
      const file = fileOf(edited(edits));
      describe(file); // never fails
      try {
        const options = { strict, ...(given && { config }) };
        const { model, sources, report, parameters } = await planLoad(file, options);
        for (const { name, tensor, resize, stored } of sources) {
          assert.is(parameters.get(name), tensor);
          if (!resize) assert.equal(file.tensors.get(stored)!.shape, tensor.shape);
        }
        assert.is(sources.length + report.fresh.length, parameters.size);
        assert.ok(model);
        plans++;
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        assert.is(error.exitCode, 3, error.message);
        assert.ok(error.message.startsWith("hostile.safetensors: ") && error.message.length < 4096, error.message);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not reach a terminal
        assert.not.match(error.message, /[\x00-\x09\x0b-\x1f\x7f]/);
        refusals++;
      }
    }),
    { seed: 2022, numRuns: 1000, errorWithCause: true, includeErrorInReport: true } as fc.Parameters<unknown>,
  );
  assert.ok(plans > 50 && refusals > 300, `${plans} plans, ${refusals} refusals`);
  assert.is(({} as { polluted?: unknown }).polluted, undefined);
});

const own = JSON.parse(JSON.stringify(config)) as { [key: string]: Json };
const field = fc.constantFrom(
  "embed",
  "vision",
  "text",
  "head",
  "activation",
  "subject",
  "saam",
  "sapIndicator",
  "more",
  "__proto__",
);

test("a configuration in a file is a sound one, or refused", () => {
  let refusals = 0;
  fc.assert(
    fc.property(
      field,
      fc.constantFrom("", "width", "heads", "layers", "initial", "x"),
      fc.jsonValue(),
      (key, inner, value) => {
        const json: { [key: string]: Json } = Object.assign(Object.create(null), structuredClone(own));
        const part = json[key];
        if (inner && part && typeof part === "object" && !Array.isArray(part)) part[inner] = value as Json;
        else Object.defineProperty(json, key, { value: value as Json, enumerable: true });
        try {
          readStoredConfig(json, "config.json");
        } catch (error) {
          if (!(error instanceof EngineError)) throw error;
          assert.is(error.exitCode, 3);
          assert.ok(error.message.startsWith("config.json: ") && error.message.length < 1000, error.message);
          refusals++;
        }
      },
    ),
    { seed: 2022, numRuns: 1000 },
  );
  assert.ok(refusals > 500, `${refusals} refusals`);
  assert.equal(readStoredConfig(own, "config.json"), config);
});

test.run();
