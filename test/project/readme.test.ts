// What the documents tell a reader to type: the TypeScript is run, the commands and their flags exist.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { commands, loaded, runCommand } from "../../cli/cli.ts";
import { gpuOptions } from "../../cli/gpu.ts";
import { flagsOf } from "../../cli/names.ts";
import { settings } from "../../cli/launch/bundle.mjs";
import { makeStage } from "../../data/stage/index.ts";
import { stageFilm } from "../kit/stage-film.ts";
import { inTemporary } from "../kit/temporary.ts";
import { hasFfmpeg } from "../kit/tiny-films.ts";
import { allBlocks, type Block, blocksOf, programsOf, readersPages, sessionsIn } from "../run/markdown.ts";
import { runProgram } from "../run/program.ts";

const blocks = allBlocks();

test("README.md exists and shows commands", () => {
  assert.ok(existsSync("README.md"));
  assert.ok(blocks.some(({ file, info }) => file === "README.md" && info[0] === "sh"));
});

test("a block is found with its language, its marks and its line", () => {
  assert.equal(blocksOf("x.md", "one\n```ts run\nlet a;\n```\nfour\n"), [
    { file: "x.md", line: 2, info: ["ts", "run"], text: "let a;\n" },
  ]);
});

/** The first line that is not printed behind those before it. */
function notPrinted(prints: readonly string[], printed: string): string | undefined {
  const literal = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  let rest = printed;
  return prints.find((line) => {
    const found = new RegExp(`^${line.trimEnd().split("…").map(literal).join(".*")}$`, "m").exec(rest);
    if (found) rest = rest.slice(found.index + found[0].length);
    return !found;
  });
}

test("what goes on and what it prints belong to the program before", () => {
  const page = "```ts run\na();\n```\n```text prints\none …\n```\n```ts run on\nb();\n```\n```text prints\ntwo\n```\n";
  assert.equal(programsOf(blocksOf("x.md", page)), [
    { file: "x.md", line: 1, text: "a();\nb();\n", prints: ["one …", "two"] },
  ]);
  assert.is(notPrinted(["one …", "two"], "zero\none (1)\ntwo\n"), undefined);
  assert.is(notPrinted(["one …", "two"], "two\none (1)\n"), "two");
});

/** Builds a program of a page; the path of the result. */
async function built(file: string, line: number, text: string): Promise<string> {
  const outfile = join(process.cwd(), "dist", "readme", `${file.replace(/\W/g, "-")}-${line}.js`);
  const stdin = { contents: text, loader: "ts" as const, resolveDir: process.cwd(), sourcefile: `${file}:${line}` };
  await build({ ...settings, splitting: false, stdin, outfile });
  return outfile;
}

const sessions = sessionsIn(blocks);

for (const { file, line, text, prints } of programsOf(blocks.filter(({ file }) => !sessions.has(file)))) {
  test(`${file}:${line} runs${prints.length ? ", and prints what the page says" : ""}`, async () => {
    const { code, stdout, stderr } = await runProgram(await built(file, line, text));
    assert.is(code, 0, stderr.slice(-4000));
    assert.is(notPrinted(prints, stdout), undefined, stdout);
  });
}

/** The words of a typed line; `clips/*` becomes what lies there, as in a shell. */
const wordsOf = (typed: string, folder: string): string[] =>
  typed.split(/\s+/).flatMap((word) => {
    if (!word.endsWith("/*")) return [word];
    const names = readdirSync(join(folder, word.slice(0, -2))).sort();
    return names.map((name) => word.slice(0, -1) + name);
  });

