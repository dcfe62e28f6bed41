// `emotionclip convert`: what goes in comes out, bit for bit or rounded as asked, and loads without flags; a fault leaves
// nothing behind.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { watchDisk } from "../../data/formats/disk.ts";
import { FormatError } from "../../engine/errors.ts";
import { fromHalf, toHalf } from "../../engine/half.ts";
import { loadModel } from "../../model/checkpoint/load.ts";
import { wordsWith } from "../../model/checkpoint/tokenizer.ts";
import { describe } from "../../model/families.ts";
import { EmotionClip } from "../../model/emotionclip/emotionclip.ts";
import { configFromValue } from "../../model/emotionclip/official-config.ts";
import { groupsOf } from "../../model/emotionclip/groups.ts";
import { Init, named } from "../../model/params.ts";
import { openWeights, type WeightFile } from "../../data/formats/weights.ts";
import { runCommand } from "../../cli/cli.ts";
import { readOfficialTraining } from "../../train/official.ts";
import { saveModel } from "../../model/checkpoint/folder.ts";
import { writeSafetensors } from "../kit/write-safetensors.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { fixture, goldenJson, goldenPath } from "../kit/golden.ts";
import { failure, refusal } from "../kit/refusal.ts";

await sharedGpu();
const root = mkdtempSync(join(tmpdir(), "emotionclip-convert-"));
test.after(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const fresh = () => mkdtempSync(join(root, `${++folders}-`));

const folder = "emotionclip/checkpoints";
const source = (name: string) => goldenPath(`${folder}/${name}`);
const official = source("emotionclip_official.pt");
const of = fixture("checkpoints/emotionclip_official.expected.safetensors");
const expected = goldenJson<{ config: Parameters<typeof configFromValue>[0] }>(
  `${folder}/emotionclip_official.expected.json`,
);
const config = configFromValue(expected.config, "expected.json");
/** The golden model's configuration as a file, for its heads cannot be told. */
const configFile = join(root, "config.json");
writeFileSync(configFile, JSON.stringify(expected.config));

/** Runs the command; what it printed. */
async function convert(...words: string[]): Promise<string> {
  const { write } = process.stdout;
  let text = "";
  process.stdout.write = ((piece: string) => (text += piece)) as never;
  try {
    await runCommand(["convert", ...words]);
  } finally {
    process.stdout.write = write;
  }
  return text;
}

async function opened<T>(path: string, body: (file: WeightFile) => Promise<T>): Promise<T> {
  const file = await openWeights(path);
  try {
    return await body(file);
  } finally {
    await file.close();
  }
}

test("words that a small model was trained with go along", async () => {
  const clip = resolve("data/stage/faces/clip.safetensors");
  const words = await opened(clip, wordsWith);
  assert.ok(words && words.length > 50);
  const out = join(fresh(), "model.safetensors");
  await convert(clip, out, "--dtype", "f32");
  assert.equal(await opened(out, wordsWith), words);
});

test("the official checkpoint becomes safetensors with the same bits, and loads without flags", async () => {
  const out = join(fresh(), "model.safetensors");
  const printed = JSON.parse(await convert(official, out, "--config", configFile, "--json"));
  assert.is(printed.kind, "EmotionCLIP checkpoint");
  assert.equal(
    printed.files.map(({ name }: { name: string }) => name),
    ["model.safetensors"],
  );
  await opened(out, async (file) => {
    assert.is(file.tensors.size, 91); // 89 parameters, logit_scale a second time, frame numbers
    for (const name of file.tensors.keys())
      if (!name.endsWith("position_ids"))
        assert.equal(await file.floats(name), of(`model.${name}`).data as Float32Array, name);
  });
  const loaded = await loadModel(out);
  assert.is(loaded.report.kind, "EmotionCLIP of this program");
  assert.equal(JSON.parse(JSON.stringify(loaded.config)), JSON.parse(JSON.stringify(config)));
  loaded.free();
});

test("a configuration of towers alone leaves the head to the checkpoint", async () => {
  const [out, towers] = [join(fresh(), "model.safetensors"), join(root, "towers.json")];
  writeFileSync(towers, JSON.stringify((expected.config as { clip: object }).clip));
  await convert(official, out, "--config", towers);
  const loaded = await loadModel(out);
  assert.equal(loaded.config.vision, config.vision);
  assert.equal(loaded.config.head, { ...config.head, heads: 8 }); // shapes do not tell the heads of the head: the official 8
  loaded.free();
});

for (const [dtype, bits, exact] of [
  ["f16", (name: string, file: WeightFile) => file.floats(name), 2 ** -11],
  ["bf16", (name: string, file: WeightFile) => file.floats(name), 2 ** -8],
] as const)
  test(`${dtype} is the nearest number of that format`, async () => {
    const out = join(fresh(), "model.safetensors");
    await convert(official, out, "--config", configFile, "--dtype", dtype);
    await opened(out, async (file) => {
      for (const [name, { dtype: stored }] of file.tensors) {
        if (name.endsWith("position_ids")) {
          assert.is(stored, "I64"); // whole numbers stay what they are
          continue;
        }
        assert.is(stored, dtype.toUpperCase());
        const want = of(`model.${name}`).data;
        for (const [i, value] of (await bits(name, file)).entries())
          assert.ok(Math.abs(value - want[i]) <= exact * Math.abs(want[i]) + 2 ** -25, `${name}[${i}]`); // half a unit in the last place
      }
    });
    (await loadModel(out)).free();
  });

test("half precision that is widened and narrowed again has the same bits", async () => {
  const [wide, narrow] = [join(fresh(), "wide.safetensors"), join(fresh(), "narrow.safetensors")];
  await convert(source("emotionclip_fp16.pt"), wide, "--config", configFile, "--dtype", "f32");
  await convert(wide, narrow, "--dtype", "f16");
  const bytes = (path: string, prefix: string) =>
    opened(path, async (file) => {
      const all: [string, Uint8Array][] = [];
      for (const name of file.tensors.keys())
        if (!name.endsWith("ids")) all.push([name.replace(prefix, ""), await file.bytes(name)]);
      return all.sort(([a], [b]) => (a < b ? -1 : 1));
    });
  assert.equal(await bytes(narrow, ""), await bytes(source("emotionclip_fp16.pt"), "model."));
});

test("shards and their index hold what one file holds", async () => {
  const [folder, out] = [fresh(), join(fresh(), "one.safetensors")];
  await convert(official, out, "--config", configFile);
  await convert(official, join(folder, "many.safetensors.index.json"), "--config", configFile, "--shard-size", "50K");
  const names = readdirSync(folder).sort();
  assert.ok(names.length > 4, names.join());
  assert.match(names.join(), /many-00001-of-0000\d\.safetensors,.*many\.safetensors\.index\.json$/);
  await opened(out, (one) =>
    opened(join(folder, "many.safetensors.index.json"), async (many) => {
      assert.equal([...many.tensors.keys()].sort(), [...one.tensors.keys()].sort());
      for (const name of one.tensors.keys()) assert.equal(await many.bytes(name), await one.bytes(name), name);
    }),
  );
  const loaded = await loadModel(join(folder, "many.safetensors.index.json"));
  assert.equal(JSON.parse(JSON.stringify(loaded.config)), JSON.parse(JSON.stringify(config)));
  loaded.free();
});

test("--part all keeps the training state", async () => {
  const out = join(fresh(), "all.safetensors");
  await convert(official, out, "--config", configFile, "--part", "all");
  const groups = groupsOf(named(new EmotionClip(config, new Init(0))));
  const before = await opened(official, (file) => readOfficialTraining(file, groups));
  await opened(out, async (file) => {
    assert.equal(await readOfficialTraining(file, groups), before);
    const { exp_avg } = before.moments.get("logit_scale")!;
    assert.equal(await file.floats(exp_avg), of("optim.exp_avg.logit_scale").data as Float32Array);
    assert.not.ok(
      [...file.tensors.keys()].some((name) => name.startsWith("lr_scheduler")),
      "parameters come once",
    );
  });
  const loaded = await loadModel(out);
  assert.equal(await loaded.model.logit_scale.data(), of("model.logit_scale").data as Float32Array);
  loaded.free();
});

test("backbones stay backbones, with the configuration beside them", async () => {
  const out = join(fresh(), "openai.safetensors");
  await convert(source("openai_clip.pth"), out);
  await opened(out, async (file) => {
    const { kind, config } = describe(file);
    assert.is(kind, "OpenCLIP backbone");
    assert.is(config?.activation, "quickGelu");
    assert.ok(file.tensors.has("visual.conv1.weight") && !file.tensors.has("input_resolution"));
  });
  const loaded = await loadModel(out);
  assert.is(loaded.config.vision.heads, 2);
  assert.ok(loaded.report.fresh.every((name) => name.startsWith("visual_head.")));
  loaded.free();
});

test("--image resizes the positions once and for all", async () => {
  const out = join(fresh(), "resized.safetensors");
  const printed = JSON.parse(await convert(official, out, "--config", configFile, "--image", "40", "--json"));
  assert.equal(printed.resized, { from: 2, to: 5 });
  const loaded = await loadModel(out);
  assert.is(loaded.report.resized, undefined);
  assert.is(loaded.config.vision.image, 40);
  const [now, direct] = [
    loaded,
    await loadModel(official, { config: { ...config, vision: { ...config.vision, image: 40 } } }),
  ];
  const table = ({ model }: typeof now) => model.backbone.visual.positional_embedding.data();
  assert.equal(await table(now), await table(direct));
  now.free();
  direct.free();
});

test("a file that is no model goes as it is with --part all, and is refused without", async () => {
  const out = join(fresh(), "zoo.safetensors");
  const error = await refusal(convert(source("zoo.pt"), out));
  assert.match(error.message, /no model of CLIP, EmotionCLIP or EmoCLIP: .*--part all/);
  await convert(source("zoo.pt"), out, "--part", "all");
  await opened(out, (after) =>
    opened(source("zoo.pt"), async (before) => {
      assert.equal([...after.tensors.keys()].sort(), [...before.tensors.keys()].sort());
      for (const name of before.tensors.keys()) assert.equal(await after.bytes(name), await before.bytes(name), name);
    }),
  );
});

test("a model that lacks what tells its sizes is refused, and goes without a configuration with --no-strict", async () => {
  const out = join(fresh(), "cut.safetensors");
  const path = join(fresh(), "cut.safetensors");
  await writeSafetensors(path, [{ name: "visual.proj", dtype: "F32", shape: [2, 2], bytes: () => new Uint8Array(16) }]);
  const error = await refusal(convert(path, out));
  assert.match(error.message, /^cut\.safetensors: no backbone\.visual\.conv1\.weight, which tells the model's sizes/);
  assert.match(await convert(path, out, "--no-strict"), /OpenCLIP backbone: 1 tensors/);
});

test("a model whose heads nobody told is converted with a remark", async () => {
  const out = join(fresh(), "open.safetensors");
  assert.match(await convert(official, out), /note: shapes do not tell vision\.heads .* no configuration/);
  const error = await refusal(convert(official, out, "--image", "40"));
  assert.match(error.message, /shapes do not tell/);
});

/** One parameter of the official model changed to `value`, as a file. */
async function spoilt(value: number): Promise<string> {
  const path = join(fresh(), "spoilt.safetensors");
  await opened(official, async (file) => {
    const entries = [...file.tensors].filter(([name]) => name.startsWith("model."));
    const last = entries.at(-1)![0];
    await writeSafetensors(
      path,
      entries.map(([name, { dtype, shape }]) => ({
        name: name.slice("model.".length),
        dtype,
        shape,
        bytes: async () => {
          const bytes = await file.bytes(name);
          if (name === last) new DataView(bytes.buffer, bytes.byteOffset).setFloat32(0, value, true);
          return bytes;
        },
      })),
    );
  });
  return path;
}

test("a number that is not finite, or not in the format, is refused and leaves nothing", async () => {
  const folder = fresh();
  const out = join(folder, "model.safetensors");
  const nan = await refusal(convert(await spoilt(Number.NaN), out, "--config", configFile));
  assert.instance(nan, FormatError);
  assert.match(nan.message, /^spoilt\.safetensors: ".*" has a number that is not finite/);
  const large = await refusal(convert(await spoilt(1e6), out, "--config", configFile, "--dtype", "f16"));
  assert.match(large.message, /has 1000000, and f16 ends at 65504; use bf16/);
  const huge = await refusal(convert(await spoilt(3.4e38), out, "--config", configFile, "--dtype", "bf16"));
  assert.match(huge.message, /bf16 ends at 3\.39e38/);
  assert.equal(readdirSync(folder), []);
  await convert(await spoilt(65504), out, "--config", configFile, "--dtype", "f16");
  assert.equal(readdirSync(folder), ["model.safetensors"]);
});

test("a fault of the disk at any call leaves nothing, not even the folders made for the result", async () => {
  for (let nth = 1; ; nth++) {
    const folder = fresh();
    const made = join(folder, "new", "shards");
    let calls = 0;
    const unwatch = watchDisk(({ op }) => {
      if (op !== "remove" && ++calls === nth) throw Object.assign(new Error("EIO: i/o error"), { code: "EIO" });
      return undefined;
    });
    const words = [official, join(made, "model.safetensors"), "--config", configFile, "--shard-size", "90K"];
    const error = await convert(...words).then(
      () => undefined,
      (reason) => reason,
    );
    unwatch();
    if (!error) {
      assert.ok(nth > 10, `${nth} calls`);
      assert.ok(readdirSync(made).includes("model.safetensors.index.json"));
      return;
    }
    assert.is(error.exitCode, 6, `call ${nth}: ${error}`);
    assert.equal(readdirSync(folder), [], `call ${nth}`);
  }
});

test("wrong words are refused before anything is read", async () => {
  const folder = fresh();
  const refusals: [string[], RegExp][] = [
    [[official, join(folder, "x.pt")], /x\.pt: only \.safetensors is written/],
    [[official, join(folder, ".safetensors")], /only \.safetensors is written/],
    [[official, join(folder, "x.safetensors.index.json")], /goes with --shard-size/],
    [[official, folder], /only \.safetensors/],
    [[official, join(folder, "x.safetensors"), "--image", "1e3"], /--image: "1e3"/],
    [[official, join(folder, "x.safetensors"), "--shard-size", "big"], /--shard-size: "big"/],
    [[official, join(folder, "x.safetensors"), "--dtype", "f8"], /f8/],
    [[official, join(folder, "x.safetensors"), "--config", "ViT-B-33"], /did you mean ViT-B-32/],
    [[join(folder, "none.pt"), join(folder, "x.safetensors")], /none\.pt/],
    [[join(folder, "a.safetensors"), join(folder, "a.safetensors")], /would take the place of what is read/],
  ];
  for (const [words, message] of refusals)
    assert.match((await failure(convert(...words), words.join(" "))).message, message);
  assert.equal(readdirSync(folder), []);
});

test("a checkpoint of a run becomes one file with its configuration", async () => {
  const run = fresh();
  const out = join(fresh(), "run.safetensors");
  await opened(official, (file) =>
    saveModel(
      join(run, "checkpoint.safetensors"),
      Array.from(named(new EmotionClip(config, new Init(0))), ([name, { shape }]) => ({
        name,
        dtype: "F32" as const,
        shape,
        bytes: () => file.bytes(`model.${name}`),
      })),
      { config: JSON.stringify(config) },
    ),
  );
  await convert(run, out, "--dtype", "f16");
  const loaded = await loadModel(out);
  const [scale] = await loaded.model.logit_scale.data();
  assert.is(scale, fromHalf(toHalf(of("model.logit_scale").data[0])));
  loaded.free();
});

test.run();
