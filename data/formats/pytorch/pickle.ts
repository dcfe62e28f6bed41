// Pickles, read without being run. The opcodes of a pickle are a program; here they build descriptions of what that program
// would make, names resolve by a list of what is allowed, and nothing is ever called (reliability: CVE-2025-32434 and its kin).
import { quoted } from "../json.ts";
import type { Cursor } from "./cursor.ts";
import { count, type Fail, Globals, isPlaceholder, setItem, storageDtype, unknownNames } from "./globals.ts";
import { Dict, Foreign, Global, kindOf, List, Real, TorchStorage, Tuple, type PickleValue } from "./values.ts";

/** Limits: objects made, values pushed, memo entries, open marks, bytes of a name and of a whole number. */
export const pickleLimits = {
  bytes: 64 * 2 ** 20,
  objects: 1_000_000,
  pushes: 4_000_000,
  memo: 1_000_000,
  depth: 1000,
  name: 1024,
  long: 1024,
} as const;

/** What one pickle holds. */
export interface Unpickled {
  readonly value: PickleValue;
  /** By key, each of its whole length. */
  readonly storages: Map<string, TorchStorage>;
  /** Names that are not among the allowed, with the number of placeholders that stand for what they would have made. */
  readonly unknown: ReadonlyMap<string, number>;
}

/** Persistent ids have five parts in archives; in legacy files a sixth says which part of a storage is meant. */
export type Style = "zip" | "legacy";

/** Reads one pickle from the cursor, to its STOP. `inert` names further classes to keep as data. */
export function unpickle(cursor: Cursor, style: Style, inert: readonly string[] = []): Unpickled {
  const machine = new Machine(cursor, style, inert);
  return { value: machine.run(), storages: machine.storages, unknown: machine.globals.unknown };
}

class Machine {
  readonly storages = new Map<string, TorchStorage>();
  private readonly stack: PickleValue[] = [];
  /** Heights of the stack where MARKs stand. */
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, PickleValue>();
  readonly globals: Globals;
  private pushes = 0;
  /** Where the opcode began that is being read, counted from the pickle's start. */
  private opcodeAt = 0;
  private objects = 0;
  /** A fault behind names that are not known may be theirs. */
  readonly fail: Fail = (what) => {
    const { unknown, doors } = this.globals;
    const names = doors.size ? doors : unknown.keys();
    return this.cursor.fail(unknown.size ? `${what}; the ${unknownNames(names, "", true)}` : what);
  };

  constructor(
    readonly cursor: Cursor,
    private readonly style: Style,
    inert: readonly string[],
  ) {
    this.globals = new Globals(inert, (what) => cursor.file.fail(what));
  }

  run(): PickleValue {
    const { cursor } = this;
    if (cursor.byte() !== PROTO) this.fail("does not begin with PROTO");
    const version = cursor.byte();
    if (version < 2 || version > 5) this.fail(`protocol ${version}; 2 to 5 are read`);
    for (;;) {
      this.opcodeAt = cursor.at - cursor.start;
      const code = cursor.byte();
      if (code === STOP) return this.finish();
      const run = opcodes.get(code);
      if (!run) this.refuse(code);
      run(this);
    }
  }

  private finish(): PickleValue {
    if (this.marks.length) this.fail("an open MARK at STOP");
    if (this.stack.length !== 1) this.fail(`${this.stack.length} values at STOP; 1 is right`);
    const { doors } = this.globals;
    if (doors.size) this.cursor.file.fail(unknownNames(doors, "", true));
    return this.stack[0];
  }

  private refuse(code: number): never {
    const name = refused.get(code);
    const found = name ? `opcode ${name}` : `opcode 0x${code.toString(16).padStart(2, "0")}`;
    return this.fail(`${found} at byte ${this.opcodeAt} is not among those that weights need`);
  }

