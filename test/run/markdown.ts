// Blocks of code in documents, and the programs that a reader would run.
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** A fenced block of code. */
export interface Block {
  readonly file: string;
  readonly line: number;
  /** The words after the fence: language, then marks. */
  readonly info: readonly string[];
  readonly text: string;
}

/** The fenced code blocks of a document. */
export function blocksOf(file: string, document: string): Block[] {
  const found = document.matchAll(/^```([^\n`]*)\n([\s\S]*?)^```\s*$/gm);
  return [...found].map(({ 1: info, 2: text, index }) => ({
    file,
    line: document.slice(0, index).split("\n").length,
    info: info.trim().split(/\s+/),
    text,
  }));
}

/** Pages of a folder, in the order of their names. */
const pagesIn = (folder: string) =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith(".md"))
        .sort()
        .map((name) => `${folder}/${name}`)
    : [];

/** What a reader reads: the README, how to contribute, and docs. */
export const readersPages = (): string[] =>
  ["README.md", "CONTRIBUTING.md", "bench/RESULTS.md", ...pagesIn("docs"), ...pagesIn("docs/guide")].filter((path) =>
    existsSync(path),
  );

/** All blocks of those. */
export const allBlocks = (): Block[] => readersPages().flatMap((file) => blocksOf(file, readFileSync(file, "utf8")));

/** What a page runs: a block and those that go on with it, and what it is said to print. */
export interface PageProgram {
  readonly file: string;
  readonly line: number;
  readonly text: string;
  readonly prints: readonly string[];
}

/**
 * The programs of a page. In the README every ```ts block is one, elsewhere those marked ```ts run; ```ts run on goes on with the one
 * before. A block ```text prints shows lines of its output, in their order; … stands for anything.
 */
export function programsOf(blocks: readonly Block[]): PageProgram[] {
  const found: PageProgram[] = [];
  for (const { file, line, info, text } of blocks) {
    const before = found.at(-1);
    const isProgram = info[0] === "ts" && (file === "README.md" || info.includes("run"));
    if (isProgram && before && info.includes("on")) found[found.length - 1] = { ...before, text: before.text + text };
    else if (isProgram) found.push({ file, line, text, prints: [] });
    if (info.includes("prints") && before?.file === file)
      found[found.length - 1] = { ...before, prints: [...before.prints, ...text.trimEnd().split("\n")] };
  }
  return found;
}

/** Pages whose commands are run, with their programs between them: those that have ```sh run. */
export const sessionsIn = (blocks: readonly Block[]): Set<string> =>
  new Set(blocks.filter(({ info }) => info[0] === "sh" && info.includes("run")).map(({ file }) => file));