/** Does with a block what its page tells the reader to do; what was printed. */
async function follow({ file, line, info, text }: Block, folder: string): Promise<string> {
  const path = info.find((word) => word.startsWith("file="))?.slice("file=".length);
  if (path !== undefined) writeFileSync(join(folder, path), text);
  if (!info.includes("run")) return "";
  let printed = "";
  const env = { XDG_CACHE_HOME: join(process.cwd(), "dist", "readme", "cache") }; // features are kept there, not among the user's
  const start = async (script: string, words: readonly string[] = []) => {
    const { code, stdout, stderr } = await runProgram(script, words, { cwd: folder, env });
    assert.is(code, 0, `${file}:${line} ${words.join(" ")}\n${stdout}${stderr.slice(-4000)}`);
    printed += stdout;
  };
  if (info[0] === "ts") await start(await built(file, line, text));
  else
    for (const typed of text.trimEnd().split("\n")) {
      const [npx, name, ...words] = wordsOf(typed, folder);
      assert.equal([npx, name], ["npx", "emotionclip"], typed);
      await start(join(process.cwd(), "dist", "cli.js"), words); // behind the launcher, which has chosen the adapter for us
    }
  return printed;
}

/** Twelve short clips, as the embedded data set draws them: clips/01/0001.jpg and so on. */
async function drawClips(folder: string): Promise<void> {
  let number = 0;
  for await (const { frames } of makeStage({ seed: 5, split: "train", count: 12 })) {
    const clip = join(folder, "clips", String(++number).padStart(2, "0"));
    mkdirSync(clip, { recursive: true });
    for (const [i, bytes] of frames.entries())
      writeFileSync(join(clip, `${String(i + 1).padStart(4, "0")}.jpg`), bytes);
  }
}

/** What lies in the folder before the first step of a page. */
async function given(page: string, folder: string): Promise<void> {
  if (page !== FILMS) return drawClips(folder);
  mkdirSync(join(folder, "films"));
  const film = { split: "train", emotions: ["joy", "sadness"], shots: 3 } as const;
  for (const [name, seed] of [
    ["monday", 11],
    ["tuesday", 12],
  ] as const)
    stageFilm({ ...film, path: join(folder, "films", name), seed });
  stageFilm({ ...film, path: join(folder, "evening"), seed: 13, split: "val", shots: 2 });
}

const FILMS = "docs/guide/own-videos.md";
if (!hasFfmpeg) console.log(`left out, ffmpeg is not installed: the steps of ${FILMS}`);

for (const page of [...sessions].filter((name) => hasFfmpeg || name !== FILMS)) {
  test(`${page}: every step can be followed, and prints what the page says`, () =>
    inTemporary(async (folder) => {
      await given(page, folder);
      let printed = "";
      for (const block of blocks.filter(({ file }) => file === page)) {
        if (block.info.includes("prints"))
          assert.is(notPrinted(block.text.trimEnd().split("\n"), printed), undefined, `line ${block.line}\n${printed}`);
        else printed = (await follow(block, folder)) || printed;
      }
    }));
}

const scripts: Record<string, string> = JSON.parse(readFileSync("package.json", "utf8")).scripts;

