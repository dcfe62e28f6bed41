// The package as a user gets it: built, listed, put where npm would put it, imported, type-checked, started.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { dirname, join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compilers, compiles, entriesOf, placeOf, requiresAll } from "../package/checks.ts";
import { Project } from "../package/user.ts";
import { allBlocks, programsOf } from "../run/markdown.ts";

interface Manifest {
  exports: Record<string, string | { types: string; default: string }>;
  bin: Record<string, string>;
}

const manifest: Manifest = JSON.parse(readFileSync("package.json", "utf8"));
/** Below our own node_modules, so that the package finds what it depends on. */
const user = join("dist", `user-${process.pid}`);
/** What npm packs: a copy, so that two runs in one checkout do not disturb each other. */
const project = join(user, "project");
const installed = join(user, "node_modules", "emotionclip-webgpu");

/** Runs a program to its end; a failure shows what it said. */
function run(program: string, args: readonly string[], cwd = "."): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: "utf8", timeout: 120_000 });
  assert.is(status, 0, `${program} ${args.join(" ")}: ${error?.message ?? ""}\n${stdout}${stderr}`);
  return stdout;
}

/** Paths in the package, as npm would pack them. */
function packed(): string[] {
  const own = process.env.npm_execpath; // npm's script, when npm runs us
  const words = ["pack", "--dry-run", "--json", "--loglevel=error"];
  const text = own?.endsWith(".js") ? run(process.execPath, [own, ...words], project) : run("npm", words, project);
  const [{ files }] = JSON.parse(text) as [{ files: { path: string }[] }];
  return files.map(({ path }) => path);
}

let files: string[] = [];

test.before(() => {
  for (const name of [
    "package.json",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "engine",
    "test",
    join("cli", "launch"),
    join("docs", "examples"),
    join("data", "stage", "faces", "clip.safetensors"),
  ])
    cpSync(name, join(project, name), { recursive: true });
  run(process.execPath, [join("cli", "launch", "build.mjs"), join(project, "build")]);
  files = packed();
  writeFileSync(join(user, "package.json"), '{ "name": "user", "private": true, "type": "module" }'); // else our name means us
  for (const path of files) {
    mkdirSync(dirname(join(installed, path)), { recursive: true });
    cpSync(join(project, path), join(installed, path));
  }
});
test.after(() => rmSync(user, { recursive: true, force: true }));

