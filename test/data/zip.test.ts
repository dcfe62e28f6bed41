// Archives of PyTorch as zip files: both tables must agree and cover the file, and every damage is named.
import { appendFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { deflateRawSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { crc32, crc32ByTable } from "../../data/formats/pytorch/crc32.ts";
import {
  archive,
  type ArchivePlan,
  dict,
  type EntryPlan,
  floats,
  join,
  onePickle,
  pickle,
  storage,
  tensor,
  text,
  torchEntries,
  u16,
  u32,
  u64,
  zip,
} from "./torch-files.ts";
import { FormatError } from "../../engine/errors.ts";
import { MemoryBytes } from "../../data/formats/pytorch/bytes.ts";
import { openArchive } from "../../data/formats/pytorch/open.ts";
import { openWeights } from "../../data/formats/weights.ts";
import { refusal } from "../kit/refusal.ts";
import { checkRefusal, readWeights } from "../model/weight-files.ts";

const entries = torchEntries();
const [pickleEntry, dataEntry, versionEntry] = entries;
const data = dataEntry.bytes!;
const latin = (text: string) => new TextEncoder().encode(text);

/** The archive with other fields in the entry of the storage. */
const withData = (plan: Partial<EntryPlan>, archivePlan?: ArchivePlan) =>
  zip([pickleEntry, { ...dataEntry, ...plan }, versionEntry], archivePlan);
const withEnd = (plan: ArchivePlan) => zip(entries, plan);
const also = (...others: EntryPlan[]) => zip([...entries, ...others]);
const padded = (length: number) => join("FB", u16(length), new Uint8Array(length).fill(0x5a));
const wideExtra = (...numbers: number[]) => join(u16(1), u16(numbers.length * 8), ...numbers.map(u64));
const ones = 0xffffffff;
const halfPickle = pickle(dict([text("a"), tensor(storage("0"), [2], [1], 2)]));
const zeros = new Uint8Array(2 ** 20);

// Archives that are accepted: each stands next to a refusal below that differs in one thing.
const accepted: [string, Uint8Array][] = [
  ["stored entries", zip(entries)],
  ["deflated entries", zip(entries.map((entry) => ({ ...entry, deflate: true })))],
  [
    "numbers behind the data, as torch.save writes them",
    zip(entries.map((entry) => ({ ...entry, descriptor: "signed" }))),
  ],
  ["numbers behind the data without a signature", withData({ descriptor: "plain" })],
  ["numbers of eight bytes behind the data", withData({ descriptor: "wide" })],
  ["numbers behind deflated data", withData({ deflate: true, descriptor: "signed" })],
  ["padding in the header beside the data", zip(entries.map((entry) => ({ ...entry, extra: padded(41) })))],
  ["a zip64 end record", withEnd({ zip64: true })],
  [
    "a zip64 end record, and ones in the other",
    withEnd({ zip64: true, end: { count: 0xffff, here: 0xffff, size: ones, start: ones } }),
  ],
  [
    "zip64 sizes in both tables",
    withData({
      local: { packed: ones, size: ones, extra: wideExtra(16, 16) },
      central: { packed: ones, size: ones, extra: wideExtra(16, 16) },
    }),
  ],
  ["a comment", withEnd({ comment: latin("made by hand") })],
  ["an entry of a folder", also({ name: "model/code/" })],
  ["code, which is not read", also({ name: "model/code/__torch__.py", bytes: latin("import os") })],
  ["a little byte order", also({ name: "model/byteorder", bytes: latin("little") })],
  ["no version", zip([pickleEntry, dataEntry])],
  ["a name in any script", also({ name: "model/感情" })],
  ["twenty kilobytes of zeros, deflated", also({ name: "model/zeros", bytes: new Uint8Array(20_000), deflate: true })],
];

const refused: [string, Uint8Array, RegExp][] = [
  ["four bytes", latin("PK\x03\x04"), /zip: 4 bytes; the smallest archive has 22/],
  ["an archive without its end", zip(entries).subarray(0, 300), /no end record: the file is cut short/],
  ["an archive without its last byte", zip(entries).subarray(0, -1), /no end record/],
  ["a byte after the end", withEnd({ after: Uint8Array.of(0) }), /no end record.*something follows/],
  [
    "a comment that may be an end record",
    withEnd({ comment: join(u32(0x06054b50), new Uint8Array(18)) }),
    /directory ends at byte 0, expected/,
  ],
  ["a comment longer than the file", withEnd({ end: { commentLength: 5 } }), /no end record/],
  [
    "bytes before the first entry",
    join("PK", new Uint8Array(8), zip(entries, { before: new Uint8Array(0) })),
    /directory ends at byte/,
  ],
  [
    "bytes before the first entry, counted",
    withEnd({ before: join("PK", new Uint8Array(8)) }),
    /"model\/data.pkl" leaves a hole: it begins at byte 10, expected 0/,
  ],
  ["a hole between entries", withData({ before: new Uint8Array(3) }), /"model\/data\/0" leaves a hole/],
  [
    "a hole before the directory",
    withEnd({ gap: new Uint8Array(5) }),
    /5 bytes between the last entry and the directory/,
  ],
  ["the first of two disks", withEnd({ end: { disk: 1 } }), /part 1 of several/],
  ["a directory on another disk", withEnd({ end: { firstDisk: 2 } }), /part 0 of several/],
  ["entries on other disks", withEnd({ end: { here: 2 } }), /2 of 3 entries on this disk/],
  ["an entry on another disk", withData({ central: { disk: 1 } }), /"model\/data\/0" lies in part 1 of several/],
  [
    "more entries promised than there are",
    withEnd({ end: { count: 4, here: 4 } }),
    /4 entries are promised, the directory has 3/,
  ],
  [
    "fewer entries promised than there are",
    withEnd({ end: { count: 2, here: 2 } }),
    /bytes after the last entry of the directory/,
  ],
  ["a directory that is said to be shorter", withEnd({ end: { size: 10 } }), /directory ends at byte/],
  ["a directory beyond the file", withEnd({ end: { start: 2 ** 31 } }), /directory ends at byte 21474\d+, expected/],
  [
    "too many entries",
    withEnd({ zip64: { count: 100_001, here: 100_001 }, end: { count: 0xffff, here: 0xffff } }),
    /100001 entries; at most 100000/,
  ],
  [
    "a directory of gigabytes",
    withEnd({ zip64: { size: 2 ** 33 }, end: { size: ones } }),
    /a directory of 8589934592 bytes; at most 33554432/,
  ],
  ["ones without a zip64 record", withEnd({ end: { start: ones } }), /the zip64 end record is missing/],
  [
    "two end records that disagree",
    withEnd({ zip64: { count: 2, here: 2 } }),
    /disagree about the directory's count: 3 and 2/,
  ],
  ["a zip64 record elsewhere", withEnd({ zip64: { at: 3 } }), /no zip64 end record at byte 3/],
  [
    "a zip64 record beyond the file",
    withEnd({ zip64: { at: 2 ** 40 } }),
    /lies at byte 1099511627776, outside the file/,
  ],
  [
    "a zip64 record at 2^60",
    withEnd({ zip64: { at: 2 ** 60 } }),
    /place of the zip64 end record is 1152921504606846976; at most 2\^53 - 1/,
  ],
  [
    "a zip64 record of another length",
    withEnd({ zip64: { length: 2000 } }),
    /zip64 end record of 2000 bytes does not fit/,
  ],
  ["a zip64 record of several disks", withEnd({ zip64: { disks: 3 } }), /one of several parts/],
  [
    "an encrypted entry",
    withData({ local: { flags: 0x801 }, central: { flags: 0x801 } }),
    /"model\/data\/0" is encrypted/,
  ],
  ["a strongly encrypted entry", withData({ local: { flags: 0x841 }, central: { flags: 0x841 } }), /is encrypted/],
  ["a masked header", withData({ local: { flags: 0x2800 }, central: { flags: 0x2800 } }), /is encrypted/],
  ["a patch", withData({ local: { flags: 0x820 }, central: { flags: 0x820 } }), /is a patch/],
  [
    "bzip2",
    withData({ local: { method: 12 }, central: { method: 12 } }),
    /packed by method 12; stored \(0\) and deflate \(8\) are read/,
  ],
  ["two entries of one name", also({ ...dataEntry }), /two entries are named "model\/data\/0"/],
  ["two pickles", also({ name: "other/data.pkl", bytes: onePickle }), /2 entries named data.pkl; 1 is right/],
  ["no pickle", zip([versionEntry]), /without data.pkl, so not of PyTorch; its first entry is "model\/version"/],
  ["an archive of nothing", zip([]), /a zip archive without data.pkl, so not of PyTorch/],
  [
    "entries that overlap",
    withData({ central: { header: 0 } }),
    /"model\/data.pkl" needs \d+ bytes, up to the next there are 0/,
  ],
  [
    "an entry that runs into the next",
    withData({ central: { packed: 60, size: 60 }, local: { packed: 60, size: 60 } }),
    /"model\/data\/0" needs \d+ bytes, up to the next there are/,
  ],
  [
    "an entry beyond the file",
    withData({ central: { packed: 2 ** 31, size: 2 ** 31 } }),
    /would end at byte 21474\d+, the file has/,
  ],
  ["a header that is none", withData({ local: { signature: 7 } }), /no header of "model\/data\/0" at byte/],
  [
    "another name in the header",
    withData({ local: { name: latin("model/data/1") } }),
    /disagree about the name of "model\/data\/0": "model\/data\/1" and/,
  ],
  [
    "another size in the header",
    withData({ local: { size: 15 } }),
    /disagree about the size of "model\/data\/0": 15 and 16/,
  ],
  [
    "another packed size in the header",
    withData({ local: { packed: 15 } }),
    /disagree about the packed size of "model\/data\/0": 15 and 16/,
  ],
  [
    "another checksum in the header",
    withData({ local: { crc: 1 } }),
    /disagree about the checksum of "model\/data\/0"/,
  ],
  [
    "zeros for sizes that nothing follows",
    withData({ local: { crc: 0, packed: 0, size: 0 } }),
    /disagree about the checksum/,
  ],
  [
    "other flags in the header",
    withData({ local: { flags: 0 } }),
    /disagree about the flags of "model\/data\/0": 0 and 2048/,
  ],
  [
    "another method in the header",
    withData({ local: { method: 8 } }),
    /disagree about the method of "model\/data\/0": 8 and 0/,
  ],
  [
    "another zip64 size in the header",
    withData({ local: { packed: ones, size: ones, extra: wideExtra(16, 17) } }),
    /disagree about the size|the packed size/,
  ],
  [
    "a zip64 size that is missing",
    withData({ central: { size: ones, extra: wideExtra() } }),
    /"model\/data\/0" has no zip64 size/,
  ],
  [
    "an extra field beyond its header",
    withData({ central: { extra: join(u16(1), u16(200)) } }),
    /has a broken extra field/,
  ],
  ["two zip64 fields", withData({ central: { extra: join(wideExtra(16), wideExtra(17)) } }), /has two zip64 fields/],
  [
    "other numbers behind the data",
    withData({ descriptor: join(u32(0x08074b50), u32(1), u32(16), u32(16)) }),
    /numbers behind "model\/data\/0" are not those of the directory/,
  ],
  ["no numbers behind the data", withData({ descriptor: Uint8Array.of(1) }), /numbers behind "model\/data\/0" are not/],
  [
    "a stored entry of two sizes",
    withData({ central: { size: 20 } }),
    /is stored, yet has 16 bytes in the file and 20 in content/,
  ],
  [
    "a wrong checksum of the weights",
    withData({ local: { crc: 1 }, central: { crc: 1 } }),
    /"model\/data\/0" is damaged: its checksum is [0-9a-f]{8}, expected 00000001/,
  ],
  ["a flipped weight", withData({ packed: floats(1, 2, 3, 5) }), /"model\/data\/0" is damaged: its checksum/],
  [
    "a flipped bit in the pickle",
    zip([{ ...pickleEntry, packed: onePickle.map((b, i) => (i === 9 ? b ^ 1 : b)) }, dataEntry]),
    /"model\/data.pkl" is damaged/,
  ],
  [
    "a deflated entry that unpacks to more",
    withData({ deflate: true, packed: deflateRawSync(new Uint8Array(5000)) }),
    /unpacks to more than the declared 16 bytes/,
  ],
  [
    "a deflated entry that unpacks to less",
    withData({ deflate: true, packed: deflateRawSync(data.subarray(4)) }),
    /unpacks to 12 bytes, declared are 16/,
  ],
  [
    "a deflated entry with something behind",
    withData({ deflate: true, packed: join(deflateRawSync(data), "rest") }),
    /uses \d+ of its \d+ packed bytes/,
  ],
  [
    "a deflated entry that is cut",
    withData({ deflate: true, packed: deflateRawSync(data).subarray(0, 4) }),
    /is damaged \(unexpected end of file\)/,
  ],
  ["a deflated entry of nonsense", withData({ deflate: true, packed: latin("\xff\xff\xff") }), /is damaged/],
  [
    "a bomb",
    also({
      name: "model/bomb",
      deflate: true,
      packed: deflateRawSync(new Uint8Array(2 ** 20)),
      central: { size: 2 ** 31 },
      local: { size: 2 ** 31 },
    }),
    /"model\/bomb" brings the inflated size to 2147483648 bytes; at most \d+ for \d+ packed/,
  ],
  [
    "a bomb beside megabytes that are only stored",
    also(
      { name: "model/stored", bytes: new Uint8Array(8 * 2 ** 20) },
      {
        name: "model/bomb",
        deflate: true,
        packed: deflateRawSync(new Uint8Array(2 ** 20)),
        central: { size: 2 ** 27 },
        local: { size: 2 ** 27 },
      },
    ),
    /"model\/bomb" brings the inflated size to 134217728 bytes; at most 671\d+ for \d+ packed/,
  ],
  [
    "many small bombs",
    zip([...entries, ...Array.from({ length: 70 }, (_, i) => ({ name: `model/${i}`, bytes: zeros, deflate: true }))]),
    /brings the inflated size to/,
  ],
  [
    "a pickle of gigabytes",
    zip([{ ...pickleEntry, deflate: true, central: { size: 2 ** 27 }, local: { size: 2 ** 27 } }, dataEntry]),
    /brings the inflated size|has 134217728 bytes; at most 67108864/,
  ],
  [
    "a name that is not UTF-8",
    also({ name: "x", local: { name: Uint8Array.of(255) }, central: { name: Uint8Array.of(255) } }),
    /a name that is not valid UTF-8/,
  ],
  ["an empty name", also({ name: "" }), /a name that is empty or has a NUL/],
  ["a name of 2000 letters", also({ name: "x".repeat(2000) }), /a name of 2000 bytes; at most 1024/],
  ["a name with NUL", also({ name: "a\0b" }), /a name that is empty or has a NUL/],
  [
    "a name that would clear the terminal",
    also({ name: "\x1b[2J", local: { size: 3 } }),
    /disagree about the size of "\\u\{1b\}\[2J": 3 and 0/,
  ],
  [
    "a big byte order",
    also({ name: "model/byteorder", bytes: latin("big") }),
    /byte order "big"; only "little" is read/,
  ],
  [
    "a byte order of a megabyte",
    also({ name: "model/byteorder", bytes: new Uint8Array(2 ** 20) }),
    /has 1048576 bytes; at most 64/,
  ],
  [
    "a version in words",
    zip([pickleEntry, dataEntry, { name: "model/version", bytes: latin("three") }]),
    /version "three" of the archive/,
  ],
  [
    "a version of the future",
    zip([pickleEntry, dataEntry, { name: "model/version", bytes: latin("900") }]),
    /version "900" of the archive; 1 to 99 are read/,
  ],
];

for (const [what, bytes] of accepted)
  test(`accepted: ${what}`, async () => {
    const { values } = await readWeights(bytes, "fine.pt");
    assert.equal([...values.get("a")!], [1, 2, 3, 4]);
  });

for (const [what, bytes, message] of refused) test(`refused: ${what}`, () => checkRefusal(bytes, "bad.pt", message));

test("a part of a storage is read only when the checksum of all of it is right", async () => {
  const half = archive({ pickle: halfPickle });
  assert.equal([...(await readWeights(half, "half.pt")).values.get("a")!], [3, 4]);
  const damaged = half.slice();
  const at = Buffer.from(damaged).indexOf(Buffer.from(data));
  damaged[at] ^= 1; // the first element, which the tensor does not show
  await checkRefusal(damaged, "half.pt", /"model\/data\/0" is damaged/);
});

test("the checksum without Node's help is the same, in one piece or several", () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7919) >> 3);
  assert.is(crc32ByTable(new TextEncoder().encode("123456789")), 0xcbf43926); // the check value of CRC-32
  assert.is(crc32ByTable(bytes.subarray(300), crc32ByTable(bytes.subarray(0, 300))), crc32(bytes));
});

