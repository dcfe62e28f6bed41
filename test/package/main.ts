// npm run package-proof: packs the package, installs it into an empty project for each Node at hand, and does there what a user does.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { UsageError } from "../../engine/errors.ts";
import { allBlocks, type PageProgram, programsOf, sessionsIn } from "../run/markdown.ts";
import { compilers, compiles, entriesOf, importsAll, placeOf, requiresAll, typesHold } from "./checks.ts";
import { type Node, nodesAtHand } from "./nodes.ts";
import { Project } from "./user.ts";

const usage = `npm run package-proof -- [--node PATH]… [--keep] [--adapter NAME]

  Builds and packs the package, installs it with npm into an empty project for each Node at hand (the running one, node, node20 … on PATH,
  nvm's, and those named by --node), and tries there: modules, CommonJS, the types under TypeScript 5.9 and 7 (strict, without
  skipLibCheck), every program of the guides and every example. --keep leaves the projects where they are.`;

interface Manifest {
  readonly exports: Readonly<Record<string, unknown>>;
  readonly bin: Readonly<Record<string, string>>;
  readonly files: readonly string[];
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const manifest: Manifest = JSON.parse(readFileSync("package.json", "utf8"));
const entries = entriesOf(manifest.exports);
const counts = { passed: 0, failed: 0 };

function claim(node: Node, sentence: string, holds: () => unknown): void {
  const began = performance.now();
  const line = (mark: string, words: string) => {
    const seconds = ((performance.now() - began) / 1000).toFixed(1).padStart(6);
    console.log(`${mark} Node ${node.version.padEnd(8)} ${words.padEnd(72)} ${seconds} s`);
  };
  try {
    const remark = holds();
    counts.passed++;
    line("ok  ", typeof remark === "string" ? `${sentence} (${remark})` : sentence);
  } catch (error) {
    counts.failed++;
    line("FAIL", sentence);
    console.log(`${(error as Error).message.slice(0, 1500).replace(/^/gm, "     ")}`);
  }
}

/** The package as it would be published: a file of npm's. */
function packed(folder: string): string {
  const built = spawnSync(process.execPath, [join("cli", "launch", "build.mjs")], { encoding: "utf8" });
  if (built.status !== 0) throw new Error(`the package does not build\n${built.stdout}${built.stderr}`);
  new Project(folder).npm("pack", resolve("."), "--pack-destination", folder);
  return join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz"))!);
}

/** What a user needs beside the package to compile programs and to test ops, in our versions. */
function tools(): string[] {
  const { peerDependencies, devDependencies } = manifest;
  const versions = {
    ...Object.fromEntries(Object.keys(peerDependencies).map((name) => [name, devDependencies[name]])),
  };
  const all = { ...versions, "@types/node": devDependencies["@types/node"] };
  return Object.entries(all).map(([name, version]) => `${name}@${version}`);
}

/** What a Node makes of the package, alone and beside what tests of ops need. */
function proveModules(node: Node, project: Project, tarball: string): void {
  claim(node, "it installs into an empty project", () => void project.npm("install", tarball));
  const alone = entries.filter((entry) => !entry.endsWith("/test")); // that one needs packages of the user's own
  claim(node, "an ES module imports every entry but /test", () => importsAll(project, alone));
  claim(
    node,
    "what compiles and tests programs installs beside it",
    () => void project.npm("install", "--save-dev", ...tools()),
  );
  claim(node, "an ES module imports every entry", () => importsAll(project, entries));
  claim(node, "a CommonJS program has every entry", () => requiresAll(project, entries, node.version));
  claim(node, "its command line starts", () => void project.run(bin, "version"));
  if (manifest.files.includes("docs/examples"))
    claim(node, "its command line runs an example", () => void project.run(bin, "example", "01"));
}

/** What a user copies from us; examples by their paths in the project. */
interface Programs {
  readonly guides: readonly PageProgram[];
  readonly examples: readonly string[];
}

function copyPrograms(project: Project): Programs {
  const guides = programsOf(allBlocks());
  for (const program of guides) project.write(placeOf(program), program.text);
  cpSync(lessons, join(project.folder, lessons), { recursive: true });
  project.write(join(lessons, "package.json"), '{ "type": "module" }\n');
  const examples = readdirSync(lessons).filter((name) => name.endsWith(".ts"));
  return { guides, examples: examples.sort().map((name) => join(lessons, name)) };
}

/** What compilers say does not depend on the Node. */
function proveTypes(node: Node, project: Project, { guides, examples }: Programs): void {
  for (const compiler of compilers) {
    const { version } = JSON.parse(readFileSync(join("node_modules", compiler, "package.json"), "utf8"));
    const tsc = resolve("node_modules", compiler, "bin", "tsc");
    claim(node, `types hold, TypeScript ${version}`, () => typesHold(project, tsc, compiler, entries));
    for (const [what, files] of Object.entries({ "programs of the guides": guides.map(placeOf), examples }))
      claim(node, `${files.length} ${what} compile, TypeScript ${version}`, () =>
        compiles(project, tsc, compiler, files),
      );
  }
}

function provePrograms(node: Node, project: Project, { guides, examples }: Programs): void {
  const sessions = sessionsIn(allBlocks());
  for (const program of guides) {
    const path = placeOf(program);
    if (sessions.has(program.file))
      console.log(`--   Node ${node.version.padEnd(8)} ${path} is not run: it needs what commands of its page make`);
    else claim(node, `${path} runs`, () => void project.runTypeScript(path.replace(/\.mts$/, ".mjs"), program.text));
  }
  for (const path of examples)
    claim(node, `${path} runs`, () => {
      const text = readFileSync(join(project.folder, path), "utf8");
      project.runTypeScript(join("build", basename(path, ".ts").concat(".mjs")), text); // as ours are built: a folder below the project
    });
}

function prove(node: Node, folder: string, tarball: string): void {
  const project = new Project(folder, node.program);
  proveModules(node, project, tarball);
  const programs = copyPrograms(project);
  if (node.program === process.execPath) proveTypes(node, project, programs);
  provePrograms(node, project, programs);
}

function told(text: string): number {
  console.log(text);
  return 0;
}

const lessons = join("docs", "examples");
const bin = join("node_modules", "emotionclip-webgpu", manifest.bin.emotionclip);

function main(): number {
  const { values } = parseArgs({
    options: { node: { type: "string", multiple: true }, keep: { type: "boolean" }, help: { type: "boolean" } },
  });
  if (values.help) return told(usage);
  const nodes = nodesAtHand(values.node ?? []);
  const folder = mkdtempSync(join(tmpdir(), "emotionclip-package-"));
  console.log(`${nodes.length} Nodes: ${nodes.map(({ version, program }) => `${version} (${program})`).join(", ")}`);
  try {
    const tarball = packed(folder);
    for (const node of nodes) prove(node, join(folder, `node-${node.version}`), tarball);
  } finally {
    if (values.keep) console.log(`the projects are in ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  return counts.failed > 0 ? 1 : 0;
}

try {
  process.exitCode = main();
} catch (error) {
  const isOurs = error instanceof UsageError || (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS");
  console.error(isOurs ? `error: ${(error as Error).message}\n${usage}` : error);
  process.exitCode = isOurs ? 2 : 1;
}
