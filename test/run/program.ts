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
  /** ms after which it is killed (code null). */
  readonly patience?: number;
}

/** ms after which a program is killed. */
const usual = 300_000;

/** Runs `node script ...args` in the project's folder with our environment, and so on the same adapter. */
export const runProgram = (script: string, args: readonly string[] = [], place: Place = {}): Promise<Outcome> =>
  runWords(process.execPath, ["--enable-source-maps", script, ...args], place);

/** Runs any command so; after `patience` ms it is killed. */
export function runWords(
  command: string,
  args: readonly string[],
  { cwd, env, patience = usual }: Place,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
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
