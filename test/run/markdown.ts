// Blocks of code in documents, and which of them are programs that a reader would run.
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
export const documents = (): string[] =>
  ["README.md", "CONTRIBUTING.md", ...pagesIn("docs"), ...pagesIn("docs/guide")].filter((path) => existsSync(path));

/** All their blocks. */
export const allBlocks = (): Block[] => documents().flatMap((file) => blocksOf(file, readFileSync(file, "utf8")));

/** In the README every ```ts block is run; elsewhere those marked ```ts run. */
export const isProgram = ({ file, info }: Block): boolean =>
  info[0] === "ts" && (file === "README.md" || info.includes("run"));
