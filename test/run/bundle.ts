// The test files as JavaScript: esbuild with splitting, so that all of them share one engine and with it one device.
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { settings } from "../../train/launch/bundle.mjs";

/** One test file: its name below test/, the built file, and whether kernels are part of it. */
export interface TestFile {
  readonly name: string;
  readonly path: string;
  readonly touchesKernels: boolean;
}

/** Structure before behaviour, and what a reader would type last. */
const FIRST = ["layers.test.ts", "hygiene.test.ts"];
const LAST = ["readme.test.ts", "examples.test.ts"];

/** Names below test/ in the order in which they run. */
export function findTests(root: string): string[] {
  const all = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .map((name) => name.split("\\").join("/"))
    .filter((name) => name.endsWith(".test.ts"));
  const place = (name: string) => (FIRST.includes(name) ? FIRST.indexOf(name) - 9 : LAST.indexOf(name) + 1);
  return all.sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
}

/** Builds `names` into dist/test, with the loader's worker beside them where the loader looks for it. */
export async function bundleTests(root: string, names: readonly string[]): Promise<TestFile[]> {
  const outdir = join(root, "dist", "test");
  rmSync(outdir, { recursive: true, force: true });
  const entries = names.map((name) => ({ in: join(root, "test", name), out: name.replace(/\.ts$/, "") }));
  const worker = join(root, "data", "worker.ts");
  if (existsSync(worker)) entries.push({ in: worker, out: "loader-worker" });
  const { metafile } = await build({
    ...settings,
    absWorkingDir: root,
    entryPoints: entries,
    outdir,
    chunkNames: "[name]-[hash]",
    metafile: true,
  });
  const inputsOf = (output: string, seen = new Set<string>()): string[] => {
    if (seen.has(output)) return [];
    seen.add(output);
    const { inputs, imports } = metafile.outputs[output];
    const chunks = imports.filter(({ path }) => path in metafile.outputs);
    return [...Object.keys(inputs), ...chunks.flatMap(({ path }) => inputsOf(path, seen))];
  };
  return names.map((name) => {
    const output = `dist/test/${name.replace(/\.ts$/, ".js")}`;
    const touchesKernels = inputsOf(output).some((path) => path.startsWith("kernels/"));
    return { name, path: join(root, output), touchesKernels };
  });
}