  push(value: PickleValue): void {
    if (++this.pushes > pickleLimits.pushes) this.fail(`more than ${pickleLimits.pushes} values`);
    if (typeof value === "object" && value !== null && ++this.objects > pickleLimits.objects)
      this.fail(`more than ${pickleLimits.objects} objects`);
    this.stack.push(value);
  }

  /** The value on top, taken off. Nothing below the last MARK is in reach. */
  pop(): PickleValue {
    if (this.stack.length <= (this.marks.at(-1) ?? 0))
      this.fail(`the opcode at byte ${this.opcodeAt} finds no value on the stack`);
    return this.stack.pop()!;
  }

  /** The value on top. */
  top(): PickleValue {
    if (this.stack.length <= (this.marks.at(-1) ?? 0))
      this.fail(`the opcode at byte ${this.opcodeAt} finds no value on the stack`);
    return this.stack[this.stack.length - 1];
  }

  mark(): void {
    if (this.marks.push(this.stack.length) > pickleLimits.depth)
      this.fail(`more than ${pickleLimits.depth} open MARKs`);
  }

  /** The values since the last MARK, taken off. */
  popMark(): PickleValue[] {
    const from = this.marks.pop();
    return from === undefined
      ? this.fail(`the opcode at byte ${this.opcodeAt} finds no MARK`)
      : this.stack.splice(from);
  }

  remember(index: number): void {
    if (this.memo.size >= pickleLimits.memo && !this.memo.has(index))
      this.fail(`more than ${pickleLimits.memo} memo entries`);
    this.memo.set(index, this.top());
  }

  /** MEMOIZE numbers entries in the order in which they come. */
  memoize(): void {
    this.remember(this.memo.size);
  }

