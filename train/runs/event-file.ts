// The log of a run as TensorBoard reads it: records of TFRecord, each an Event of protocol buffers, in one file beside metrics.jsonl.
import { join } from "node:path";
import { AppendFile } from "../../data/formats/disk.ts";
import type { Json } from "../../data/formats/json.ts";
import { foundAt, readRegular } from "../../data/formats/regular.ts";

/** TensorBoard takes any name with "tfevents" in it. */
export const eventFileName = "events.out.tfevents.emotionclip";

const most = 2 ** 30;

/** The event file of a run folder, cut to its whole records up to a step; what is appended follows those. */
export class EventFile {
  private constructor(
    private readonly file: AppendFile,
    /** It held nothing that could stay. */
    readonly isNew: boolean,
  ) {}

  /** Opens or makes the file. A record that is torn or damaged ends what stays, as does one of a later step. */
  static async open(folder: string, step: number): Promise<EventFile> {
    const path = join(folder, eventFileName);
    const held = foundAt(path, eventFileName) ? await readRegular(path, most, eventFileName) : new Uint8Array();
    const length = lengthUpTo(held, step);
    const file = await AppendFile.open(path, length);
    if (length === 0) await file.append(record(Buffer.concat([wallTime(), text(3, "brain.Event:2")])));
    return new EventFile(file, length === 0);
  }

  /** Adds the numbers of a line of the log: its own as train/…, those of groups as rates/…, figures as eval/…. */
  append({ step, ...line }: { readonly step: number; readonly [key: string]: Json }): Promise<void> {
    const values = scalarsIn(line).map(([name, value]) => bytesField(1, Buffer.concat([text(1, name), float(2, value)])));
    return this.file.append(record(Buffer.concat([wallTime(), tag(2, 0), varint(step), bytesField(5, Buffer.concat(values))])));
  }

  sync(): Promise<void> {
    return this.file.sync();
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

function scalarsIn(line: Readonly<Record<string, Json>>): [name: string, value: number][] {
  const numbers = (group: string, of: Json | undefined) =>
    Object.entries(Object(of)).flatMap(([name, value]): [string, number][] =>
      typeof value === "number" ? [[`${group}/${name}`, value]] : [],
    );
  return [...numbers("train", line), ...numbers("rates", line.rates), ...numbers("eval", line.probes)];
}

/** Bytes of the whole records at the beginning that are of no later step. */
function lengthUpTo(bytes: Uint8Array, step: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (at + 16 <= bytes.length) {
    const length = Number(view.getBigUint64(at, true));
    const end = at + 16 + length;
    if (view.getUint32(at + 8, true) !== masked(bytes.subarray(at, at + 8)) || end > bytes.length) break;
    const data = bytes.subarray(at + 12, end - 4);
    if (view.getUint32(end - 4, true) !== masked(data) || stepOf(data) > step) break;
    at = end;
  }
  return at;
}

/** The step of an Event as it is written here: behind the time, which takes nine bytes; 0 where there is none. */
function stepOf(data: Uint8Array): number {
  if (data[9] !== 0x10) return 0;
  let step = 0;
  for (let at = 10, scale = 1; at < data.length; at++, scale *= 128) {
    step += (data[at] & 127) * scale;
    if (data[at] < 128) break;
  }
  return step;
}

/** Length, its checksum, data, its checksum. */
function record(data: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, checksum(length), data, checksum(data)]);
}

function checksum(bytes: Uint8Array): Buffer {
  const four = Buffer.alloc(4);
  four.writeUInt32LE(masked(bytes));
  return four;
}

/** CRC-32C, turned and moved as TFRecord has it. */
function masked(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = table[(crc ^ byte) & 255] ^ (crc >>> 8);
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Of the polynomial of Castagnoli, reflected. */
const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
  return c;
});

const tag = (field: number, wire: number) => Buffer.from([(field << 3) | wire]);
const bytesField = (field: number, bytes: Uint8Array) => Buffer.concat([tag(field, 2), varint(bytes.length), bytes]);
const text = (field: number, value: string) => bytesField(field, Buffer.from(value));

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    bytes.push((rest % 128) + (rest >= 128 ? 128 : 0));
    if (rest < 128) return Buffer.from(bytes);
  }
}

function float(field: number, value: number): Buffer {
  const four = Buffer.alloc(4);
  four.writeFloatLE(value);
  return Buffer.concat([tag(field, 5), four]);
}

function wallTime(): Buffer {
  const eight = Buffer.alloc(8);
  eight.writeDoubleLE(Date.now() / 1000);
  return Buffer.concat([tag(1, 1), eight]);
}
