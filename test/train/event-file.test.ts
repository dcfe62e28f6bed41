// What TensorBoard is given: read back by a reader of its own, cut with the log at a resume, healed after a torn write.
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { EventFile, eventFileName } from "../../train/runs/event-file.ts";
import { inTemporary } from "../kit/temporary.ts";

/** CRC-32C bit by bit. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes)
    for (let bit = 0; bit < 8; bit++) {
      const odd = (crc ^ (byte >> bit)) & 1;
      crc = (crc >>> 1) ^ (odd ? 0x82f63b78 : 0);
    }
  return ~crc >>> 0;
}

const unmasked = (value: number) => {
  const turned = (value - 0xa282ead8) >>> 0;
  return ((turned >>> 17) | (turned << 15)) >>> 0;
};

type Field = number | Buffer;

/** A message of protocol buffers: what each field holds, in order. Varints, fixed 32 (float), fixed 64 (double) and bytes. */
function message(bytes: Buffer): [field: number, value: Field][] {
  const fields: [number, Field][] = [];
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(value);
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const wire = key & 7;
    if (wire === 0) fields.push([key >> 3, varint()]);
    else {
      const length = wire === 1 ? 8 : wire === 5 ? 4 : varint();
      const piece = bytes.subarray(at, (at += length));
      fields.push([key >> 3, wire === 1 ? piece.readDoubleLE() : wire === 5 ? piece.readFloatLE() : piece]);
    }
  }
  return fields;
}

const only = (fields: [number, Field][], wanted: number) => fields.find(([field]) => field === wanted)?.[1];

interface Event {
  readonly time: number;
  readonly step: number;
  readonly version?: string;
  readonly scalars: Record<string, number>;
}

function eventsIn(folder: string): Event[] {
  const file = readFileSync(join(folder, eventFileName));
  const events: Event[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    assert.is(crc32c(file.subarray(at, at + 8)), unmasked(file.readUInt32LE(at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    assert.is(crc32c(data), unmasked(file.readUInt32LE(at + 12 + length)));
    at += 16 + length;
    const event = message(data);
    const values = message((only(event, 5) as Buffer) ?? Buffer.alloc(0)).map(([, value]) => message(value as Buffer));
    events.push({
      time: only(event, 1) as number,
      step: (only(event, 2) as number) ?? 0,
      version: only(event, 3)?.toString(),
      scalars: Object.fromEntries(values.map((value) => [String(only(value, 1)), only(value, 2) as number])),
    });
  }
  return events;
}

async function write(folder: string, from: number, steps: readonly number[]): Promise<boolean> {
  const file = await EventFile.open(folder, from);
  for (const step of steps) await file.append({ step, loss: 1 / step, rates: { all: 0.5 }, clips: ["a"] });
  await file.close();
  return file.isNew;
}

const stepsIn = (folder: string) => eventsIn(folder).map(({ step }) => step);

test("the checksum is CRC-32C", () => {
  assert.is(crc32c(Buffer.from("123456789")), 0xe3069283);
});

test("every number of a line is a scalar of its step, groups and figures under their own names", () =>
  inTemporary(async (folder) => {
    const file = await EventFile.open(folder, 0);
    const probes = { "R@1 video-text": 0.25, "mAP é": Number.NaN };
    await file.append({ step: 300, loss: 1.5, lr: 1e-3, rates: { head: 2 }, probes, replaced: ["a"] });
    await file.close();
    const [first, event, ...more] = eventsIn(folder);
    assert.equal([first.version, first.step, more], ["brain.Event:2", 0, []]);
    assert.ok(event.time > 1e9 && event.time <= Date.now() / 1000);
    assert.is(event.step, 300);
    const f32 = Math.fround(1e-3);
    const { "eval/mAP é": undefinedOne, ...scalars } = event.scalars;
    assert.equal(scalars, { "train/loss": 1.5, "train/lr": f32, "rates/head": 2, "eval/R@1 video-text": 0.25 });
    assert.ok(Number.isNaN(undefinedOne));
  }));

test("a resumed run has no step twice: the file is cut to the step that the run goes on from", () =>
  inTemporary(async (folder) => {
    assert.is(await write(folder, 0, [1, 2, 3, 127, 128, 129, 20000]), true);
    assert.is(await write(folder, 128, [129, 130]), false);
    assert.equal(stepsIn(folder), [0, 1, 2, 3, 127, 128, 129, 130]);
    assert.is(await write(folder, 0, [1]), false);
    assert.equal(stepsIn(folder), [0, 1]);
  }));

test("a torn or damaged record ends what stays", () =>
  inTemporary(async (folder) => {
    const path = join(folder, eventFileName);
    await write(folder, 0, [1, 2, 3]);
    truncateSync(path, readFileSync(path).length - 5);
    await write(folder, 3, [4]);
    assert.equal(stepsIn(folder), [0, 1, 2, 4]);
    appendFileSync(path, Buffer.alloc(40, 255));
    await write(folder, 4, [5]);
    assert.equal(stepsIn(folder), [0, 1, 2, 4, 5]);
    writeFileSync(path, "anything");
    assert.is(await write(folder, 9, [10]), true);
    assert.equal(stepsIn(folder), [0, 10]);
  }));

test.run();