  recall(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) this.fail(`memo entry ${index} was never set`);
    if (++this.pushes > pickleLimits.pushes) this.fail(`more than ${pickleLimits.pushes} values`);
    this.stack.push(value); // not a new object
  }

  global(module: string, name: string): void {
    this.push(this.globals.find(module, name));
  }

  reduce(): void {
    const args = this.pop();
    const callable = this.pop();
    if (isPlaceholder(callable)) {
      this.push(this.globals.placeholder(callable.global, [callable, args]));
      return;
    }
    if (!(callable instanceof Global)) this.fail(`REDUCE of ${kindOf(callable)}`);
    if (!(args instanceof Tuple)) this.fail(`REDUCE with ${kindOf(args)} for arguments`);
    this.push(this.globals.reduce(callable, args.items));
  }

  create(): void {
    const args = this.pop();
    const type = this.pop();
    if (!(type instanceof Global)) this.fail(`NEWOBJ of ${kindOf(type)}`);
    if (!(args instanceof Tuple)) this.fail(`NEWOBJ with ${kindOf(args)} for arguments`);
    this.push(this.globals.create(type, args.items));
  }

  /** The attributes of a dict (a state dict's _metadata) are dropped; those of a foreign object are its state. */
  build(): void {
    const state = this.pop();
    const target = this.top();
    if (target instanceof Dict) {
      if (!(state instanceof Dict)) this.fail(`BUILD of a dict with ${kindOf(state)}`);
      return;
    }
    if (!(target instanceof Foreign)) this.fail(`BUILD of ${kindOf(target)}`);
    if (target.state !== undefined) this.fail(`BUILD of ${quoted(target.global.path)} for the second time`);
    target.state = state;
  }

  setItems(pairs: readonly PickleValue[]): void {
    const dict = this.top();
    if (isPlaceholder(dict)) return void dict.items.push(...pairs);
    if (!(dict instanceof Dict)) this.fail(`SETITEMS on ${kindOf(dict)}`);
    if (pairs.length % 2) this.fail(`SETITEMS with ${pairs.length} values, an odd number`);
    for (let i = 0; i < pairs.length; i += 2) setItem(dict, pairs[i], pairs[i + 1], this.fail);
  }

  append(values: readonly PickleValue[]): void {
    const list = this.top();
    if (isPlaceholder(list)) return void list.items.push(...values);
    if (!(list instanceof List)) this.fail(`APPENDS on ${kindOf(list)}`);
    for (const value of values) list.items.push(value);
  }

  /** ('storage', class, key, location, count) and, in legacy files, the view. */
  persistent(): void {
    const id = this.pop();
    const parts = id instanceof Tuple ? id.items : [];
    const [tag, type, key, location, total, part] = parts;
    if (tag !== "storage" || parts.length !== (this.style === "zip" ? 5 : 6))
      this.fail(`a persistent id that is ${kindOf(id)}; only storages are read`);
    if (type instanceof Global && !type.isKnown) {
      this.push(this.globals.placeholder(type, [], true));
      return;
    }
    const dtype = type instanceof Global ? storageDtype(type) : undefined;
    if (!dtype) this.fail(`a storage of ${type instanceof Global ? quoted(type.path) : kindOf(type)}`);
    if (typeof key !== "string") this.fail(`a storage with ${kindOf(key)} for its key`);
    if (typeof location !== "string") this.fail(`a storage with ${kindOf(location)} for its location`);
    const whole = new TorchStorage(dtype, key, 0, count(total, `the size of storage ${quoted(key)}`, this.fail));
    const known = this.storages.get(key) ?? whole;
    if (known.dtype !== dtype || known.count !== whole.count)
      this.fail(`storage ${quoted(key)} is ${known.dtype} x ${known.count} and also ${dtype} x ${whole.count}`);
    this.storages.set(key, known);
    this.push(part === undefined || part === null ? known : this.partOf(known, part));
  }

  /** (key of the view, offset, size) */
  private partOf(whole: TorchStorage, part: PickleValue): TorchStorage {
    const parts = part instanceof Tuple ? part.items : [];
    if (parts.length !== 3 || typeof parts[0] !== "string")
      return this.fail(`${kindOf(part)} as the view of a storage`);
    const from = count(parts[1], "the offset of a storage's view", this.fail);
    const length = count(parts[2], "the size of a storage's view", this.fail);
    if (from + length > whole.count)
      this.fail(`a view of ${length} elements from ${from} leaves the storage of ${whole.count}`);
    return new TorchStorage(whole.dtype, whole.key, from, length);
  }

  /** Little-endian, two's complement. */
  long(length: number): void {
    if (length > pickleLimits.long)
      this.fail(`a whole number of ${length} bytes; at most ${pickleLimits.long} are allowed`);
    const digits = Buffer.from(this.cursor.take(length)).reverse().toString("hex");
    const value = length ? BigInt.asIntN(length * 8, BigInt(`0x${digits}`)) : 0n;
    const small = Number(value);
    this.push(Number.isSafeInteger(small) ? small : value);
  }

  /** Python 2's strings, as old checkpoints hold them. */
  ascii(length: number): void {
    const text = this.cursor.text(length);
    if (/[^\0-\x7f]/.test(text)) this.fail("a byte string that is not ASCII");
    this.push(text);
  }
}

const PROTO = 0x80;
const STOP = 0x2e;

const of = (character: string) => character.charCodeAt(0);
const uint32 = (cursor: Cursor) => cursor.view(4).getUint32(0, true);

function tuple(machine: Machine, length: number): void {
  const items: PickleValue[] = [];
  for (let i = 0; i < length; i++) items.unshift(machine.pop());
  machine.push(new Tuple(items));
}

function stackGlobal(machine: Machine): void {
  const name = machine.pop();
  const module = machine.pop();
  if (typeof name !== "string" || typeof module !== "string")
    machine.fail(`STACK_GLOBAL with ${kindOf(module)} and ${kindOf(name)}`);
  machine.global(module, name);
}

