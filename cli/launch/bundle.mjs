// TypeScript and WGSL -> dist, with esbuild, when a source has changed. esbuild is loaded only then.
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { writeWhole } from "./cache.mjs";

const project = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const lessons = join(project, "docs", "examples");

/** The threads of the command line: name in dist -> source. */
export const workers = {
  "loader-worker": "data/shards/worker.ts",
  "stage-worker": "data/stage/worker.ts",
  "benchmark-worker": "data/sets/worker.ts",
};

/** The examples, which `emotionclip example` runs: name in dist -> source. */
const examples = Object.fromEntries(
  (existsSync(lessons) ? readdirSync(lessons) : [])
    .filter((name) => name.endsWith(".ts"))
    .map((name) => [`example-${name.slice(0, -3)}`, `docs/examples/${name}`]),
);

/**
 * What each program is made of: name in dist -> source. A source that does not exist is left out; the first one is started. Examples run
 * inside a command line that shares its modules with them.
 * @type {Record<string, Record<string, string>>}
 */
export const programs = {
  cli: { cli: "cli/main.ts", ...workers },
  example: { "example-cli": "cli/main.ts", ...examples },
  test: { "test-run": "test/run/main.ts", "test-child": "test/run/child.ts", "test-ranks": "test/run/ranks.ts" },
  mutants: { mutants: "test/mutants/main.ts", "test-child": "test/run/child.ts" },
  golden: { golden: "test/parity/main.ts" },
  api: { api: "test/api/main.ts" },
  "package-proof": { "package-proof": "test/package/main.ts" },
  compositions: { compositions: "test/compositions/main.ts" },
  "stage-clip": { "stage-clip": "bench/stage-clip.ts" },
  reliability: { reliability: "test/reliability/main.ts" },
};

/**
 * Examples and guides import the package by its name, as a user does; here that is the source, and of the engine an `openGpu` that hears
 * the flags of the command line.
 * @type {import("esbuild").Plugin}
 */
const ourName = {
  name: "our-name",
  setup(build) {
    build.onResolve({ filter: /^emotionclip-webgpu(\/\w+)?$/ }, ({ path }) => {
      const layer = path.split("/")[1] ?? "engine";
      return { path: layer === "engine" ? join(project, "cli", "user-engine.ts") : join(project, layer, "index.ts") };
    });
  },
};

/**
 * The settings under which all code of this project is bundled; tests and examples use them too.
 * @type {Omit<import("esbuild").BuildOptions, "metafile">}
 */
export const settings = {
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  loader: { ".wgsl": "text", ".py": "text" },
  sourcemap: "linked",
  logLevel: "silent",
  plugins: [ourName],
};

/**
 * The command line is one file: Node opens the modules that another imports all at once, and a process that may open 64 files could not
 * open some ninety. Its threads are files of their own.
 * @param {string} program a key of `programs`
 */
export const isOneFile = (program) => program === "cli";

const MONTH = 30 * 24 * 3600 * 1000;

/**
 * The built entry of a program. Chunks lie beside it, so that `new URL("..", import.meta.url)` is the project in every module.
 * @param {string} root the project's folder
 * @param {string} program a key of `programs`
 * @returns {Promise<string>}
 */
export async function bundle(root, program) {
  const out = join(root, "dist");
  const record = join(out, `${program}.inputs.json`);
  const entry = join(out, `${Object.keys(programs[program])[0]}.js`);
  const first = Object.values(programs[program])[0];
  if (!existsSync(join(root, first))) {
    const built = join(root, "build", basename(entry));
    if (existsSync(built)) return built; // installed as a package: built (build.mjs), without sources
    throw new Error(`${program}: ${first} does not exist`);
  }
  const entries = Object.entries(programs[program]).filter(([, source]) => existsSync(join(root, source)));
  const names = entries.map(([name]) => name).join(" ");
  if (existsSync(entry) && isFresh(root, record, names)) return entry;

  const esbuild = await import("esbuild");
  const result = await esbuild
    .build({
      ...settings,
      splitting: !isOneFile(program),
      absWorkingDir: root,
      entryPoints: entries.map(([name, source]) => ({ out: name, in: join(root, source) })),
      outdir: out,
      chunkNames: "[name]-[hash]",
      metafile: true,
      write: false,
    })
    .catch((error) => {
      throw new Error(explain(error));
    });
  // Chunks first, entries last: a process that starts meanwhile finds either the old program or the new one.
  const isEntry = (file) => entries.some(([name]) => basename(file.path) === `${name}.js`);
  for (const file of result.outputFiles.sort((a, b) => Number(isEntry(a)) - Number(isEntry(b)))) {
    if (!existsSync(file.path) || !readFileSync(file.path).equals(file.contents)) writeWhole(file.path, file.contents);
  }
  const inputs = [...Object.keys(result.metafile.inputs), "cli/launch/bundle.mjs", "tsconfig.json"].filter((path) =>
    existsSync(join(root, path)),
  );
  writeWhole(
    record,
    JSON.stringify({ names, inputs: Object.fromEntries(inputs.map((path) => [path, stamp(join(root, path))])) }),
  );
  sweep(out);
  return entry;
}

const stamp = (path) => {
  const { mtimeMs, size } = statSync(path);
  return `${mtimeMs} ${size}`;
};

function isFresh(root, record, names) {
  try {
    const before = JSON.parse(readFileSync(record, "utf8"));
    return (
      before.names === names && Object.entries(before.inputs).every(([path, was]) => stamp(join(root, path)) === was)
    );
  } catch {
    return false;
  }
}

/** Chunks of former builds stay for a month: a run that started from them may still import one. */
function sweep(out) {
  for (const name of readdirSync(out)) {
    if (!/-[A-Z0-9]{8}\.js(\.map)?$/.test(name)) continue;
    const path = join(out, name);
    if (Date.now() - statSync(path).mtimeMs > MONTH) rmSync(path, { force: true });
  }
}

function explain(error) {
  const place = ({ file, line, column, lineText }) =>
    `${file.split("/").join(sep)}:${line}:${column + 1}\n    ${line} | ${lineText}`;
  const errors = (error.errors ?? []).slice(0, 5);
  if (errors.length === 0) return `esbuild: ${error.message}`;
  return errors.map(({ text, location }) => `${location ? `${place(location)}\n  ` : ""}${text}`).join("\n");
}
