// `npm run build [-- FOLDER]`: the package as it is published, in build/. Each layer is a library entry, the command line is built beside
// them, and the types follow. Entries share chunks, so that all of them see one engine; kernels are inlined as text.
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { programs, settings } from "./bundle.mjs";
import { install } from "./install.mjs";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const out = process.argv[2] ?? "build";

/** The layers that package.json exports; each has its public names in index.ts. */
const layers = ["engine", "kernels", "model", "data", "train", "eval", "test"];

await install(root, (line) => process.stderr.write(`${line}\n`));
rmSync(join(root, out), { recursive: true, force: true });
const { build } = await import("esbuild");
const { metafile } = await build({
  ...settings,
  sourcemap: false,
  logLevel: "error",
  absWorkingDir: root,
  entryPoints: { ...programs.cli, ...Object.fromEntries(layers.map((layer) => [layer, `${layer}/index.ts`])) },
  outdir: out,
  chunkNames: "chunk-[hash]",
  metafile: true,
});
await types();
const bytes = Object.values(metafile.outputs).reduce((sum, { bytes }) => sum + bytes, 0);
process.stdout.write(
  `${out}: ${layers.length} layers and the command line, ${Math.round(bytes / 1024)} kB, and their types\n`,
);

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
