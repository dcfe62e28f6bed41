// Which scopes are open, and which of them is the innermost of the task that asks. A host that can tell asynchronous tasks
// apart gives a store (engine/host); without one there is one task, and scopes end in the order opposite to their opening.
import { noteChange } from "./shown.ts";
import type { Owner, Value } from "./value.ts";

/** A scope as others see it: what encloses it, and what it has yet to run. */
export interface OpenScope extends Owner {
  /** The scope that encloses it in its task; an ended one stands for its own. */
  readonly outer: OpenScope | undefined;
  /** Something recorded and not yet run reads or writes this memory, or only writes it where `isWritten` is false. */
  touches(value: Value, isWritten: boolean): boolean;
  /** Notes that this memory changed. */
  note(value: Value): void;
  /** Nothing is left to do in the program, and it is still open: whoever waits for what it reads is told so. */
  starve(): void;
}

/** A variable of an asynchronous task: what one task sets, others do not see. */
export interface TaskStore {
  get(): unknown;
  set(value: unknown): void;
}

/** Of the process: all open scopes, and where each task keeps its innermost. */
const open = new Set<OpenScope>();
const oneTask = (): TaskStore => {
  let value: unknown;
  return { get: () => value, set: (next) => (value = next) };
};
let store = oneTask();
let tellsTasksApart = false;

/** Keeps the innermost scope of each task in `given`, and hears of `idle`; done once, when a device is opened. */
export function useTaskStore(given: TaskStore | undefined, idle?: (act: () => void) => void): void {
  if (!given || tellsTasksApart) return;
  given.set(store.get());
  store = given;
  idle?.(() => {
    for (const scope of open) scope.starve();
  });
  tellsTasksApart = true;
}

/** The innermost open scope of this task. */
export function innermost(): OpenScope | undefined {
  const scope = store.get() as OpenScope | undefined;
  return scope?.ended ? scope.outer : scope;
}

export function enter(scope: OpenScope): void {
  open.add(scope);
  store.set(scope);
}

/** Takes an ended scope away; false where another one is open inside it and tasks cannot be told apart. */
export function leave(scope: OpenScope): boolean {
  open.delete(scope);
  if (store.get() !== scope && innermost() !== scope.outer) return tellsTasksApart;
  store.set(scope.outer);
  return true;
}

/** Runs what this task has recorded, and what others have that touches `value`. */
export function flushFor(value: Value): void {
  for (let scope = innermost(); scope; scope = scope.outer) scope.flush(false);
  meet(value, true, undefined);
}

/**
 * Before `by` reads or writes memory (undefined: before it is done at once, on the device): runs what other open scopes
 * have recorded earlier and must have done before.
 */
export function meet(value: Value, isWritten: boolean, by: OpenScope | undefined): void {
  if (open.size === 0 || (by && open.size === 1)) return;
  for (const scope of open) if (scope !== by && scope.touches(value, isWritten)) scope.flush(false);
}

/** Tells every open scope that memory changes. */
export function noteWrite(value: Value): void {
  noteChange();
  for (const scope of open) scope.note(value);
}
