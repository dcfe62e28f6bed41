// The checks that are programs of their own: types, format and lint. Each is one child process and one line.
import { spawn } from "node:child_process";
import { join } from "node:path";

/** A check that runs before the tests. */
export interface Step {
  readonly name: string;
  /** The script of a package, relative to node_modules, and its arguments. */
  readonly script: string;
  readonly args: readonly string[];
}

/** In order; each counts as one in the totals. */
export const steps: readonly Step[] = [
  { name: "types", script: "typescript/bin/tsc", args: ["--noEmit", "-p", "."] },
  {
    name: "format and lint",
    script: "@biomejs/biome/bin/biome",
    args: ["check", "--error-on-warnings", "--colors=off"],
  },
];

/** Runs a step in the project's folder: its output, and whether it passed. */
export function runStep(step: Step, root: string): Promise<{ passed: boolean; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(root, "node_modules", step.script), ...step.args], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 300_000,
    });
    let output = "";
    child.stdout.on("data", (text) => (output += text));
    child.stderr.on("data", (text) => (output += text));
    child.on("error", (error) => resolve({ passed: false, output: error.message }));
    child.on("close", (code) => resolve({ passed: code === 0, output: output.trim() }));
  });
}