test("every flipped bit of an archive is refused, or changes neither names nor numbers", async () => {
  const sound = zip(
    entries.map((entry) => ({ ...entry, descriptor: "signed" })),
    { zip64: true },
  );
  const want = await textOf(sound);
  let refusals = 0;
  for (let bit = 0; bit < sound.length * 8; bit++) {
    const flipped = sound.slice();
    flipped[bit >> 3] ^= 1 << (bit & 7);
    try {
      assert.is(await textOf(flipped), want, `bit ${bit}`);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      refusals++;
    }
  }
  assert.ok(refusals > 0.85 * sound.length * 8, `${refusals}`); // the rest: versions, dates, attributes, padding
});

/** Names, shapes and bytes of all tensors. */
async function textOf(bytes: Uint8Array): Promise<string> {
  const file = openArchive(new MemoryBytes("flipped.pt", bytes));
  const found: unknown[] = [];
  for (const [name, info] of file.tensors) {
    const pieces: number[][] = [];
    for await (const piece of file.pieces(name, (length) => new Uint8Array(length))) pieces.push([...piece]);
    found.push([name, info, pieces]);
  }
  return JSON.stringify(found);
}

test("an archive beyond five gigabytes is read by position", async () => {
  const large = 5 * 2 ** 30;
  const both = pickle(
    dict(
      [text("big"), tensor(storage("big", "ByteStorage", large), [large], [1])],
      [text("a"), tensor(storage("0"), [4], [1])],
    ),
  );
  const sizes = { packed: ones, size: ones, extra: wideExtra(large, large) };
  const plan = (place: number, plan?: ArchivePlan) =>
    zip(
      [
        { name: "model/data.pkl", bytes: both },
        { name: "model/data/big", local: sizes, central: sizes },
        { ...dataEntry, central: { header: ones, extra: wideExtra(place) } },
      ],
      plan,
    );
  const compact = Buffer.from(plan(0, { zip64: true })); // all but the hole, to see where things lie
  const place = compact.indexOf("model/data/0") - 30;
  const start = compact.indexOf(u32(0x02014b50));
  const end = compact.indexOf(u32(0x06064b50));
  const whole = plan(place + large, { zip64: { start: start + large, at: end + large }, end: { start: ones } });
  const path = joinPath(tmpdir(), `emotionclip-sparse-${process.pid}.pt`);
  try {
    await writeFile(path, whole.subarray(0, place));
    await truncate(path, place + large); // a sparse file: no disk is used
    await appendFile(path, whole.subarray(place));
    const file = await openWeights(path);
    assert.equal([...(await file.floats("a"))], [1, 2, 3, 4]);
    assert.equal(file.tensors.get("big"), { dtype: "U8", shape: [large] });
    for await (const piece of file.chunks("big")) {
      assert.is(piece.length, 8 * 2 ** 20);
      break;
    }
    const error = await refusal(file.bytes("big"));
    assert.match(error.message, /"big" has 5368709120 bytes; below 4294967296 fit in memory at once/);
    await file.close();
  } finally {
    await rm(path, { force: true });
  }
});

test.run();
