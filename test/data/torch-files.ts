// Builds PyTorch files for tests, right ones and wrong ones: pickles opcode by opcode, zip archives field by field.
import { deflateRawSync } from "node:zlib";
import { crc32ByTable } from "../../data/formats/pytorch/crc32.ts";

const encoder = new TextEncoder();

/** Pieces of a pickle joined: text stands for its opcodes in ASCII, numbers for bytes. */
export type Part = string | number | Uint8Array | readonly Part[];

export function join(...parts: readonly Part[]): Uint8Array {
  const flat = (part: Part): Uint8Array[] => {
    if (typeof part === "string") return [encoder.encode(part)];
    if (typeof part === "number") return [Uint8Array.of(part)];
    return part instanceof Uint8Array ? [part] : part.flatMap(flat);
  };
  return new Uint8Array(Buffer.concat(parts.flatMap(flat)));
}

export const u16 = (value: number) => new Uint8Array(Uint16Array.of(value).buffer);
export const u32 = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);
export const u64 = (value: number | bigint) => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);

export const MARK = "(";
export const STOP = ".";
export const REDUCE = "R";
export const BUILD = "b";
export const NEWOBJ = 0x81;
export const NONE = "N";
export const FALSE = 0x89;
export const PROTO2 = join(0x80, 2);

/** A whole pickle of protocol 2. */
export const pickle = (...parts: readonly Part[]) => join(PROTO2, parts, STOP);
export const text = (value: string): Part => ["X", u32(encoder.encode(value).length), value];
export const global = (module: string, name: string): Part => `c${module}\n${name}\n`;
export const tuple = (...parts: readonly Part[]): Part => [MARK, parts, "t"];
export const list = (...parts: readonly Part[]): Part => ["]", MARK, parts, "e"];
export const dict = (...pairs: readonly (readonly [Part, Part])[]): Part => ["}", MARK, pairs, "u"];
export const float = (value: number): Part => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return ["G", bytes];
};

export function int(value: number | bigint): Part {
  if (typeof value === "number" && value >= 0 && value < 256) return ["K", value];
  if (typeof value === "number" && Math.abs(value) < 2 ** 31) return ["J", new Uint8Array(Int32Array.of(value).buffer)];
  return [0x8a, 9, u64(BigInt.asUintN(64, BigInt(value))), value < 0 ? 255 : 0];
}

export const orderedDict: Part = [global("collections", "OrderedDict"), ")", REDUCE];

/** A persistent id of an archive, and what makes it a storage. */
export const storage = (key: string, type = "FloatStorage", count: number | bigint = 4): Part => [
  tuple(text("storage"), global("torch", type), text(key), text("cpu"), int(count)),
  "Q",
];

/** The same of a legacy file. */
export const legacyStorage = (key: string, type = "FloatStorage", count = 4, view: Part = NONE): Part => [
  tuple(text("storage"), global("torch", type), text(key), text("cpu"), int(count), view),
  "Q",
];

export const ints = (...values: (number | bigint)[]): Part => tuple(values.map(int));

/** _rebuild_tensor_v2 of anything. */
export const rebuild = (...args: readonly Part[]): Part => [
  global("torch._utils", "_rebuild_tensor_v2"),
  tuple(args),
  REDUCE,
];

/** A tensor on a storage: shape and strides in elements. */
export const tensor = (on: Part, shape: readonly number[], strides: readonly number[], offset = 0): Part =>
  rebuild(on, int(offset), ints(...shape), ints(...strides), FALSE, orderedDict);

/** An entry to write. Fields left out are right; `local` and `central` are what the two tables say instead. */
export interface EntryPlan {
  readonly name: string;
  readonly bytes?: Uint8Array;
  readonly deflate?: boolean;
  /** Data as it lies in the file, where it is not what `bytes` and `deflate` give. */
  readonly packed?: Uint8Array;
  readonly descriptor?: "none" | "signed" | "plain" | "wide" | Uint8Array;
  readonly extra?: Uint8Array;
  readonly local?: Partial<Fields>;
  readonly central?: Partial<Fields>;
  /** Bytes before its header. */
  readonly before?: Uint8Array;
}

interface Fields {
  signature: number;
  flags: number;
  method: number;
  crc: number;
  packed: number;
  size: number;
  name: Uint8Array;
  extra: Uint8Array;
  disk: number;
  header: number;
}

export interface ArchivePlan {
  readonly zip64?: boolean | Partial<EndFields>;
  readonly end?: Partial<EndFields>;
  readonly comment?: Uint8Array;
  readonly before?: Uint8Array;
  readonly after?: Uint8Array;
  /** Between the last entry and the directory. */
  readonly gap?: Uint8Array;
}

interface EndFields {
  disk: number;
  firstDisk: number;
  here: number;
  count: number;
  size: number;
  start: number;
  commentLength: number;
  at: number;
  length: number;
  disks: number;
}

/** A zip archive by plan. */
export function zip(entries: readonly EntryPlan[], plan: ArchivePlan = {}): Uint8Array {
  const parts: Uint8Array[] = [plan.before ?? new Uint8Array(0)];
  const central: Uint8Array[] = [];
  let at = parts[0].length;
  for (const entry of entries) {
    const { fields, data, descriptor } = fieldsOf(entry, at + (entry.before?.length ?? 0));
    const hasDescriptor = descriptor.length > 0;
    const zeros = hasDescriptor ? { crc: 0, packed: 0, size: 0 } : {};
    const local = localHeader({ ...fields, ...zeros, ...entry.local });
    const whole = join(entry.before ?? "", local, data, descriptor);
    parts.push(whole);
    at += whole.length;
    central.push(centralHeader({ ...fields, extra: new Uint8Array(0), ...entry.central }));
  }
  const directory = join(plan.gap ?? "", ...central);
  const start = at + (plan.gap?.length ?? 0);
  const count = entries.length;
  const right = { disk: 0, firstDisk: 0, here: count, count, size: directory.length - (plan.gap?.length ?? 0), start };
  const end64 = plan.zip64
    ? zip64End({ ...right, at: start + right.size, length: 44, disks: 1, commentLength: 0 }, plan.zip64)
    : "";
  return join(...parts, directory, end64, endRecord({ ...right, ...plan.end }, plan.comment), plan.after ?? "");
}

