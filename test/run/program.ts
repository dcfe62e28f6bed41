// Starts a bundled program as a user would, in a process of its own, and waits for it.
import { spawn } from "node:child_process";

/** What a program left behind. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where a program runs, if not in the project's folder, and what is added to our environment. */
export interface Place {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** ms after which a program is killed (code null). */
const patience = 300_000;

/** Runs `node script ...args` in the project's folder with our environment, and so on the same adapter. */
export function runProgram(script: string, args: readonly string[] = [], { cwd, env }: Place = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--enable-source-maps", script, ...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: patience,
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (text) => (stdout += text));
    child.stderr.on("data", (text) => (stderr += text));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}
