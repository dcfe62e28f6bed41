// SIGKILL at any moment: half of them at random, half while a checkpoint is being written.
import { existsSync, readdirSync } from "node:fs";
import type { ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { type Finding, firstFault, type Row, type Scale, Tally } from "./row.ts";
import { emotionclip, finished, runFolder, site, train, until } from "./site.ts";

/** Kills that one run takes before it is let through. */
const perRun = 5;

export const kills: Row = {
  name: "kill",
  bar: "every SIGKILL resumed: same bits, log and files, 0 torn, 0 left over",
  async measure({ kills: count }: Scale): Promise<Finding> {
    const whole = site("whole");
    const { seconds } = await train({ folder: whole });
    const wanted = await digestOf(whole);
    const tally = new Tally();
    const random = seeded(1);
    while (tally.tried < count) {
      const folder = site("kill");
      const most = Math.min(perRun, count - tally.tried);
      let done = 0;
      while (done < most && (await killedOnce(folder, (tally.tried + done) % 2 === 1, () => seconds * random())))
        done++;
      const fault = (await finished(folder)) ?? (await digestFault(folder, wanted));
      for (let k = 0; k < done; k++) tally.note("a run", k === 0 ? fault : undefined);
      if (done === 0 && fault) tally.note("a run that no kill met", fault);
    }
    return tally.finding("kills resumed to the same bits, log and files");
  },
};

/** Starts the run and kills it, `when` seconds later or soon after a checkpoint began; false where it ended before. */
async function killedOnce(folder: string, isAimed: boolean, when: () => number): Promise<boolean> {
  let isDead = false;
  await train({
    folder,
    meanwhile: async (child) => {
      if (isAimed) await until(child, () => isSaving(folder), 1);
      await sleep((isAimed ? 10 : 1000) * when());
      isDead = killed(child);
    },
  });
  return isDead;
}

const killed = (child: ChildProcess) => child.exitCode === null && child.kill("SIGKILL");

/** A checkpoint lies there under its temporary name. */
const isSaving = (folder: string) =>
  existsSync(runFolder(folder)) && readdirSync(runFolder(folder)).some((name) => /^ckpt-\d+\.tmp-/.test(name));

/** What the command says of a run. */
async function digestOf(folder: string): Promise<string> {
  const { code, out, err } = await emotionclip(["inspect", "--digest", "runs/tiny"], { folder });
  return code === 0 ? out.trim() : `exit code ${code}: ${err}`;
}

async function digestFault(folder: string, wanted: string): Promise<string | undefined> {
  const told = await digestOf(folder);
  return firstFault([!/^[0-9a-f]{64}$/.test(told) || told !== wanted, `inspect --digest says ${told}`]);
}

/** Numbers in [0, 1) from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), 1 | state);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}
