// `emotionclip inspect`: what it says of a file is so, and of a bad one it says only why.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SafetensorsEntry } from "../../data/formats/safetensors.ts";
import { loadCheckpoint, saveCheckpoint } from "../../model/checkpoint/folder.ts";
import { writeSafetensors } from "../kit/write-safetensors.ts";
import { inspectModel } from "../../cli/commands/inspect.ts";
import { pageOf } from "../../cli/pages/inspect-page.ts";
import { goldenPath } from "../kit/golden.ts";
import { type Outcome, runProgram } from "../run/program.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";
import {
  dict,
  float,
  global,
  int,
  list,
  NEWOBJ,
  pickle,
  REDUCE,
  storage,
  tensor,
  text,
  torchEntries,
  tuple,
  zip,
} from "../data/torch-files.ts";

const LAUNCHER = join("cli", "launch", "launch.mjs");
const CLI = join("dist", "cli.js");
const fixture = (name: string) => goldenPath(`emotionclip/checkpoints/${name}`);
const floats = (name: string, ...values: number[]): SafetensorsEntry => ({
  name,
  dtype: "F32",
  shape: [values.length],
  bytes: () => new Uint8Array(Float32Array.from(values).buffer),
});

test("names, shapes, dtypes, counts and norms are those of the file", async () => {
  const found = await inspectModel(fixture("zoo.pt"));
  const rows = new Map(found.tensors.map((row) => [row.name, row]));
  assert.equal([found.file, found.format, found.kind, found.tensors.length], ["zoo.pt", "pytorch", "unknown", 17]);
  assert.equal(rows.get("i16"), { name: "i16", dtype: "I16", shape: [2], norm: Math.sqrt(2 * 300 ** 2), nonFinite: 0 });
  assert.equal(
    rows.get("transposed")?.norm,
    Math.sqrt(Array.from({ length: 24 }, (_, i) => i * i).reduce((a, b) => a + b)),
  );
  assert.equal(rows.get("empty")?.norm, 0);
  assert.is(
    found.elements,
    found.tensors.reduce((n, { shape }) => n + shape.reduce((a, b) => a * b, 1), 0),
  );
});

test("each golden checkpoint is recognised", async () => {
  const kinds = {
    "emotionclip_official.pt": ["EmotionCLIP checkpoint", "pytorch"],
    "emotionclip_legacy.pt": ["EmotionCLIP checkpoint", "pytorch legacy"],
    "emotionclip_fp16.pt": ["EmotionCLIP checkpoint", "pytorch"],
    "openclip_backbone.pth": ["OpenCLIP backbone", "pytorch"],
    "openclip_training.pt": ["OpenCLIP training checkpoint", "pytorch"],
    "openai_clip.pth": ["OpenAI CLIP", "pytorch"],
  };
  for (const [name, want] of Object.entries(kinds)) {
    const { kind, format } = await inspectModel(fixture(name), { norms: false });
    assert.equal([kind, format], want, name);
  }
});

test("the page is a table of all tensors and a short tree of the rest", async () => {
  const page = pageOf(await inspectModel(fixture("emotionclip_official.pt")));
  assert.match(page, /^emotionclip_official\.pt: EmotionCLIP checkpoint, pytorch\n447 tensors, /);
  assert.match(page, /^model\.backbone\.visual\.conv1\.weight +F32 +\[32, 3, 8, 8\] +6\.24075$/m);
  assert.match(page, /^ {4}device {2}"cuda:0"$/m);
  assert.match(page, /^ {2}model {2}<91 tensors>$/m);
  assert.ok(page.length < 80_000);
  const [heads] = /^ {2}vision: .*heads \S+/m.exec(page)!;
  assert.match(heads, /, heads \?/); // 32 is no multiple of 64
});

test("numbers that are not finite are counted and their tensors named; the norm is of the others", async () => {
  await inTemporary(async (folder) => {
    const path = join(folder, "sick.safetensors");
    await writeSafetensors(path, [floats("fine", 3, 4), floats("sick", Number.NaN, 3, Number.POSITIVE_INFINITY, 4)]);
    const found = await inspectModel(path);
    assert.equal(found.nonFinite, ["sick"]);
    assert.equal(
      found.tensors.find(({ name }) => name === "sick"),
      { name: "sick", dtype: "F32", shape: [4], norm: 5, nonFinite: 2 },
    );
    assert.match(pageOf(found), /^Not finite: 1 tensors hold NaN or infinity: sick$/m);
    assert.not.match(pageOf(await inspectModel(fixture("zoo.pt"))), /Not finite/);
  });
});

