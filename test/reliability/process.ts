// The process of a training: signals, closed streams, a second process, a frozen one, a wrong clock, odd surroundings.
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { checkpointSteps } from "../../model/checkpoint/folder.ts";
import { failingDisk, wrongClock } from "./hooks.ts";
import { type Finding, firstFault, type Row, Tally } from "./row.ts";
import { difference, finished, lastLines, type Launch, logged, runFolder, site, train, until } from "./site.ts";

export const signals: Row = {
  name: "signals",
  bar: "first: a checkpoint, exit 130 or 143 within 10 s; second: within 1 s; then the same bits",
  async measure(): Promise<Finding> {
    const tally = new Tally();
    for (const [signal, code] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      const folder = site("signal");
      let sent = 0;
      const { code: found } = await train({
        folder,
        meanwhile: async (child) => {
          if (await until(child, () => logged(folder) >= 5)) child.kill(signal);
          sent = performance.now();
        },
      });
      const seconds = (performance.now() - sent) / 1000;
      const [step] = await checkpointSteps(runFolder(folder));
      const fault = firstFault(
        [found !== code, `exit code ${found}`],
        [seconds > 10, `${seconds.toFixed(1)} s`],
        [step !== logged(folder), `the checkpoint is of step ${step}, the log of ${logged(folder)}`],
      );
      tally.note(signal, fault ?? (await finished(folder)));
    }
    tally.note("a second signal", await secondSignal());
    return tally.finding("stops as promised, resumed to the same bits");
  },
};

/** The second comes while a checkpoint waits for a slow disk. */
async function secondSignal(): Promise<string | undefined> {
  const folder = site("signals");
  let sent = 0;
  const ended = await train({
    folder,
    hook: failingDisk({ folder: join("runs", "tiny", "ckpt-"), at: 0, code: "", late: 5000 }),
    meanwhile: async (child) => {
      await until(child, () => logged(folder) >= 2);
      child.kill("SIGINT");
      await sleep(1500);
      child.kill("SIGINT");
      sent = performance.now();
    },
  });
  const seconds = (performance.now() - sent) / 1000;
  return (
    firstFault([ended.code !== 130, `exit code ${ended.code}`], [seconds > 1, `${seconds.toFixed(1)} s`]) ??
    finished(folder)
  );
}

export const closedStreams: Row = {
  name: "EPIPE",
  bar: "stdout or stderr closed: training goes on, exit 0, same bits",
  async measure(): Promise<Finding> {
    const tally = new Tally();
    for (const stream of ["stdout", "stderr"] as const) {
      const folder = site("pipe");
      const ended = await train({ folder, meanwhile: (child) => child[stream]!.destroy() });
      tally.note(stream, await difference(folder, ended));
    }
    return tally.finding("closed streams outlived");
  },
};

export const lock: Row = {
  name: "lock",
  bar: "a second process: exit 7 within 2 s, with pid and host; a dead owner is taken over with one line",
  async measure(): Promise<Finding> {
    const tally = new Tally();
    const folder = site("lock");
    let fault: string | undefined = "the first run ended before";
    let seconds = 0;
    await train({
      folder,
      hook: failingDisk({ folder: join("runs", "tiny", "ckpt-"), at: 0, code: "", late: 1000 }),
      meanwhile: async (child) => {
        if (!(await until(child, () => logged(folder) >= 1))) return;
        const second = await train({ folder });
        seconds = second.seconds;
        fault = firstFault(
          [second.code !== 7, `exit code ${second.code}: ${lastLines(second)}`],
          [seconds > 2, `${seconds.toFixed(1)} s`],
          [!second.err.includes(`process ${child.pid} on ${hostname()}`), lastLines(second)],
        );
        child.kill("SIGKILL");
      },
    });
    tally.note("a second process", fault);
    const after = await train({ folder });
    const notices = after.err.match(/ended without releasing its lock; taken over/g)?.length;
    tally.note("a dead owner", firstFault([notices !== 1, `${notices} notices`]) ?? (await difference(folder, after)));
    return tally.finding(`locks held and taken over, refused in ${seconds.toFixed(1)} s`);
  },
};

export const frozen: Row = {
  name: "frozen process",
  bar: "SIGSTOP for longer than the GPU's deadline, then SIGCONT: goes on, same bits",
  async measure(): Promise<Finding> {
    const tally = new Tally();
    const folder = site("frozen");
    const ended = await train({
      folder,
      flags: ["--gpu-deadline", "2"],
      meanwhile: async (child) => {
        for (const most of [3, 9]) {
          await until(child, () => logged(folder) >= most);
          child.kill("SIGSTOP");
          await sleep(4000);
          child.kill("SIGCONT");
        }
      },
    });
    tally.note("frozen twice", await difference(folder, ended));
    return tally.finding("runs went on to the same bits");
  },
};

export const clocks: Row = {
  name: "clock",
  bar: "a day back, 2038, and a clock that runs backwards: same bits",
  async measure(): Promise<Finding> {
    const tally = new Tally();
    const cases: [string, string][] = [
      ["a day back", wrongClock(-86_400)],
      ["2038", wrongClock(12 * 365 * 86_400)],
      ["backwards", wrongClock(0, -60)],
    ];
    for (const [name, hook] of cases) {
      const folder = site("clock");
      tally.note(name, await difference(folder, await train({ folder, hook })));
    }
    const folder = site("clock");
    await train({
      folder,
      meanwhile: async (child) => (await until(child, () => logged(folder) > 7)) && child.kill("SIGKILL"),
    });
    tally.note("resumed a day before", await difference(folder, await train({ folder, hook: wrongClock(-86_400) })));
    return tally.finding("clocks, same bits");
  },
};

/** Every one of them, and all together. */
const surroundings: readonly [string, Launch][] = [
  ["TZ", { env: { TZ: "Pacific/Chatham" } }],
  ["LC_ALL", { env: { LC_ALL: "tr_TR.UTF-8", LANG: "tr_TR.UTF-8" } }],
  ["no HOME", { env: { HOME: undefined, XDG_CACHE_HOME: undefined } }],
  ["one pool thread", { env: { UV_THREADPOOL_SIZE: "1" } }],
];

const odd = (): [string, Launch][] => [
  ...surroundings,
  ["64 files", { under: ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"] }],
  ...["with space", 'it\'s "quoted"', "100%41", "-n", "ünïcode 情感 🙂"].map((name): [string, Launch] => [
    name,
    { folder: site(name) },
  ]),
];

export const environment: Row = {
  name: "environment",
  bar: "TZ, LC_ALL, no HOME, 1 pool thread, 64 files, names with spaces, quotes, %, -, other scripts: same bits",
  async measure(): Promise<Finding> {
    const tally = new Tally();
    for (const [name, launch] of odd()) {
      const folder = launch.folder ?? site("odd");
      tally.note(name, await difference(folder, await train({ ...launch, folder })));
    }
    return tally.finding("surroundings, same bits");
  },
};
