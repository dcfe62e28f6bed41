// Blocks of code in documents, and which of them are programs that a reader would run.
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** A fenced block of code. */
interface Block {
  readonly file: string;
  readonly line: number;
  /** The words after the fence: language, then marks. */
  readonly info: readonly string[];
  readonly text: string;
}

/** The fenced code blocks of a document. */
function blocksOf(file: string, document: string): Block[] {
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
const documents = (): string[] =>
  ["README.md", "CONTRIBUTING.md", ...pagesIn("docs"), ...pagesIn("docs/guide")].filter((path) => existsSync(path));

/** A program of a page: a block and those that go on with it. */
export interface PageProgram {
  readonly file: string;
  readonly line: number;
  readonly text: string;
  /** Whether its page runs commands too, and so needs the files that they make. */
  readonly needsFiles: boolean;
}

/** The programs of all pages. In the README every ```ts block is one, elsewhere those marked ```ts run; ```ts run on goes on with the one before. */
export const allPrograms = (): PageProgram[] =>
  documents().flatMap((file) => programsOf(blocksOf(file, readFileSync(file, "utf8"))));

function programsOf(blocks: readonly Block[]): PageProgram[] {
  const needsFiles = blocks.some(({ info }) => info[0] === "sh" && info.includes("run"));
  const found: PageProgram[] = [];
  for (const { file, line, info, text } of blocks) {
    const before = found.at(-1);
    const isProgram = info[0] === "ts" && (file === "README.md" || info.includes("run"));
    if (isProgram && before && info.includes("on")) found[found.length - 1] = { ...before, text: before.text + text };
    else if (isProgram) found.push({ file, line, text, needsFiles });
  }
  return found;
}
