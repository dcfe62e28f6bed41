// A user's project: a folder that the package is installed in, and what a user does there. What fails is thrown with what was printed.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { transformSync } from "esbuild";
import { settings } from "../../cli/launch/bundle.mjs";
import { npm } from "../../cli/launch/install.mjs";

/** What a program printed and how it ended. */
export interface Ran {
  readonly status: number | null;
  readonly text: string;
}

export class Project {
  constructor(
    readonly folder: string,
    /** The Node that runs what is in it. */
    readonly node: string = process.execPath,
  ) {
    this.write("package.json", '{ "name": "user", "private": true }\n');
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true });
    writeFileSync(join(this.folder, path), text);
  }

  /** Runs a script of the project. */
  try(script: string, ...args: string[]): Ran {
    return ended(this.node, [script, ...args], this.folder);
  }

  /** The same; a failure is an error. Returns what it printed. */
  run(script: string, ...args: string[]): string {
    const { status, text } = this.try(script, ...args);
    if (status !== 0) throw new Error(`${script} ended with ${status}\n${text}`);
    return text;
  }

  /** TypeScript as Node runs it: types erased, `using` written out. Imports stay what they are. */
  runTypeScript(path: string, text: string): string {
    const { code } = transformSync(text, { loader: "ts", format: "esm", target: settings.target });
    this.write(path, code);
    return this.run(path);
  }

  /** npm itself, of this Node where npm is a script. */
  npm(...words: string[]): string {
    const [program, first] = npm() as [string, string[]];
    const quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];
    const { status, text } = ended(first.length ? this.node : program, [...first, ...words, ...quiet], this.folder);
    if (status !== 0) throw new Error(`npm ${words.join(" ")} ended with ${status}\n${text}`);
    return text;
  }
}

function ended(program: string, args: readonly string[], cwd: string): Ran {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: "utf8", timeout: 600_000 });
  return { status, text: `${error?.message ?? ""}${stdout}${stderr}` };
}
