// Starts a bundled program as a user would, in a process of its own, and waits for it.
import { spawn } from "node:child_process";

/** What a program left behind. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs `node script ...args` in the project's folder, or another one, with our environment, and so on the same adapter.
 * @param patience ms after which it is killed (code null)
 */
export function runProgram(
  script: string,
  args: readonly string[] = [],
  patience = 300_000,
  cwd = process.cwd(),
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--enable-source-maps", script, ...args], {
      cwd,
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
