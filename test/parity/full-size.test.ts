// Golden folders of full size, in small: digests instead of tensors, weights that are drawn, a checkpoint beside the files or given.
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { configFromValue } from "../../model/index.ts";
import type { Json } from "../../data/formats/json.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { golden, goldenJson, goldenPath } from "../kit/golden.ts";
import { inTemporary } from "../kit/temporary.ts";
import { drawnInputs, drawnWeight } from "./drawn.ts";
import { Folder } from "./folder.ts";
import { GoldenFiles } from "./golden-folder.ts";
import { checkFile, type Result } from "./run.ts";
import type { GoldenTensor } from "./tensor-file.ts";

await sharedGpu();
const tiny = (file: string) => golden(`emotionclip/tiny/${file}.safetensors`);

/** What PyTorch's side writes of a tensor. */
function digestOf({ shape, data }: GoldenTensor) {
  const values = Array.from(data);
  const at = [0, values.length >> 1, values.length - 1];
  const norm = Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));
  const sum = values.reduce((total, v) => total + v, 0);
  return { shape, norm, sum, max_abs: Math.max(...values.map(Math.abs)), at, values: at.map((i) => values[i]) };
}
type Digest = ReturnType<typeof digestOf>;

const tolerance = { rtol: 1e-3, atol: 1e-7, of_max: 2e-5 };
const digests = (file: string) =>
  Object.fromEntries(Array.from(tiny(file), ([name, tensor]) => [name, digestOf(tensor)])) as Record<string, Digest>;

/** The tiny model's folder with one file of digests in it. */
async function checked(file: string, content: object): Promise<Result> {
  let result: Result | undefined;
  await inTemporary(async (root) => {
    const files = new GoldenFiles(root);
    for (const name of ["config", "adamw"])
      files.json(`full/${name}.json`, goldenJson(`emotionclip/tiny/${name}.json`));
    for (const name of ["model", "inputs"]) await files.tensors(`full/${name}.safetensors`, tiny(name), undefined);
    files.json(`full/${file}`, content);
    result = await checkFile(files.folder(), `full/${file}`);
  });
  return result!;
}

test("digests of activations, gradients and a step of AdamW are compared: norm, sum, largest, elements", async () => {
  for (const from of ["forward", "grad_snce_beta10", "adamw_step1"]) {
    const file = `${from}.json`;
    const tensors = digests(from);
    const close = from === "adamw_step1" ? { rtol: 1e-5, atol: 1e-5 } : tolerance;
    const { outcome, comparisons, failures, notes } = await checked(file, { tolerance: close, tensors });
    assert.is(outcome, "pass", `${file}: ${failures.join("\n")}`);
    assert.is(comparisons, 4 * Object.keys(tensors).length, file);
    assert.equal(notes, [], file);
  }
});

test("a digest that is wrong in any figure fails with its name", async () => {
  const name = "backbone.visual.proj";
  const right = digests("grad_snce_beta10");
  const wrong: [Partial<Digest>, RegExp][] = [
    [{ norm: right[name].norm * 1.01 }, /^backbone\.visual\.proj\.norm\[0\]: got/],
    [{ sum: right[name].sum + right[name].norm / 50 }, /^backbone\.visual\.proj\.sum\[0\]/],
    [{ max_abs: right[name].max_abs * 1.01 }, /^backbone\.visual\.proj\.max_abs\[0\]/],
    [{ values: [right[name].values[0], 0, 0] }, /^backbone\.visual\.proj\.values\[[12]\]/],
    [{ at: [0, 1, 1e9] }, /^backbone\.visual\.proj: values without places inside it/],
    [{ shape: [3, 3] }, /2048 values, but the file has \[3,3\]/],
  ];
  for (const [change, message] of wrong) {
    const tensors = { ...right, [name]: { ...right[name], ...change } };
    const { outcome, failures } = await checked("grad_snce_beta10.json", { tolerance, tensors });
    assert.is(outcome, "fail", String(message));
    assert.match(failures[0], message);
  }
});

