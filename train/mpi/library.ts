// An MPI library of the system, called through koffi: found by name or path, its calls one at a time, those that wait on a thread.
import { UsageError } from "../../engine/errors.ts";
import { type MpiFamily, familyOf } from "./family.ts";
import type { RankLaunch } from "./launcher.ts";

/** An MPI library that is loaded and not yet begun. Blocking calls come as functions that resolve with MPI's answer. */
export interface Library {
  readonly path: string;
  readonly family: MpiFamily;
  /** Answers at once. */
  now(name: CallName, ...values: unknown[]): void;
  /** Waits on another thread; calls come one after another, in the order in which they were asked for. */
  later(name: CallName, ...values: unknown[]): Promise<void>;
}

/** `H` is a handle, `p` an address, `i` a number. */
const calls = {
  MPI_Init_thread: "ppip",
  MPI_Finalize: "",
  MPI_Abort: "Hi",
  MPI_Comm_rank: "Hp",
  MPI_Comm_size: "Hp",
  MPI_Get_library_version: "pp",
  MPI_Barrier: "H",
  MPI_Bcast: "piHiH",
  MPI_Allgather: "piHpiHH",
  MPI_Allgatherv: "piHpppHH",
  MPI_Alltoall: "piHpiHH",
  MPI_Iprobe: "iiHpp",
  MPI_Send: "piHiiH",
  MPI_Recv: "piHiiHp",
} as const;

type CallName = keyof typeof calls;

/** Names under which the families lie on Linux and macOS. */
const names: Record<MpiFamily["name"], readonly string[]> = {
  "Open MPI": ["libmpi.so.40", "libmpi.so", "libmpi.40.dylib", "libmpi.dylib"],
  MPICH: ["libmpich.so.12", "libmpi.so.12", "libmpich.so", "libmpi.12.dylib", "libmpich.dylib"],
};

/** Bytes of the stack that koffi's threads get: with its own 128 KiB, MPICH crashes. */
const STACK = 1 << 20;

/**
 * Loads the library at `path`, or the one that fits the launcher. Errors: UsageError where there is none, or where it is not of the launcher's family: then
 * every process would be alone.
 */
export async function loadLibrary(launch: Pick<RankLaunch, "by">, path?: string): Promise<Library> {
  tameUcx();
  const koffi = await koffiItself();
  koffi.config({ ...koffi.config(), async_stack_size: STACK }); // before anything is loaded
  const failed: string[] = [];
  for (const name of path ? [path] : namesFor(launch)) {
    try {
      const library = koffi.load(name, { global: true }); // plugins of Open MPI look for its symbols among the global ones
      const family = familyOf((symbol) => library.symbol(symbol));
      const own = ownFamily(launch);
      if (own === undefined || own === family.name) return bound(library, family, name);
      failed.push(`${name}: of ${family.name}`);
    } catch (error) {
      failed.push(`${name}: ${(error as Error).message.split("\n")[0].slice(0, 200)}`);
    }
  }
  throw new UsageError(missingText(launch, path, failed));
}

/** UCX, under MPICH, would put its own memory functions and its own handler of faults into this process, which V8 does not survive every time. */
function tameUcx(): void {
  process.env.UCX_MEM_EVENTS ??= "n";
  process.env.UCX_ERROR_SIGNALS ??= "";
}

async function koffiItself() {
  try {
    return (await import("koffi")).default;
  } catch (error) {
    throw new UsageError(
      "several ranks need the package koffi, which calls MPI: it is optional, and missing here; npm install koffi@3.3.4\n" +
        `  ${(error as Error).message.split("\n")[0]}`,
    );
  }
}

const ownFamily = ({ by }: Pick<RankLaunch, "by">): MpiFamily["name"] | undefined =>
  by === "Open MPI" || by === "MPICH" ? by : undefined;

const namesFor = (launch: Pick<RankLaunch, "by">): readonly string[] => {
  const own = ownFamily(launch);
  return own ? names[own] : [...names["Open MPI"], ...names.MPICH];
};

function missingText(launch: Pick<RankLaunch, "by">, path: string | undefined, failed: readonly string[]): string {
  const own = ownFamily(launch);
  const what = own ? `${launch.by} started this, but its library was not found` : "no MPI library was found";
  const help =
    own === "MPICH" ? "Debian and Ubuntu: apt install mpich" : "Debian and Ubuntu: apt install openmpi-bin, or mpich";
  return `${path ? `--mpi: ${path} cannot be used: ` : ""}${what}\n  ${failed.join("\n  ")}\n  ${help}; --mpi names a library by its path`;
}

type Koffi = Awaited<ReturnType<typeof koffiItself>>;

function bound(library: ReturnType<Koffi["load"]>, family: MpiFamily, path: string): Library {
  const kinds = { H: family.handle, p: "void *", i: "int" };
  const functions = Object.fromEntries(
    Object.entries(calls).map(([name, takes]) => {
      return [
        name,
        library.func(
          name,
          "int",
          [...takes].map((kind) => kinds[kind as keyof typeof kinds]),
        ),
      ];
    }),
  );
  const check = (name: string, answer: number) => {
    if (answer !== 0) throw new Error(`${name} answered ${answer}`);
  };
  let last: Promise<unknown> = Promise.resolve();
  return {
    path,
    family,
    now: (name, ...values) => check(name, functions[name](...values)),
    later(name, ...values) {
      const call = () =>
        new Promise<number>((done, failed) =>
          functions[name].async(...values, (error: unknown, answer: number) => (error ? failed(error) : done(answer))),
        ).finally(() => values.length); // until then nothing that the call reads or writes may be collected
      const answered = last.then(call).then((answer) => check(name, answer));
      last = answered.catch(() => {}); // whoever asked hears of it
      return answered;
    },
  };
}
