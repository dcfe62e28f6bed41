// Two things at once: what befalls a run that is already recovering, ending, or going on with other settings.
import { cpSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { failingDisk, lostDevice } from "./hooks.ts";
import { type Finding, firstFault, type Row, type Scale, Tally, triedOf } from "./row.ts";
import {
  difference,
  differenceTo,
  type Ended,
  finished,
  lastLines,
  logged,
  site,
  stateOf,
  train,
  until,
} from "./site.ts";

const place = join("runs", "tiny");

/** Calls by which a file takes its name: opened, written, flushed, renamed. */
const callsOfFile = 4;

export const pairs: Row = {
  name: "two at once",
  bar: "killed or stopped in a restart, a disk full at the end, killed while settings are overridden: same bits",
  async measure(scale: Scale): Promise<Finding> {
    const tally = new Tally();
    for (const signal of ["SIGKILL", "SIGTERM"] as const)
      for (const part of [0, 0.1, 0.3]) tally.note(`${signal} in a restart`, await endedRestart(signal, part));
    for (const file of ["ckpt-00000020", "checkpoint.safetensors", "results.json"])
      for (const at of triedOf(callsOfFile, scale)) tally.note(`${file} full at ${at}`, await fullAtTheEnd(file, at));
    const overriding = await overridden();
    for (const file of ["overrides.jsonl", "config.json"])
      for (const at of triedOf(callsOfFile, scale)) tally.note(`${file} killed at ${at}`, await overriding(file, at));
    return tally.finding("pairs of faults, same bits");
  },
};

/** A signal, some seconds after the GPU was lost and said to be opened again. */
async function endedRestart(signal: "SIGKILL" | "SIGTERM", seconds: number): Promise<string | undefined> {
  const folder = site("restart");
  let sent = 0;
  const ended = await train({
    folder,
    hook: lostDevice({ at: 700, when: "after" }),
    meanwhile: async (child) => {
      let said = "";
      child.stderr!.on("data", (text) => (said += text));
      await until(child, () => said.includes("restart 1 of"));
      await sleep(1000 * seconds);
      child.kill(signal);
      sent = performance.now();
    },
  });
  const late = (performance.now() - sent) / 1000;
  const code = signal === "SIGTERM" ? 143 : null;
  return (
    firstFault([ended.code !== code, `exit code ${ended.code}: ${lastLines(ended)}`], [late > 10, `${late} s`]) ??
    finished(folder)
  );
}

/** No space at a call on a file that is written when all steps are done. */
async function fullAtTheEnd(file: string, at: number): Promise<string | undefined> {
  const folder = site("end");
  const ended = await train({ folder, hook: failingDisk({ folder: join(place, file), at, code: "ENOSPC" }) });
  if (ended.code === 0) return difference(folder, ended); // overcome: it was a look at what is there
  return (
    firstFault(
      [ended.code !== 6, `exit code ${ended.code}: ${lastLines(ended)}`],
      [!ended.err.includes(file), `no path: ${lastLines(ended)}`],
    ) ?? finished(folder)
  );
}

/** Goes on with other settings, is killed at a call on a file, and goes on by the same command. */
async function overridden(): Promise<(file: string, at: number) => Promise<string | undefined>> {
  const base = site("base");
  await train({
    folder: base,
    meanwhile: async (child) => (await until(child, () => logged(base) > 7)) && child.kill("SIGKILL"),
  });
  const flags = ["--lr", "0.002", "--override", "lr"];
  const begun = (): string => {
    const folder = site("override");
    cpSync(base, folder, { recursive: true });
    return folder;
  };
  const goneOn = async (folder: string): Promise<Ended> => train({ folder, flags });
  const whole = begun();
  await goneOn(whole);
  const wanted = await stateOf(whole);
  return async (file, at) => {
    const folder = begun();
    const hook = failingDisk({ folder: join(place, file), at, code: "SIGKILL" });
    const killed = await train({ folder, flags, hook });
    const after = await goneOn(folder);
    return (
      firstFault(
        [killed.code !== null, `not killed: exit code ${killed.code}`],
        [after.code !== 0, lastLines(after)],
        [!wanted.includes('"overridden":["lr '), "the log does not tell it"],
      ) ?? differenceTo(wanted, folder)
    );
  };
}