/** What is wrong with one typed line, or undefined. Lines that are not ours (`git clone …`) are right. */
async function fault(typed: string): Promise<string | undefined> {
  const words = typed
    .replace(/\s#.*$/, "")
    .trim()
    .split(/\s+/);
  if (words[0] === "npm") return npmFault(words.slice(1));
  if (words[0] === "npx" && words[1] === "emotionclip") return commandFault(words.slice(2));
  if (words[0] === "emotionclip") return commandFault(words.slice(1));
  if (words[0] === "node" && words[1] === "cli/launch/launch.mjs") return commandFault(words.slice(2));
  return undefined;
}

async function npmFault(words: readonly string[]): Promise<string | undefined> {
  if (["ci", "install", "i", "link"].includes(words[0])) return undefined;
  const [name, ...rest] = words[0] === "run" ? words.slice(1) : words;
  if (!Object.hasOwn(scripts, name)) return `package.json has no script ${name}`;
  const dashes = rest.indexOf("--");
  const flags = rest.slice(0, dashes < 0 ? rest.length : dashes).filter((word) => word.startsWith("-"));
  if (flags.length) return `npm keeps ${flags[0]} for itself; it must come after --`;
  return commandFault([name, ...(dashes < 0 ? [] : rest.slice(dashes + 1))]);
}

const context = { gpu: () => gpuOptions({}), run: runCommand };

/** The flags of the programs that are no subcommands. */
const programs: Record<string, readonly string[]> = {
  api: [],
  "stage-clip": [],
  "package-proof": ["--adapter", "--node", "--keep"],
  test: ["--adapter", "--only"],
  mutants: ["--adapter", "--filter", "--json"],
  golden: ["--adapter", "--filter", "--json", "--weights"],
  compositions: ["--adapter", "--runs", "--seed", "--path"],
  reliability: ["--adapter", "--kills", "--stride", "--from", "--damages", "--only", "--json"],
  soak: ["--adapter", "--minutes", "--steps", "--json"],
};

async function commandFault(words: readonly string[]): Promise<string | undefined> {
  const [name, ...rest] = words;
  if (name === undefined || name.startsWith("-") || name === "help") return undefined;
  const end = rest.indexOf("--");
  const typed = rest.slice(0, end < 0 ? rest.length : end).filter((word) => /^--?[a-z]/.test(word));
  const entry = commands.find((each) => each.name === name);
  if (!entry && !programs[name]) return `there is no command ${name}`;
  const known = new Set(entry ? flagsOf(await loaded(entry, context)) : programs[name]);
  const unknown = typed.map((word) => word.split("=")[0]).find((flag) => !known.has(flag));
  if (unknown) return `${name} has no flag ${unknown}`;
  return end < 0 || name !== "profile" ? undefined : commandFault(rest.slice(end + 1));
}

for (const { file, line, text } of blocks.filter(({ info }) => info[0] === "sh")) {
  test(`${file}:${line} names commands and flags that exist`, async () => {
    for (const typed of text.split("\n").flatMap((each) => each.split("&&")))
      assert.is(await fault(typed), undefined, typed);
  });
}

/** Anchors of a document, as its headings make them. */
const anchorsOf = (text: string) =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title
      .toLowerCase()
      .replace(/[^\w\s-]/g, "")
      .replace(/\s/g, "-"),
  );

test("links between the documents lead somewhere", () => {
  const adr = readdirSync(join("docs", "adr")).map((name) => `docs/adr/${name}`);
  for (const file of [...readersPages(), ...adr, "SECURITY.md", "CHANGELOG.md"])
    for (const [, link] of readFileSync(file, "utf8").matchAll(/\]\(([^)\s]+)\)/g)) {
      if (link.includes("://")) continue;
      const [path, anchor] = link.split("#");
      const target = path ? join(file, "..", path) : file;
      assert.ok(existsSync(target), `${file}: ${link}`);
      if (anchor) assert.ok(anchorsOf(readFileSync(target, "utf8")).includes(anchor), `${file}: ${link}`);
    }
});

test("the README has the places that messages send a reader to", () => {
  const readme = readFileSync("README.md", "utf8");
  for (const anchor of ["drivers", "exit-codes"]) assert.ok(anchorsOf(readme).includes(anchor), anchor);
  const codes = [...readFileSync("engine/errors.ts", "utf8").matchAll(/exitCode(?:: number)? = (\d+)/g)];
  for (const [, code] of codes) assert.match(readme, new RegExp(`^\\| ${code} \\| `, "m"));
  assert.ok(codes.length >= 6);
});

test("a command or flag that does not exist is a fault", async () => {
  assert.is(await fault("npm strat"), "package.json has no script strat");
  assert.is(await fault("emotionclip docter"), "there is no command docter");
  assert.is(await fault("emotionclip doctor --jason"), "doctor has no flag --jason");
  assert.is(await fault("npm test --only kernels"), "npm keeps --only for itself; it must come after --");
  assert.is(await fault("npm test -- --only kernels  # two minutes"), undefined);
  assert.is(await fault("npx emotionclip doctor --json"), undefined);
  assert.is(await fault("git clone --depth 1 x"), undefined);
});

test.run();