test("names and texts from the file cannot steer a terminal, and JSON stays JSON", async () => {
  const bytes = zip(
    torchEntries({
      pickle: pickle(
        dict(
          [text("\x1b[2J\u202e"), tensor(storage("0"), [4], [1])],
          [text("note"), text("\x1b]0;owned\x07\n")],
          [text("__proto__"), dict([text("polluted"), int(1)])],
          [text("rate"), float(Number.NaN)],
          [text("options"), [global("argparse", "Namespace"), ")", NEWOBJ, dict([text("lr"), float(0.5)]), "b"]],
          [text("deep"), ["]".repeat(50), "a".repeat(49)]],
          [text("long"), list(...Array.from({ length: 100 }, (_, i) => int(i)))],
        ),
      ),
    }),
  );
  await inTemporary(async (folder) => {
    const path = join(folder, "odd.pt");
    writeFileSync(path, bytes);
    const found = await inspectModel(path);
    const page = pageOf(found);
    assert.not.match(page.replaceAll("\n", ""), /[\p{C}\p{Zl}\p{Zp}]/u);
    assert.match(page, /^"\\u\{1b\}\[2J\\u\{202e\}" +F32/m);
    assert.match(page, /^ {2}note {2}"\\u\{1b\}\]0;owned/m);
    assert.match(page, /^ {2}options\n {4}<class> {2}"argparse.Namespace"\n {4}lr {2}0\.5$/m);
    assert.is(JSON.parse(JSON.stringify(found)).content.rate, "NaN");
    assert.is(({} as { polluted?: unknown }).polluted, undefined);
  });
});

/** A run's folder with one checkpoint of a tensor and its moment. */
async function runWith(folder: string, weight: number, moment: number): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const progress = { step: 3, epoch: 0, position: 3, seed: 1, rng: {}, best: null, state: null };
  await saveCheckpoint(folder, {
    ...progress,
    config: "0".repeat(64),
    adapter: "none",
    subgroupSize: 4,
    commit: "none",
    tensors: { model: [floats("w", weight)], optimizer: [floats("w.m", moment)] },
  });
}

test("the digest of a run depends on weights and moments of its newest checkpoint, and on nothing else", async () => {
  await inTemporary(async (folder) => {
    const digests: string[] = [];
    for (const [name, weight, moment] of [
      ["a", 1, 2],
      ["b", 1, 2],
      ["c", 1, 3],
      ["d", 2, 2],
    ] as const) {
      await runWith(join(folder, name), weight, moment);
      const { code, stdout, stderr } = await runProgram(CLI, ["inspect", "--digest", join(folder, name)]);
      assert.is(code, 0, stderr);
      assert.match(stdout, /^[0-9a-f]{64}\n$/);
      digests.push(stdout);
    }
    assert.is(digests[0], digests[1]);
    assert.is(new Set(digests).size, 3);
    const direct = await runProgram(CLI, ["inspect", "--digest", join(folder, "a", "ckpt-00000003")]);
    assert.is(direct.stdout, digests[0]);
    const { stdout } = await runProgram(CLI, ["inspect", "--json", join(folder, "a")]);
    assert.equal(
      JSON.parse(stdout).tensors.map(({ name }: { name: string }) => name),
      ["w"],
    );
  });
});

/** Exit 3, one message that begins with the file's name, nothing else printed and nothing written. */
function isRefusal({ code, stdout, stderr }: Outcome, message: RegExp): void {
  assert.is(code, 3, stderr);
  assert.match(stderr, message);
  assert.is(stdout, "");
  assert.not.match(stderr, /^\s+at /m);
  assert.ok(stderr.length < 4200);
}

const hostile: [string, Uint8Array, RegExp][] = [
  [
    "a name that would run a program",
    zip(torchEntries({ pickle: pickle(global("os", "system"), tuple(text("touch pwned")), REDUCE) })),
    /bad\.pt: pickle names "os\.system"/,
  ],
  [
    "eight million nested lists",
    zip(torchEntries({ pickle: pickle("]".repeat(8_000_000)) })),
    /bad\.pt: pickle: more than 1000000 objects/,
  ],
  [
    "a pickle of 63 MB in one text",
    zip(
      torchEntries({
        pickle: pickle("X", new Uint8Array(Uint32Array.of(63e6).buffer), new Uint8Array(63e6).fill(97), "a"),
      }),
    ),
    /bad\.pt: pickle/,
  ],
  [
    "a bomb",
    zip([
      ...torchEntries(),
      {
        name: "model/b",
        deflate: true,
        packed: deflateRawSync(new Uint8Array(2e8)),
        local: { size: 2e8 },
        central: { size: 2e8 },
      },
    ]),
    /bad\.pt: zip: entry "model\/b" brings the inflated size to 200000000/,
  ],
  [
    "weights that are damaged at their end",
    zip(
      torchEntries({ others: [] }).map((entry, i) =>
        i === 1 ? { ...entry, central: { crc: 1 }, local: { crc: 1 } } : entry,
      ),
    ),
    /bad\.pt: zip: entry "model\/data\/0" is damaged/,
  ],
];

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

