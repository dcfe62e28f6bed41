// What is put under a training before it starts: a disk, a GPU or a clock that fails. Each is the text of a module that Node imports
// first, so the program itself knows nothing of it.

const settingsOf = (settings: object) => `const given = ${JSON.stringify(settings)};`;

export interface DiskFault {
  /** Calls on paths with this in them count. */
  readonly folder: string;
  /** The call that fails; 0 is none. */
  readonly at: number;
  /** A system error's code, or SIGKILL instead of the call. */
  readonly code: string;
  /** ms by which each flush is late. */
  readonly late?: number;
}

/** Counts calls on a folder, and fails one. The number of calls is told on the standard error at the end. */
export const failingDisk = (fault: DiskFault): string => `
  import fs from "node:fs";
  import { syncBuiltinESMExports } from "node:module";
  import { setTimeout as sleep } from "node:timers/promises";
  ${settingsOf(fault)}
  let calls = 0;
  const meet = (op, path) => {
    if (!String(path).includes(given.folder) || ++calls !== given.at) return;
    if (given.code === "SIGKILL") { process.kill(process.pid, "SIGKILL"); for (;;); }
    throw Object.assign(new Error(given.code + ": made up, " + op), { code: given.code, syscall: op, path: String(path) });
  };
  const { promises } = fs;
  for (const op of ["mkdir", "rename", "rm", "rmdir", "unlink", "truncate", "utimes", "readdir", "readFile", "stat", "statfs", "writeFile"]) {
    const before = promises[op];
    promises[op] = async (path, ...rest) => { meet(op, path); return before(path, ...rest); };
  }
  const { open } = promises;
  promises.open = async (path, ...rest) => {
    meet("open", path);
    const handle = await open(path, ...rest);
    for (const op of ["write", "sync", "read", "truncate"]) {
      const before = handle[op].bind(handle);
      handle[op] = async (...args) => {
        meet(op, path);
        if (op === "sync" && given.late && String(path).includes(given.folder)) await sleep(given.late);
        return before(...args);
      };
    }
    return handle;
  };
  syncBuiltinESMExports();
  process.on("exit", () => fs.writeSync(2, "calls on the disk: " + calls + "\\n"));`;

/** The package webgpu, wherever the training runs. */
const webgpu = `
  import { pathToFileURL } from "node:url";
  const { globals } = await import(pathToFileURL(process.env.EMOTIONCLIP_ROOT + "/node_modules/webgpu/index.js"));
  const wrap = (type, name, with_) => {
    const before = globals[type].prototype[name];
    globals[type].prototype[name] = function (...given) { return with_.call(this, before.bind(this), ...given); };
  };`;

export interface Losses {
  /** The submit of the first device. */
  readonly at: number;
  readonly when: "before" | "after";
  /** Devices in a row that are lost; 1. */
  readonly times?: number;
  /** Submits that each later one makes beyond `at`; 0. */
  readonly beyond?: number;
}

/** Loses devices at a submit of theirs, and lets no restart wait: nothing here needs time to come back. At 0 it only counts submits. */
export const lostDevice = ({ at, when, times = 1, beyond = 0 }: Losses): string => `${webgpu}
  import timers from "node:timers/promises";
  import { syncBuiltinESMExports } from "node:module";
  ${settingsOf({ at, when, times, beyond })}
  const wait = timers.setTimeout;
  timers.setTimeout = (ms, ...rest) => wait(ms / 100, ...rest);
  syncBuiltinESMExports();
  let [device, devices, submits] = [undefined, 0, 0];
  wrap("GPUAdapter", "requestDevice", async (before, ...args) => {
    [device, submits] = [await before(...args), 0];
    devices++;
    return device;
  });
  wrap("GPUQueue", "submit", (before, ...args) => {
    const isNow = ++submits === given.at + (devices > 1 ? given.beyond : 0) && devices <= given.times;
    if (isNow && given.when === "before") device.destroy();
    before(...args);
    if (isNow && given.when === "after") device.destroy();
  });
  process.on("exit", () => process.stderr.write("submits: " + submits + "\\n"));`;

/** From the n-th map on nothing of the GPU comes back. */
export const hungDevice = (n: number): string => `${webgpu}
  ${settingsOf({ n })}
  let maps = 0;
  const hangs = () => new Promise(() => {});
  wrap("GPUBuffer", "mapAsync", (before, ...args) => (++maps > given.n ? hangs() : before(...args)));
  wrap("GPUQueue", "onSubmittedWorkDone", (before) => (maps > given.n ? hangs() : before()));`;

/** The n-th buffer of at least so many bytes is not to be had: the driver says out of memory, and the buffer is invalid. */
export const outOfMemory = (n: number, large: number): string => `${webgpu}
  ${settingsOf({ n, large })}
  let buffers = 0;
  wrap("GPUDevice", "createBuffer", function (before, wanted) {
    const isNow = wanted.size >= given.large && ++buffers === given.n;
    return before(isNow ? { ...wanted, size: 2 ** 52, label: "out of memory, made up" } : wanted);
  });`;

/** Uploads of exactly so many bytes are floats that all become NaN, from the n-th to the last of them. */
export const poisonedUploads = (from: number, to: number, bytes: number): string => `${webgpu}
  ${settingsOf({ from, to, bytes })}
  let uploads = 0;
  wrap("GPUQueue", "writeBuffer", (before, buffer, offset, data, at = 0, size) => {
    const isOne = (size ?? data.byteLength) === given.bytes && ++uploads >= given.from && uploads <= given.to;
    return isOne ? before(buffer, offset, new Float32Array(given.bytes / 4).fill(NaN)) : before(buffer, offset, data, at, size);
  });`;

/** A wall clock that is off by so many seconds, and jumps by so many more at every look. */
export const wrongClock = (off: number, jump = 0): string => `
  ${settingsOf({ off, jump })}
  const Real = Date;
  let looks = 0;
  const shifted = () => Real.now() + 1000 * (given.off + given.jump * looks++);
  globalThis.Date = class Date extends Real {
    constructor(...args) { if (args.length) super(...args); else super(shifted()); }
    static now() { return shifted(); }
  };`;