test("what a digest lacks, has besides or does not say is noted; names at the top and in other words are known", async () => {
  const { norm, at, values } = digests("grad_snce_beta10").logit_scale;
  const content = { logit_scale: { l2: norm, indices: at, samples: values, std: 0 }, other: { norm: 1 } };
  const { outcome, comparisons, notes } = await checked("grad_digest.json", content);
  assert.equal([outcome, comparisons], ["pass", 2]);
  assert.match(notes.join("\n"), /the name says no β: 10/);
  assert.match(notes.join("\n"), /no tolerance is given; as gradients/);
  assert.match(notes.join("\n"), /not compared: std/);
  assert.match(notes.join("\n"), /100 not in the file: backbone\.visual\.class_embedding, .* …/);
  assert.match(notes.join("\n"), /without a check: other/);
});

test("weights and inputs are drawn by the rule of docs/PARITY.md: as numpy draws them", () => {
  const drawn = { seed: 11, clips: 3 };
  const near = (got: Iterable<number>, want: readonly number[]) =>
    assert.equal(Array.from(got).slice(0, want.length), Array.from(Float32Array.from(want)));
  near(drawnWeight("backbone.visual.proj", [8, 6], drawn), [-0.418885171, 0.0375145301, -0.350730956, 0.166131124]);
  near(drawnWeight("backbone.ln_final.weight", [5], drawn), [0.652890265, 1.22785103, 1.29486477, 1.13814592]);
  near(drawnWeight("visual_head.fusion_layer.layers.0.linear1.bias", [4], drawn), [0.187352985, 0.309308708]);
  const config = configFromValue(goldenJson<Json>("emotionclip/tiny/config.json"), "config.json");
  const inputs = drawnInputs(
    {
      ...config,
      vision: { ...config.vision, image: 4, patch: 2 },
      text: { ...config.text, context: 8, vocabulary: 49408 },
      head: { ...config.head, frames: 2 },
    },
    drawn,
  );
  near(inputs.get("video")!.data, [-0.903116941, -0.749046206, -0.0809197053]);
  near(inputs.get("sentiment")!.data.slice(-2), [1.56284547, 2.22552943]);
  const rows = [
    [49406, 10207, 20036, 42143, 48443, 27780, 49407, 0],
    [49406, 30452, 29583, 12417, 18071, 35399, 4450, 49407],
    [49406, 31124, 44324, 24113, 21872, 17925, 25267, 13637],
  ];
  assert.equal(Array.from(inputs.get("text")!.data), rows.flat());
  const mask = Array.from(inputs.get("video_mask")!.data);
  const masks = [0, 1, 2, 3].map((n) => mask.slice(16 * n, 16 * n + 16).reduce((sum, v) => sum + v));
  assert.equal(
    masks.map((sum) => sum.toFixed(5)),
    ["0.00000", "16.00000", "6.00000", "8.97339"],
  );
});

const official = "emotionclip/checkpoints/emotionclip_official";

test("a checkpoint beside the files, or one that is given, holds the weights", async () => {
  const { config } = goldenJson<{ config: object }>(`${official}.expected.json`);
  const expected = golden(`${official}.expected.safetensors`);
  const clips = expected.get("in.text")!.shape[0];
  const inputs = new Map(["video", "video_mask", "text"].map((name) => [name, expected.get(`in.${name}`)!]));
  const features = new Map(["video_features_raw", "text_features_raw"].map((name) => [name, expected.get(name)!]));
  assert.is(features.get("text_features_raw")!.shape[0], clips);
  const given = goldenPath(`${official}.pt`);
  for (const beside of [true, false])
    await inTemporary(async (root) => {
      const files = new GoldenFiles(root);
      files.json("full/config.json", config);
      await files.tensors("full/inputs.safetensors", inputs, undefined);
      await files.tensors("full/forward.safetensors", features, { rtol: 1e-4, atol: 2e-5 });
      if (beside) files.file("full/model.pt", (path) => copyFileSync(given, path));
      files.folder();
      const folder = new Folder(root, beside ? undefined : given);
      const { outcome, comparisons, failures } = await checkFile(folder, "full/forward.safetensors");
      assert.is(outcome, "pass", failures.join("\n"));
      assert.is(comparisons, 2);
    });
  assert.throws(() => new Folder(goldenPath("emotionclip"), join("no", "where.pt")), /--weights .*: no such file/);
});

test.run();
