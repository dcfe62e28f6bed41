// Every access that the interpreter makes, watched: who raced with whom, and who waits at a barrier that others do not reach.
import { MemoryTracker, WorkgroupScheduler } from "wgsl_reflect/wgsl_reflect.module.js";

/** What was wrong: two accesses in no order, a barrier that only some invocations reach, an access outside a buffer. */
export interface Fault {
  readonly kind: "race" | "barrier" | "outside" | "other";
  /** A sentence that names the variable and the two lanes. */
  readonly text: string;
}

type Kind = "read" | "write" | "atomic";

/** One access: the invocation that made it, its workgroup, and the line of the text. */
interface Access {
  readonly group: number;
  readonly lane: number;
  readonly kind: Kind;
  readonly line: number;
}

/** The first two invocations that did something to a word. */
type Two = [first?: Access, second?: Access];

/** What was done to a word: in the current phase of the current workgroup, and by the first workgroup ever. */
interface Touch {
  group: number;
  phase: number;
  readonly now: Record<Kind, Two>;
  readonly first: Partial<Record<Kind, Access>>;
}

/** What an access of each kind may not meet. */
const foes: Record<Kind, readonly Kind[]> = {
  read: ["write", "atomic"],
  write: ["write", "read", "atomic"],
  atomic: ["write", "read"],
};

const kinds = ["read", "write", "atomic"] as const;

/** How the library knows an invocation. */
interface Invocation {
  readonly index: number;
  readonly state: number;
  readonly barrierNode: { readonly line: number } | null;
}

/** More accesses than a small case takes: the interpreter would be busy for minutes. */
const mostSteps = 3_000_000;

/** Watches all accesses during `run` of a text. The library's own check compares every two of a phase: minutes for a tile. */
export function watched(bytes: ReadonlyMap<string, number>, code: string, run: () => string[]): Fault[] {
  const faults = new Map<string, Fault>();
  const add = (kind: Fault["kind"], what: string, text: string) => {
    if (!faults.has(`${kind} ${what}`)) faults.set(`${kind} ${what}`, { kind, text });
  };
  const touches = new Map<string, Map<number, Touch>>();
  const groups = new Map<MemoryTracker, { index: number; phase: number }>();
  const groupOf = (tracker: MemoryTracker) =>
    groups.get(tracker) ?? groups.set(tracker, { index: groups.size, phase: 0 }).get(tracker)!;
  const lines = code.split("\n");
  let steps = 0;

  const undo = patched(MemoryTracker.prototype, {
    endPhase(this: MemoryTracker) {
      groupOf(this).phase++;
    },
    record(this: MemoryTracker, name: string, offset: number, size: number, kind: "read" | "write", atomic: boolean) {
      const limit = bytes.get(name);
      if (limit !== undefined && (offset < 0 || offset + size > limit))
        add("outside", `${kind} ${name}`, `${kind} of ${name} outside its ${limit} bytes`);
      const { index, phase } = groupOf(this);
      const does = atomic ? "atomic" : kind;
      const by: Access = { group: index, lane: this.currentInvocation, kind: does, line: this.currentLine };
      const words = touches.get(name) ?? touches.set(name, new Map()).get(name)!;
      for (let at = offset; at < offset + size; at += 4) {
        const touch = words.get(at) ?? words.set(at, untouched()).get(at)!;
        const foe = meets(touch, by, phase, limit !== undefined);
        if (!foe) continue;
        const place = `${name}, ${limit === undefined ? "word" : "element"} ${at / 4}`;
        add("race", name, raceText(place, foe, by, lines));
      }
    },
  });
  const restore = patched(WorkgroupScheduler.prototype, {
    _peek(this: unknown, invocation: unknown) {
      if (++steps > mostSteps) throw new Error(`more than ${mostSteps} steps`);
      return restore.before._peek.call(this, invocation);
    },
    _syncBarrier(this: { _invocations: Invocation[] }, parked: Invocation[]) {
      const split = divergence(this._invocations, parked, lines);
      if (split) add("barrier", "", split);
      return restore.before._syncBarrier.call(this, parked);
    },
  });
  try {
    for (const error of run()) if (!error.startsWith("Barrier divergence")) add("other", error, error);
  } finally {
    undo();
    restore();
  }
  return [...faults.values()];
}

const untouched = (): Touch => ({ group: -1, phase: 0, now: { read: [], write: [], atomic: [] }, first: {} });

/** Adds an access; returns the one before it that it races with: of the same phase, or in shared memory of another workgroup. */
function meets(touch: Touch, by: Access, phase: number, shared: boolean): Access | undefined {
  if (touch.group !== by.group || touch.phase !== phase) {
    touch.group = by.group;
    touch.phase = phase;
    for (const kind of kinds) touch.now[kind].length = 0;
  }
  const { now, first } = touch;
  let foe: Access | undefined;
  for (const kind of foes[by.kind]) {
    foe ??= now[kind].find((each) => each!.lane !== by.lane);
    if (shared && first[kind] && first[kind].group !== by.group) foe ??= first[kind];
  }
  const same = now[by.kind];
  if (same.length < 2 && same[0]?.lane !== by.lane) same.push(by);
  first[by.kind] ??= by;
  return foe;
}

/** Replaces methods of a library's class; returns what puts them back, with the methods themselves. */
export function patched<M extends Record<string, (...values: never[]) => unknown>>(of: object, methods: M) {
  const before = Object.fromEntries(Object.keys(methods).map((name) => [name, (of as M)[name]])) as unknown as {
    [K in keyof M]: (...values: unknown[]) => unknown;
  };
  Object.assign(of, methods);
  return Object.assign(() => void Object.assign(of, before), { before });
}

const verbs: Record<Kind, string> = { read: "reads", write: "writes", atomic: "atomically changes" };

const lineOf = (lines: readonly string[], line: number): string => {
  const text = lines[line - 1]?.trim();
  return text ? ` (${text.length > 60 ? `${text.slice(0, 57)}...` : text})` : "";
};

function raceText(place: string, a: Access, b: Access, lines: readonly string[]): string {
  const apart = a.group !== b.group;
  const does = ({ group, lane, kind, line }: Access) =>
    `${apart ? `workgroup ${group} ` : ""}lane ${lane} ${verbs[kind]} it${lineOf(lines, line)}`;
  return `race on ${place}: ${does(a)} and ${does(b)}, ${apart ? "and workgroups run in no order" : "with no barrier between"}`;
}

/** Says which lanes wait at a barrier that another does not reach. */
function divergence(
  all: readonly Invocation[],
  parked: readonly Invocation[],
  lines: readonly string[],
): string | undefined {
  const [one] = parked;
  const other =
    all.find((each) => !parked.includes(each)) ?? parked.find((each) => each.barrierNode !== one.barrierNode);
  if (!other) return undefined;
  const where = ({ barrierNode }: Invocation) => `line ${barrierNode!.line}${lineOf(lines, barrierNode!.line)}`;
  const elsewhere = other.barrierNode ? `waits at ${where(other)}` : "has ended";
  return `barrier in ${where(one)}: lane ${one.index} waits there, lane ${other.index} ${elsewhere}; all lanes of a workgroup reach each barrier, or none`;
}