function frame(machine: Machine): void {
  const length = machine.cursor.view(8).getBigUint64(0, true);
  if (length > BigInt(machine.cursor.left)) machine.fail(`a FRAME of ${length} bytes, ${machine.cursor.left} are left`);
}

/** All that is read; what is missing here is refused. */
const opcodes = new Map<number, (machine: Machine) => void>([
  [of("("), (m) => m.mark()],
  [of("}"), (m) => m.push(new Dict())],
  [of("]"), (m) => m.push(new List())],
  [of(")"), (m) => m.push(new Tuple([]))],
  [of("t"), (m) => m.push(new Tuple(m.popMark()))],
  [0x85, (m) => tuple(m, 1)],
  [0x86, (m) => tuple(m, 2)],
  [0x87, (m) => tuple(m, 3)],
  [of("N"), (m) => m.push(null)],
  [0x88, (m) => m.push(true)],
  [0x89, (m) => m.push(false)],
  [of("K"), (m) => m.push(m.cursor.byte())],
  [of("M"), (m) => m.push(m.cursor.view(2).getUint16(0, true))],
  [of("J"), (m) => m.push(m.cursor.view(4).getInt32(0, true))],
  [0x8a, (m) => m.long(m.cursor.byte())],
  [of("G"), (m) => m.push(new Real(m.cursor.view(8).getFloat64(0)))],
  [of("X"), (m) => m.push(m.cursor.text(uint32(m.cursor)))],
  [0x8c, (m) => m.push(m.cursor.text(m.cursor.byte()))],
  [of("U"), (m) => m.ascii(m.cursor.byte())],
  [of("T"), (m) => m.ascii(uint32(m.cursor))],
  [of("C"), (m) => m.push(m.cursor.take(m.cursor.byte()).slice())],
  [of("B"), (m) => m.push(m.cursor.take(uint32(m.cursor)).slice())],
  [of("q"), (m) => m.remember(m.cursor.byte())],
  [of("r"), (m) => m.remember(uint32(m.cursor))],
  [0x94, (m) => m.memoize()],
  [of("h"), (m) => m.recall(m.cursor.byte())],
  [of("j"), (m) => m.recall(uint32(m.cursor))],
  [of("s"), (m) => m.setItems([m.pop(), m.pop()].reverse())],
  [of("u"), (m) => m.setItems(m.popMark())],
  [of("a"), (m) => m.append([m.pop()])],
  [of("e"), (m) => m.append(m.popMark())],
  [of("c"), (m) => m.global(m.cursor.line(pickleLimits.name), m.cursor.line(pickleLimits.name))],
  [0x93, stackGlobal],
  [of("R"), (m) => m.reduce()],
  [0x81, (m) => m.create()],
  [of("b"), (m) => m.build()],
  [of("Q"), (m) => m.persistent()],
  [0x95, frame],
]);

/** Other opcodes of Python's pickle by name, for messages. */
// biome-ignore format: a table
const refused = new Map<number, string>([
  [of("0"), "POP"], [of("1"), "POP_MARK"], [of("2"), "DUP"], [of("F"), "FLOAT"], [of("I"), "INT"], [of("L"), "LONG"],
  [of("S"), "STRING"], [of("V"), "UNICODE"], [of("P"), "PERSID"], [of("d"), "DICT"], [of("l"), "LIST"],
  [of("g"), "GET"], [of("p"), "PUT"], [of("i"), "INST"], [of("o"), "OBJ"], [0x80, "PROTO"], [0x82, "EXT1"],
  [0x83, "EXT2"], [0x84, "EXT4"], [0x8b, "LONG4"], [0x8d, "BINUNICODE8"], [0x8e, "BINBYTES8"], [0x8f, "EMPTY_SET"],
  [0x90, "ADDITEMS"], [0x91, "FROZENSET"], [0x92, "NEWOBJ_EX"], [0x96, "BYTEARRAY8"], [0x97, "NEXT_BUFFER"],
  [0x98, "READONLY_BUFFER"],
]);
