// The GPU under a training: lost at a submit, hung, without memory; and numbers that are none.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hungDevice, lostDevice, outOfMemory, poisonedUploads } from "./hooks.ts";
import { type Finding, firstFault, nothingTried, type Row, type Scale, Tally, triedOf } from "./row.ts";
import { difference, type Ended, finished, lastLines, runFolder, site, train } from "./site.ts";

/** Exit code 4 with a sentence and no stack. */
const gpuFault = (ended: Ended, message: RegExp): string | undefined =>
  firstFault(
    [ended.code !== 4, `exit code ${ended.code}: ${lastLines(ended)}`],
    [!message.test(ended.err), lastLines(ended)],
    [/^\s+at |This is a bug/m.test(ended.err), "a stack"],
  );

/** Checkpoints of a run of the tiny preset. */
const saves = 10;

export const lost: Row = {
  name: "device lost",
  bar: "before or after each submit: restarted from the last checkpoint, same bits; without --restarts exit 4",
  async measure(scale: Scale): Promise<Finding> {
    const tally = new Tally();
    const counting = await train({ hook: lostDevice({ at: 0, when: "before" }) });
    if (counting.code !== 0) return { measured: lastLines(counting), ok: false };
    const submits = Number(/submits: (\d+)/.exec(counting.err)?.[1]);
    const between = Math.ceil(submits / saves);
    const nothing = nothingTried("submits", submits, between, scale);
    if (nothing) return nothing;
    let losses = 0;
    for (const at of triedOf(between, scale))
      for (const when of ["before", "after"] as const) {
        const folder = site("lost");
        const hook = lostDevice({ at, when, beyond: between, times: saves });
        const ended = await train({ folder, flags: ["--restarts", `${saves}`], hook });
        const said = ended.err.match(/the GPU was lost .*restart \d+ of \d/g)?.length ?? 0;
        losses += said;
        const few = `${said} restarts: ${lastLines(ended)}`;
        const fault = firstFault([said < saves / 2, few]) ?? (await difference(folder, ended));
        tally.note(`${when} submit ${at}, and every ${between} on`, fault);
      }
    tally.note("again and again", await boundedFault());
    return tally.finding(`runs, with ${losses} losses over ${submits} submits in all: same bits`);
  },
};

/** A device that is lost every time ends the run after as many restarts as were asked for, and loses nothing. */
async function boundedFault(): Promise<string | undefined> {
  const folder = site("lost");
  const ended = await train({
    folder,
    flags: ["--restarts", "2"],
    hook: lostDevice({ at: 12, when: "before", times: 99 }),
  });
  const restarts = ended.err.match(/restart \d of 2/g)?.length;
  const none = await train({ flags: ["--restarts", "0"], hook: lostDevice({ at: 12, when: "before", times: 99 }) });
  return (
    gpuFault(ended, /^error: the GPU was lost/m) ??
    firstFault([restarts !== 2, `${restarts} restarts`]) ??
    gpuFault(none, /^error: the GPU was lost/m) ??
    finished(folder)
  );
}

export const hang: Row = {
  name: "hang",
  bar: "no progress for --gpu-deadline: exit 4 that names the step, the checkpoint before is good",
  async measure(): Promise<Finding> {
    const tally = new Tally();
    for (const n of [1, 20, 60]) {
      const folder = site("hang");
      const ended = await train({ folder, flags: ["--gpu-deadline", "2"], hook: hungDevice(n) });
      tally.note(`map ${n}`, gpuFault(ended, /^error: .*no progress/m) ?? (await finished(folder)));
    }
    return tally.finding("hangs ended with exit 4 and went on to the same bits");
  },
};

export const memory: Row = {
  name: "out of memory",
  bar: "at the 1st, 2nd and 5th large buffer: never exit 0 with another result",
  async measure(): Promise<Finding> {
    const tally = new Tally();
    for (const n of [1, 2, 5]) {
      const folder = site("memory");
      const ended = await train({ folder, hook: outOfMemory(n, 2 ** 14) });
      tally.note(`buffer ${n}`, gpuFault(ended, /^error: .*GPU/m) ?? (await finished(folder)));
    }
    const small = await train({ flags: ["--gpu-memory", "300K"] });
    tally.note("--gpu-memory 300K", gpuFault(small, /^error: .*(does not fit|budget)/m));
    return tally.finding("ended with exit 4 and went on to the same bits");
  },
};

/** Bytes of the table, once a step, by which the device makes floats of a batch's frames: three colours of 256 values. */
const frames = 4 * 3 * 256;

export const numbers: Row = {
  name: "not a number",
  bar: "in data: the step skipped, said, counted; three in a row: exit 5, gone on with from the last checkpoint",
  async measure(): Promise<Finding> {
    const tally = new Tally();
    const once = site("nan");
    const ended = await train({ folder: once, hook: poisonedUploads(5, 5, frames) });
    tally.note("one batch", skipFault(ended, once));
    const folder = site("nan");
    const sick = await train({ folder, hook: poisonedUploads(5, 7, frames) });
    const after = await train({ folder });
    const fault = firstFault(
      [sick.code !== 5, `exit code ${sick.code}: ${lastLines(sick)}`],
      [after.code !== 0, `gone on with: ${lastLines(after)}`],
    );
    tally.note("three batches in a row", fault);
    return tally.finding("were skipped and counted, or ended with exit 5");
  },
};

function skipFault(ended: Ended, folder: string): string | undefined {
  const path = join(runFolder(folder), "results.json");
  const { skipped } = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { skipped: undefined };
  const [newest = ""] = ended.err.match(/step 5 skipped: .*clips .*/) ?? [];
  const manifest = join(runFolder(folder), "ckpt-00000020", "manifest.json");
  const kept = existsSync(manifest) ? JSON.parse(readFileSync(manifest, "utf8")).state.skipped : [];
  return firstFault(
    [ended.code !== 0, `exit code ${ended.code}: ${lastLines(ended)}`],
    [newest === "", "nothing was said"],
    [skipped?.count !== 1, `results.json counts ${skipped?.count}`],
    [kept.length !== 1, "the checkpoint has no count"],
  );
}