for (const [what, bytes, message] of hostile)
  test(`refused about as soon as help is shown: ${what}`, async () => {
    await inTemporary(async (folder) => {
      const path = join(folder, "bad.pt");
      writeFileSync(path, bytes);
      let ratio = Number.POSITIVE_INFINITY;
      for (let tries = 0; tries < 4 && ratio > 6; tries++) {
        const help = await timed(() => runProgram(LAUNCHER, ["inspect", "--help"])); // others use this machine, so in turns
        const own = await timed(async () => isRefusal(await runProgram(LAUNCHER, ["inspect", path]), message));
        ratio = Math.min(ratio, own / help);
      }
      assert.ok(ratio <= 6, `${ratio} times as long`);
      assert.equal(readdirSync(folder), ["bad.pt"]);
    });
  });

test("a class that is not known is shown as data and said; one that reaches out is refused unless accepted", async () => {
  await inTemporary(async (folder) => {
    const path = join(folder, "path.pt");
    const fileWith = (module: string, name: string) => {
      const made = [global(module, name), tuple(text("logs")), REDUCE];
      const root = dict([text("a"), tensor(storage("0"), [4], [1])], [text("where"), made]);
      writeFileSync(path, zip(torchEntries({ pickle: pickle(root) })));
    };
    fileWith("pathlib", "PosixPath");
    const shown = await runProgram(CLI, ["inspect", path]);
    assert.is(shown.code, 0);
    assert.match(shown.stdout, /<class> {2}"pathlib\.PosixPath"/);
    assert.match(shown.stdout, /left as data, nothing of it run: "pathlib\.PosixPath"/);
    fileWith("os", "system");
    isRefusal(await runProgram(CLI, ["inspect", path]), /names "os\.system".*--inert "os\.system" accepts it as data/);
    const { code, stdout } = await runProgram(CLI, ["inspect", path, "--inert", "os.system"]);
    assert.is(code, 0);
    assert.match(stdout, /<class> {2}"os\.system"/);
  });
});

test("what is no regular file is refused wherever a checkpoint holds it, and nobody waits for it", async () => {
  await inTemporary(async (folder) => {
    const fifo = join(folder, "fifo.pt");
    if (spawnSync("mkfifo", [fifo]).status !== 0) return; // not on Windows
    assert.match((await refusal(inspectModel(fifo))).message, /^fifo\.pt: not a regular file/);
    const checkpoint = join(folder, "ckpt-00000001");
    mkdirSync(checkpoint);
    await writeSafetensors(join(checkpoint, "model.safetensors"), [floats("a", 1)]);
    const manifest = join(checkpoint, "manifest.json");
    for (const [make, fault] of [
      [() => spawnSync("mkfifo", [manifest]), "not a regular file"],
      [() => symlinkSync("/dev/zero", manifest), "not a regular file"],
      [() => mkdirSync(manifest), "not a regular file"],
      [() => writeFileSync(manifest, " ".repeat(2 ** 20 + 1)), "1048577 bytes; at most 1048576 are allowed"],
    ] as const) {
      make();
      for (const open of [() => inspectModel(folder), () => inspectModel(checkpoint), () => loadCheckpoint(checkpoint)])
        assert.is((await refusal(open())).message, `ckpt-00000001/manifest.json: ${fault}`);
      rmSync(manifest, { recursive: true });
    }
  });
});

test("a folder without weights, a missing file and --digest with --json are refused", async () => {
  await inTemporary(async (folder) => {
    isRefusal(await runProgram(CLI, ["inspect", folder]), /a folder without/);
    isRefusal(await runProgram(CLI, ["inspect", join(folder, "none.pt")]), /none\.pt: no such file/);
    const { code, stderr } = await runProgram(CLI, ["inspect", fixture("zoo.pt"), "--digest", "--json"]);
    assert.is(code, 2, stderr);
  });
});

test.run();
