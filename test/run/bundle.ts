// The test files as JavaScript: esbuild with splitting, so that the modules they share are built once.
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { type BuildFailure, build, type Message, type Metafile, type Plugin } from "esbuild";
import { settings, workers } from "../../cli/launch/bundle.mjs";

/** One test file: its name below test/, the built file, and whether kernels are part of it. */
export interface TestFile {
  readonly name: string;
  readonly path: string;
  readonly touchesKernels: boolean;
}

/** Structure before behaviour, and what a reader would type last. */
const FIRST = ["project/layers.test.ts", "project/hygiene.test.ts"];
const LAST = ["project/readme.test.ts", "project/examples.test.ts"];

/** Names below test/ in the order in which they run. */
export function findTests(root: string): string[] {
  const all = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .map((name) => name.split("\\").join("/"))
    .filter((name) => name.endsWith(".test.ts"));
  const place = (name: string) => (FIRST.includes(name) ? FIRST.indexOf(name) - 9 : LAST.indexOf(name) + 1);
  return all.sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
}

/** What could be built, and for each file that could not, why. */
export interface Built {
  readonly files: readonly TestFile[];
  readonly broken: readonly { name: string; why: string }[];
}

/** A folder of our own, so that two runs in one checkout do not disturb each other. */
export const testFolder = `dist/test-${process.pid}`;

/** What runs that were killed have left behind, once it is a day old. */
export function sweepTests(root: string): void {
  for (const name of readdirSync(join(root, "dist")).filter((each) => /^test-\d+$/.test(each))) {
    const path = join(root, "dist", name);
    if (Date.now() - statSync(path).mtimeMs > 24 * 3600 * 1000) rmSync(path, { recursive: true, force: true });
  }
}

/**
 * Builds `names` into `testFolder`, with the worker threads beside them, where their users look for them; `plugins` may change what
 * they are built from.
 */
export async function bundleTests(root: string, names: readonly string[], plugins: Plugin[] = []): Promise<Built> {
  const broken: { name: string; why: string }[] = [];
  const { metafile } = await buildAll(root, names, plugins).catch(async () => {
    for (const name of names) {
      const why = await buildAll(root, [name], plugins, false).then(() => "", explain);
      if (why) broken.push({ name, why });
    }
    const whole = names.filter((name) => broken.every((each) => each.name !== name));
    return buildAll(root, whole, plugins);
  });
  const good = names.filter((name) => broken.every((each) => each.name !== name));
  return { files: good.map((name) => fileOf(root, name, metafile)), broken };
}

/** Flat, so that what a test starts (threads) lies beside it. */
const builtName = (name: string): string => name.replaceAll("/", "-").replace(/\.ts$/, "");

function buildAll(root: string, names: readonly string[], plugins: Plugin[], write = true) {
  const outdir = join(root, testFolder);
  const entries = names.map((name) => ({ in: join(root, "test", name), out: builtName(name) }));
  for (const [out, source] of Object.entries(workers)) entries.push({ in: join(root, source), out });
  return build({
    ...settings,
    absWorkingDir: root,
    entryPoints: entries,
    outdir,
    chunkNames: "[name]-[hash]",
    metafile: true,
    plugins: [...(settings.plugins ?? []), ...plugins],
    write,
  });
}

function explain(error: BuildFailure): string {
  const place = (location: Message["location"]) =>
    location ? `${location.file}:${location.line}:${location.column + 1} ` : "";
  return error.errors
    .map(({ text, location }) => `  ${place(location)}${text}\n`)
    .slice(0, 5)
    .join("");
}

/** A built file; its kernels are in one of the chunks that it imports. */
function fileOf(root: string, name: string, { outputs }: Metafile): TestFile {
  const inputsOf = (output: string, seen: Set<string>): string[] => {
    if (seen.has(output) || !outputs[output]) return [];
    seen.add(output);
    const { inputs, imports } = outputs[output];
    return [...Object.keys(inputs), ...imports.flatMap(({ path }) => inputsOf(path, seen))];
  };
  const output = `${testFolder}/${builtName(name)}.js`;
  const touchesKernels = inputsOf(output, new Set()).some((path) => path.startsWith("kernels/"));
  return { name, path: join(root, output), touchesKernels };
}