test("it holds what its package.json names, and a licence, a readme and a list of changes", () => {
  const entries = Object.values(manifest.exports).flatMap((each) =>
    typeof each === "string" ? [each] : [each.types, each.default],
  );
  for (const path of [...entries, ...Object.values(manifest.bin)])
    assert.ok(files.includes(path.replace(/^\.\//, "")), path);
  for (const path of [
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "build/cli.js",
    "build/example-cli.js",
    "build/loader-worker.js",
  ])
    assert.ok(files.includes(path), path);
});

test("it holds nothing else: no sources, tests, data or maps, and of weights the small CLIP of the embedded faces alone", () => {
  const wanted =
    /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|build\/[\w-]+\.js|build\/types\/.+\.d\.ts|cli\/launch\/[\w-]+\.mjs|docs\/examples\/[\w.-]+|data\/stage\/faces\/clip\.safetensors)$/;
  for (const path of files) assert.match(path, wanted);
  assert.ok(files.includes("data/stage/faces/clip.safetensors"));
  assert.not.match("engine/device/gpu.ts", wanted);
  assert.not.match("build/cli.js.map", wanted);
});

const program = `
import { compute, openGpu, tensor } from "emotionclip-webgpu";
import { ops } from "emotionclip-webgpu/engine";
import { matmul } from "emotionclip-webgpu/kernels";
import { named, vitB32 } from "emotionclip-webgpu/model";
import { Loader } from "emotionclip-webgpu/data";
import { AdamW } from "emotionclip-webgpu/train";
import { r2 } from "emotionclip-webgpu/eval";
import { checkOp } from "emotionclip-webgpu/test";
const gpu = await openGpu();
const [y] = await compute(() => [matmul(tensor([1, 2], [1, 2]), tensor([3, 4], [2, 1]))]);
console.log([...y], ops.length > 50, typeof named, vitB32.embed, Loader.name, AdamW.name, r2([1, 2], [1, 2]), typeof checkOp);
gpu.close();
process.exit(0);
`;

test("every entry can be imported, and all share one engine", () => {
  writeFileSync(join(user, "program.mjs"), program);
  const stdout = run(process.execPath, ["program.mjs"], user);
  assert.is(stdout.trim(), "[ 11 ] true function 512 Loader AdamW 1 function");
});

test("the types of every entry are found and hold: a right program passes, a wrong one does not", () => {
  const check = (text: string) => {
    writeFileSync(join(user, "program.ts"), text);
    const flags = [
      "--noEmit",
      "--strict",
      "--target",
      "es2023",
      "--module",
      "nodenext",
      "--lib",
      "es2023,esnext.disposable",
    ];
    const types = ["--ignoreConfig", "--skipLibCheck", "--types", "node,@webgpu/types"];
    const tsc = join("..", "..", "node_modules", "typescript", "bin", "tsc");
    return spawnSync(process.execPath, [tsc, ...flags, ...types, "program.ts"], { cwd: user, encoding: "utf8" });
  };
  const right = check(program);
  assert.is(right.status, 0, right.stdout);
  const wrong = check(program.replace("tensor([3, 4], [2, 1])", '"no tensor"'));
  assert.match(wrong.stdout, /program\.ts.*not assignable to parameter of type 'Tensor<Float>'/);
});

const typed = `
import { type ArrayOf, compute, type Dtype, later, op, tensor, type Tensor } from "emotionclip-webgpu";
import { add, cast, embedding, exp, gt, matmul, relu, where } from "emotionclip-webgpu/kernels";

const floats: Float32Array = await compute(() => matmul(tensor([1, 2], [1, 2]), tensor([3, 4], [2, 1])));
export const total: number = (await compute(() => add(tensor([1]), 1))).reduce((sum, x) => sum + x, 0);
export const doubled = (await compute(() => gt(tensor(new Int32Array([1])), 0))).slice(0, 1).map((x) => 2 * x);
export const ids: Uint32Array = await compute(() => add(tensor(new Uint32Array([1])), 1));
export const { loss, y } = await compute(() => ({ loss: tensor(floats), y: cast(tensor([1.5]), "i32") }));
export const [first, second] = await compute(() => [tensor(new Float64Array(1)), tensor([1], [1], "u32").reshape([1, 1])]);
export const checked: [Float32Array, Int32Array, Float32Array, Uint32Array] = [loss, y, first, second];
export const many: Float32Array[] = [...(await compute(() => [1, 2].map((x) => tensor([x]))))];

let x = tensor([1]);
x = relu(x); // a tensor of floats stays one
export const whatever = (each: Tensor<Dtype>): Promise<ArrayOf<Dtype>> => later(each);
export const some = (data: ArrayLike<number>) => whatever(tensor(data));
export const chosen: Tensor<"u32"> = where(gt(x, 0), tensor(new Uint32Array(1)), 7);
declare const twice: ReturnType<typeof op<"ids_N:u32 x_N -> y_N at_N:u32">>;
export const pair: readonly [Tensor, Tensor<"u32">] = twice(chosen, x)!;

// @ts-expect-error integers have no exponential
exp(chosen);
// @ts-expect-error floats and integers are not added
add(x, chosen);
// @ts-expect-error ids are integers
embedding(x, x);
// @ts-expect-error the elements of integers are no Float32Array
export const wrong: Float32Array = await chosen.data();
`;

for (const compiler of ["typescript", "typescript-5"])
  test(`results have the type of their tensor: ${compiler}`, () => {
    const flags = ["--lib", "es2023,esnext.disposable,dom", "--types", "node,@webgpu/types", "--skipLibCheck"];
    assert.is(said(compiler, "typed.ts", typed, flags), "");
  });

/** Every entry, in a program that does nothing. */
const empty = Object.keys(manifest.exports)
  .filter((entry) => !entry.endsWith(".json"))
  .map((entry, i) => `import * as layer${i} from "emotionclip-webgpu${entry.slice(1)}";\nexport { layer${i} };\n`)
  .join("");

/** What a compiler says of a program under these flags, skipLibCheck off. */
function said(compiler: string, name: string, text: string, flags: readonly string[]): string {
  writeFileSync(join(user, name), text);
  const own = compiler === "typescript" ? ["--ignoreConfig"] : [];
  const all = [...own, "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", ...flags, name];
  const tsc = join("..", "..", "node_modules", compiler, "bin", "tsc");
  const { stdout, stderr } = spawnSync(process.execPath, [tsc, ...all], { cwd: user, encoding: "utf8" });
  return `${stdout}${stderr}`;
}

for (const compiler of ["typescript", "typescript-5"])
  for (const lib of ["es2022", "es2022,dom"])
    for (const types of ["", "@webgpu/types", "node"])
      test(`the types add no error to an empty strict program: ${compiler}, lib ${lib}, types "${types}"`, () => {
        const flags = ["--lib", lib, "--types", types];
        const without = said(compiler, "nothing.ts", "export {};\n", flags); // some have errors of their own
        assert.is(said(compiler, "empty.ts", empty, flags).replaceAll("empty.ts", "nothing.ts"), without);
      });

const entries = entriesOf(manifest.exports);

test("a CommonJS program has every entry", () => {
  const project = new Project(join(user, "commonjs"));
  requiresAll(project, entries, process.versions.node);
});

const examples = readdirSync(join("docs", "examples")).filter((name) => name.endsWith(".ts"));

for (const compiler of compilers)
  test(`the programs of the guides and the examples compile in a project of their own: ${compiler}`, () => {
    const project = new Project(join(user, `copies-${compiler}`));
    const guides = programsOf(allBlocks());
    for (const program of guides) project.write(placeOf(program), program.text);
    project.write(join("examples", "package.json"), '{ "type": "module" }');
    for (const name of examples)
      project.write(join("examples", name), readFileSync(join("docs", "examples", name), "utf8"));
    const files = [...guides.map(placeOf), ...examples.map((name) => join("examples", name))];
    compiles(project, resolve("node_modules", compiler, "bin", "tsc"), compiler, files);
  });

test("its command line starts without sources", () => {
  const stdout = run(
    process.execPath,
    [join("node_modules", "emotionclip-webgpu", manifest.bin.emotionclip), "ops"],
    user,
  );
  assert.match(stdout, /^# Ops\n/);
});

test("it shows and runs the examples, on the engine of its own entries", () => {
  const emotionclip = (...words: string[]) =>
    run(process.execPath, [join("node_modules", "emotionclip-webgpu", manifest.bin.emotionclip), ...words], user);
  assert.match(emotionclip("example"), /^03-your-first-kernel /m);
  assert.match(emotionclip("example", "3", "--print"), /from "emotionclip-webgpu";/);
  assert.match(emotionclip("example", "03"), /\[ 25, 169 \]/);
});

test.run();
