// `npm run build [-- FOLDER]`: the package as it is published, in build/. Each layer is a library entry, the command line is built beside
// them, and the types follow. Entries share chunks, so that all of them see one engine; kernels are inlined as text.
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, posix, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { isOneFile, programs, settings } from "./bundle.mjs";
import { install } from "./install.mjs";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const out = process.argv[2] ?? "build";

/** The layers that package.json exports; each has its public names in index.ts. */
const layers = ["engine", "kernels", "model", "data", "train", "eval", "bench", "test"];

await install(root, (line) => process.stderr.write(`${line}\n`));
rmSync(join(root, out), { recursive: true, force: true });
const { build } = await import("esbuild");
const libraries = Object.fromEntries(layers.map((layer) => [layer, `${layer}/index.ts`]));
const outputs = [
  ...(await built(programs.cli, !isOneFile("cli"))),
  ...(await built({ ...programs.example, ...libraries }, true)),
];
await types();
standAlone(join(root, out, "types"));
const bytes = outputs.reduce((sum, { bytes }) => sum + bytes, 0);
process.stdout.write(
  `${out}: ${layers.length} layers and the command line, ${Math.round(bytes / 1024)} kB, and their types\n`,
);

/** Builds some entries; what was written, with its bytes. */
async function built(entryPoints, splitting) {
  const { metafile } = await build({
    ...settings,
    splitting,
    sourcemap: false,
    logLevel: "error",
    absWorkingDir: root,
    entryPoints,
    outdir: out,
    chunkNames: "chunk-[hash]",
    metafile: true,
  });
  return Object.values(metafile.outputs);
}

/** TypeScript only writes declarations; a mistake in any type ends the build. */
function types() {
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const child = spawn(process.execPath, [tsc, "-p", "tsconfig.build.json", "--outDir", join(out, "types")], {
    cwd: root,
    stdio: "inherit",
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve() : reject(new Error(`tsc ended with ${code}`))));
  });
}

/**
 * Makes the declarations hold in any program: whether it has WebGPU's types (from @webgpu/types or a library of the browser)
 * or none. A GPU type then is what the program knows it as, else `unknown`; `Disposable` comes with the library it is part of; and
 * what valibot's declarations take from the browser exists, empty, where nothing else declares it.
 * @param {string} folder the declarations, as tsc wrote them
 */
function standAlone(folder) {
  const used = new Set();
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".d.ts")) continue;
    const path = join(folder, name);
    const up = posix.relative(posix.dirname(name.split(sep).join("/")), "webgpu.d.ts");
    const from = up.startsWith(".") ? up : `./${up}`;
    const text = readFileSync(path, "utf8");
    const pieces = text.split(/(\/\*[\s\S]*?\*\/|\/\/.*)/); // comments stay
    const changed = pieces.map((piece, i) =>
      i % 2 === 1
        ? piece
        : piece.replace(/\bGPU[A-Z]\w*/g, (type) => {
            used.add(type);
            return `import("${from}").${type}`;
          }),
    );
    const disposes = /\bDisposable\b|Symbol\.dispose/.test(text) ? '/// <reference lib="esnext.disposable" />\n' : "";
    const files = /from "valibot"/.test(text) ? "declare global {\n  interface Blob {}\n  interface File {}\n}\n" : "";
    const whole = disposes + changed.join("") + files;
    if (whole !== text) writeFileSync(path, whole);
  }
  const known = [...used].sort().map((type) => `export type ${type} = Known<"${type}">;\n`);
  const rule =
    "type Known<Name extends string> = typeof globalThis extends Record<Name, { prototype: infer T }> ? T : unknown;\n";
  writeFileSync(join(folder, "webgpu.d.ts"), rule + known.join(""));
}