function fieldsOf(entry: EntryPlan, header: number) {
  const bytes = entry.bytes ?? new Uint8Array(0);
  const data = entry.packed ?? (entry.deflate ? new Uint8Array(deflateRawSync(bytes)) : bytes);
  const { descriptor: kind = "none" } = entry;
  const fields: Fields = {
    signature: 0x04034b50,
    flags: kind === "none" ? 0x800 : 0x808,
    method: entry.deflate ? 8 : 0,
    crc: crc32ByTable(bytes),
    packed: data.length,
    size: bytes.length,
    name: encoder.encode(entry.name),
    extra: entry.extra ?? new Uint8Array(0),
    disk: 0,
    header,
  };
  const { crc, packed, size } = fields;
  const descriptor =
    kind === "none"
      ? new Uint8Array(0)
      : kind instanceof Uint8Array
        ? kind
        : join(
            kind === "plain" ? "" : u32(0x08074b50),
            u32(crc),
            kind === "wide" ? [u64(packed), u64(size)] : [u32(packed), u32(size)],
          );
  return { fields, data, descriptor };
}

const localHeader = ({ signature, flags, method, crc, packed, size, name, extra }: Fields) =>
  join(
    u32(signature),
    u16(20),
    u16(flags),
    u16(method),
    u32(0),
    u32(crc),
    u32(packed),
    u32(size),
    u16(name.length),
    u16(extra.length),
    name,
    extra,
  );

const centralHeader = ({ flags, method, crc, packed, size, name, extra, disk, header }: Fields) =>
  join(
    u32(0x02014b50),
    u16(20),
    u16(20),
    u16(flags),
    u16(method),
    u32(0),
    u32(crc),
    u32(packed),
    u32(size),
    u16(name.length),
    u16(extra.length),
    u16(0),
    u16(disk),
    u16(0),
    u32(0),
    u32(header),
    name,
    extra,
  );

function endRecord(fields: Partial<EndFields>, comment: Uint8Array = new Uint8Array(0)): Uint8Array {
  const { disk = 0, firstDisk = 0, here = 0, count = 0, size = 0, start = 0, commentLength = comment.length } = fields;
  return join(
    u32(0x06054b50),
    u16(disk),
    u16(firstDisk),
    u16(here),
    u16(count),
    u32(size),
    u32(start),
    u16(commentLength),
    comment,
  );
}

function zip64End(right: EndFields, plan: boolean | Partial<EndFields>): Uint8Array {
  const { disk, firstDisk, here, count, size, start, at, length, disks } = {
    ...right,
    ...(plan === true ? {} : plan || {}),
  };
  return join(
    [
      u32(0x06064b50),
      u64(length),
      u16(45),
      u16(45),
      u32(disk),
      u32(firstDisk),
      u64(here),
      u64(count),
      u64(size),
      u64(start),
    ],
    [u32(0x07064b50), u32(0), u64(at), u32(disks)],
  );
}

export const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

/** The parts of a sound archive: a pickle, and storages by key. */
export interface TorchPlan {
  readonly pickle?: Uint8Array;
  readonly storages?: Readonly<Record<string, Uint8Array>>;
  readonly others?: readonly EntryPlan[];
}

/** One tensor "a" of the numbers 1 to 4. */
export const onePickle = pickle(dict([text("a"), tensor(storage("0"), [4], [1])]));

/** The entries of an archive as torch.save writes it. */
export function torchEntries({
  pickle: bytes = onePickle,
  storages = { 0: floats(1, 2, 3, 4) },
  others = [],
}: TorchPlan = {}): EntryPlan[] {
  return [
    { name: "model/data.pkl", bytes },
    ...Object.entries(storages).map(([key, data]) => ({ name: `model/data/${key}`, bytes: data })),
    { name: "model/version", bytes: encoder.encode("3\n") },
    ...others,
  ];
}

export const archive = (plan?: TorchPlan) => zip(torchEntries(plan));

/** The pickles of a legacy file, each of which may be another. */
export interface LegacyPlan {
  readonly magic?: Uint8Array;
  readonly protocol?: Uint8Array;
  readonly system?: Uint8Array;
  readonly object?: Uint8Array;
  readonly keys?: Uint8Array;
  readonly data?: Uint8Array;
}

const MAGIC = join(0x8a, 10, [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]);
export const systemPickle = (isLittle = true) =>
  pickle(
    dict(
      [text("protocol_version"), int(1001)],
      [text("little_endian"), isLittle ? 0x88 : FALSE],
      [text("type_sizes"), dict([text("int"), int(4)])],
    ),
  );

/** A file as torch.save wrote it before archives. */
export function legacy(plan: LegacyPlan = {}): Uint8Array {
  const {
    magic = pickle(MAGIC),
    protocol = pickle(["M", u16(1001)]),
    system = systemPickle(),
    object = pickle(dict([text("a"), tensor(legacyStorage("17"), [4], [1])])),
    keys = pickle(list(text("17"))),
    data = join(u64(4), floats(1, 2, 3, 4)),
  } = plan;
  return join(magic, protocol, system, object, keys, data);
}
