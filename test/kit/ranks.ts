// Starts a program as several ranks, with either family of MPI, where it is installed.
import { spawnSync } from "node:child_process";
import type { Test } from "uvu";
import * as assert from "uvu/assert";
import { type Outcome, type Place, runWords } from "../run/program.ts";

/** A family of MPI with the command that starts its ranks. */
export interface Launcher {
  readonly family: "Open MPI" | "MPICH";
  readonly command: string;
  readonly flags: readonly string[];
}

const all: readonly Launcher[] = [
  {
    family: "Open MPI",
    command: "mpirun.openmpi",
    flags: ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"],
  },
  { family: "MPICH", command: "mpirun.mpich", flags: [] },
];

/** Those that are installed here: Debian's openmpi-bin and mpich. */
export const launchers = all.filter(({ command }) => spawnSync(command, ["--version"]).error === undefined);

/** Those that are not. */
const missing = all.filter((each) => !launchers.includes(each));

/** A suite says which launchers it runs without: as skipped, or as failed where EMOTIONCLIP_NEEDS_MPI is set, as in continuous integration. */
export function coverLaunchers(tests: Test): void {
  const isNeeded = (process.env.EMOTIONCLIP_NEEDS_MPI ?? "") !== "";
  for (const { command, family } of missing) {
    const name = `${family} is not installed (${command})`;
    if (isNeeded) tests(name, () => assert.unreachable(`${name}: apt install ${packages[family]}`));
    else {
      console.log(`${name}: its tests are left out`);
      tests.skip(name, () => {});
    }
  }
}

const packages = { "Open MPI": "openmpi-bin", MPICH: "mpich" } as const;

/** ms after which a job is killed (code null). */
const patience = 240_000;

/** Runs `node script ...args` as so many ranks. */
export async function runRanks(
  { command, flags }: Launcher,
  ranks: number,
  script: string,
  args: readonly string[] = [],
  place: Place = {},
): Promise<Outcome & { readonly seconds: number }> {
  const began = performance.now();
  const words = [...flags, "-n", String(ranks), process.execPath, script, ...args];
  const outcome = await runWords(command, words, { patience, ...place });
  return { ...outcome, seconds: (performance.now() - began) / 1000 };
}
