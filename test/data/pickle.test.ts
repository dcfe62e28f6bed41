// Pickles: what weights need is read, everything else is refused by name, and nothing is ever called.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { FormatError } from "../../engine/errors.ts";
import type { Content, Inert } from "../../data/formats/content.ts";
import { MemoryBytes } from "../../data/formats/pytorch/bytes.ts";
import { openArchive, openLegacy } from "../../data/formats/pytorch/open.ts";
import {
  archive,
  BUILD,
  dict,
  FALSE,
  float,
  global,
  int,
  ints,
  join,
  legacy,
  list,
  MARK,
  NEWOBJ,
  NONE,
  orderedDict,
  type Part,
  pickle,
  PROTO2,
  REDUCE,
  rebuild,
  STOP,
  storage,
  tensor,
  text,
  tuple,
  u16,
  u32,
  u64,
} from "./torch-files.ts";
import { mutatedOf } from "../kernels/mutated.ts";
import { checkRefusal, openBytes, readWeights } from "../model/weight-files.ts";

const at = storage("0");
const good = tensor(at, [4], [1]);
/** An archive whose pickle is these opcodes. */
const of = (...parts: readonly Part[]) => archive({ pickle: pickle(...parts) });
/** An archive of a dict with these values besides the tensor. */
const beside = (...parts: readonly Part[]) => of(dict([text("a"), good], [text("b"), parts]));
const raw = (...parts: readonly Part[]) => archive({ pickle: join(...parts) });
const numpyDtype = [
  global("numpy", "dtype"),
  tuple(text("f8"), FALSE, 0x88),
  REDUCE,
  tuple(int(3), text("<"), NONE, NONE, NONE, int(-1), int(-1), int(0)),
  BUILD,
];

const inert = (content: Content) => content as Inert;
const get = (content: Content, key: string | number) => (content as ReadonlyMap<string | number, Content>).get(key)!;

// Pickles that are accepted, and what becomes of the value beside the tensor.
const accepted: [string, Uint8Array, (b: Content) => void][] = [
  [
    "whole numbers of all widths",
    beside(list(int(0), int(255), ["M", u16(300)], int(-1), int(2 ** 40), int(-(2 ** 40)), [0x8a, 0])),
    (b) => assert.equal(b, [0, 255, 300, -1, 2 ** 40, -(2 ** 40), 0]),
  ],
  ["whole numbers beyond 2^53", beside(0x8a, 8, u64(2n ** 60n)), (b) => assert.is(b, 2n ** 60n)],
  [
    "floats, also those that are none",
    beside(list(float(2.5), float(Number.NaN), float(-0))),
    (b) => assert.equal(b, [2.5, Number.NaN, -0]),
  ],
  ["None, True, False", beside(list(NONE, 0x88, FALSE)), (b) => assert.equal(b, [null, true, false])],
  [
    "texts of both lengths, in any script",
    beside(list(text("感情"), [0x8c, 2, "hi"])),
    (b) => assert.equal(b, ["感情", "hi"]),
  ],
  [
    "Python 2's ASCII strings",
    beside(list(["U", 2, "hi"], ["T", u32(3), "abc"])),
    (b) => assert.equal(b, ["hi", "abc"]),
  ],
  [
    "bytes",
    beside(list(["C", 2, [1, 255]], ["B", u32(1), 7])),
    (b) => assert.equal(b, [Uint8Array.of(1, 255), Uint8Array.of(7)]),
  ],
  [
    "bytes as protocol 2 writes them",
    beside(global("_codecs", "encode"), tuple(text("\x01ÿ"), text("latin1")), REDUCE),
    (b) => assert.equal(b, Uint8Array.of(1, 255)),
  ],
  [
    "tuples of all lengths",
    beside(
      list(
        ")",
        [int(1), 0x85],
        [int(1), int(2), 0x86],
        [int(1), int(2), int(3), 0x87],
        tuple(int(1), int(2), int(3), int(4)),
      ),
    ),
    (b) => assert.equal(b, [[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]),
  ],
  ["APPEND", beside("]", int(1), "a", int(2), "a"), (b) => assert.equal(b, [1, 2])],
  [
    "SETITEM, and whole numbers for keys",
    beside("}", int(7), text("x"), "s"),
    (b) => assert.equal(b, new Map([[7, "x"]])),
  ],
  [
    "a key __proto__, which is only a key",
    beside(dict([text("__proto__"), dict([text("polluted"), int(1)])])),
    (b) => assert.equal([...(b as Map<string, Content>).keys()], ["__proto__"]),
  ],
  [
    "memo entries in any order",
    beside("]", "q", 9, "r", u32(70_000), "h", 9, "j", u32(70_000), 0x87),
    (b) => assert.equal(b, [[], [], []]),
  ],
  [
    "an OrderedDict of pairs",
    beside(global("collections", "OrderedDict"), tuple(list(list(text("k"), int(1)))), REDUCE),
    (b) => assert.is(get(b, "k"), 1),
  ],
  [
    "an OrderedDict with attributes, which are dropped",
    beside(orderedDict, dict([text("_metadata"), orderedDict]), BUILD),
    (b) => assert.equal(b, new Map()),
  ],
  ["torch.Size", beside(global("torch", "Size"), tuple(ints(2, 3)), REDUCE), (b) => assert.equal(b, [2, 3])],
  ["a dtype", beside(global("torch", "float16")), (b) => assert.is(inert(b).name, "torch.float16")],
  [
    "a device",
    beside(global("torch", "device"), tuple(text("cuda"), int(0)), REDUCE),
    (b) => assert.equal([inert(b).name, inert(b).args], ["torch.device", ["cuda", 0]]),
  ],
  [
    "an argparse.Namespace, as data",
    beside(global("argparse", "Namespace"), ")", NEWOBJ, dict([text("lr"), float(0.1)]), BUILD),
    (b) => assert.equal([inert(b).name, get(inert(b).state, "lr")], ["argparse.Namespace", 0.1]),
  ],
  [
    "a NumPy scalar, as data",
    beside(global("numpy.core.multiarray", "scalar"), tuple(numpyDtype, ["C", 8, new Uint8Array(8)]), REDUCE),
    (b) => assert.equal([inert(b).name, inert(inert(b).args[0]).name], ["numpy.core.multiarray.scalar", "numpy.dtype"]),
  ],
  [
    "protocol 4: FRAME, MEMOIZE, STACK_GLOBAL",
    raw(
      0x80,
      4,
      0x95,
      u64(10),
      dict(
        [text("a"), good],
        [text("b"), [[0x8c, 11, "collections"], 0x94, [0x8c, 11, "OrderedDict"], 0x94, 0x93, 0x94, ")", REDUCE]],
      ),
      STOP,
    ),
    (b) => assert.equal(b, new Map()),
  ],
  [
    "a parameter",
    beside(global("torch._utils", "_rebuild_parameter"), tuple(good, 0x88, orderedDict), REDUCE),
    (b) => assert.is((b as { name: string }).name, "b"),
  ],
  [
    "torch.nn.parameter.Parameter",
    beside(global("torch.nn.parameter", "Parameter"), tuple(good, 0x88), REDUCE),
    (b) => assert.is((b as { name: string }).name, "b"),
  ],
  ["a tensor with metadata", beside(rebuild(at, int(0), ints(4), ints(1), FALSE, orderedDict, dict())), () => {}],
  [
    "a tensor that is not negated",
    beside(rebuild(at, int(0), ints(4), ints(1), FALSE, orderedDict, dict([text("neg"), FALSE]))),
    () => {},
  ],
  ["lists nested 900 deep", beside("]".repeat(900), "a".repeat(899)), () => {}],
  ["an object in two places", beside(list(int(1)), "q", 1, "h", 1, 0x86), (b) => assert.equal(b, [[1], [1]])],
];

const deep = (n: number) => beside("]".repeat(n), "a".repeat(n - 1));
/** Lists that hold the one before twice: 2^n leaves once written out. */
const laughs = (n: number) =>
  beside(
    list(int(1)),
    Array.from({ length: n }, (_, i) => ["q", i, "h", i, 0x86]),
  );

const refused: [string, Uint8Array, RegExp][] = [
  [
    "os.system",
    of(global("os", "system"), tuple(text("true")), REDUCE),
    /names "os.system", which is not among the allowed; nothing was called \(--inert "os.system" accepts it as data\)/,
  ],
  ["posix.system, mentioned only", beside(global("posix", "system")), /names "posix.system"/],
  ["builtins.eval", beside(global("builtins", "eval"), tuple(text("1")), REDUCE), /names "builtins.eval"/],
  ["__builtin__.getattr", beside(global("__builtin__", "getattr")), /names "__builtin__.getattr"/],
  ["torch.load", beside(global("torch", "load")), /names "torch.load"/],
  ["torch.hub.load", beside(global("torch.hub", "load")), /names "torch.hub.load"/],
  ["a storage class that is not plain", beside(global("torch", "QInt8Storage")), /names "torch.QInt8Storage"/],
  [
    "_rebuild_tensor of another version",
    beside(global("torch._utils", "_rebuild_device_tensor_from_numpy")),
    /names "torch._utils._rebuild_device/,
  ],
  ["a forbidden name through STACK_GLOBAL", beside(text("os"), text("system"), 0x93), /names "os.system"/],
  ["STACK_GLOBAL of numbers", beside(int(1), int(2), 0x93), /STACK_GLOBAL with a whole number and a whole number/],
  ["a name of a hundred thousand letters", beside(global("x".repeat(1e5), "y")), /a name of more than 1024 bytes/],
  ["a name that is not UTF-8", beside("c", Uint8Array.of(255), "\n", "y\n"), /text at byte \d+ is not valid UTF-8/],
  ["a name without an end", raw(PROTO2, "cabc"), /no end after 6 bytes/],
  ["REDUCE of text", beside(text("x"), ")", REDUCE), /REDUCE of text/],
  ["REDUCE with a list", beside(global("collections", "OrderedDict"), "]", REDUCE), /REDUCE with a list for arguments/],
  [
    "REDUCE of a storage class",
    beside(global("torch", "FloatStorage"), ")", REDUCE),
    /"torch.FloatStorage" makes nothing/,
  ],
  ["REDUCE of a dtype", beside(global("torch", "float32"), ")", REDUCE), /"torch.float32" makes nothing/],
  [
    "NEWOBJ of a function",
    beside(global("torch._utils", "_rebuild_tensor_v2"), ")", NEWOBJ),
    /NEWOBJ of "torch._utils._rebuild_tensor_v2"/,
  ],
  ["NEWOBJ with a list", beside(global("argparse", "Namespace"), "]", NEWOBJ), /NEWOBJ with a list for arguments/],
  ["BUILD of a tensor", beside(good, dict(), BUILD), /BUILD of a tensor/],
  ["BUILD of a list", beside("]", dict(), BUILD), /BUILD of a list/],
  ["BUILD of a dict with a number", beside(orderedDict, int(1), BUILD), /BUILD of a dict with a whole number/],
  [
    "BUILD twice",
    beside(global("argparse", "Namespace"), ")", NEWOBJ, dict(), BUILD, dict(), BUILD),
    /BUILD of "argparse.Namespace" for the second time/,
  ],
  ["SETITEM on a tensor", beside(good, text("k"), int(1), "s"), /SETITEMS on a tensor/],
  ["SETITEMS on a list", beside("]", MARK, text("k"), int(1), "u"), /SETITEMS on a list/],
  ["SETITEMS of three", beside("}", MARK, text("k"), int(1), text("l"), "u"), /SETITEMS with 3 values, an odd number/],
  ["APPEND on a dict", beside("}", int(1), "a"), /APPENDS on a dict/],
  ["APPENDS on a tuple", beside(")", MARK, int(1), "e"), /APPENDS on a tuple of 0/],
  ["a key twice", of(dict([text("a"), good], [text("a"), good])), /key "a" comes twice in a dict/],
  ["a list for a key", beside(dict(["]", int(1)])), /a list as the key of a dict/],
  ["a float for a key", beside(dict([float(1), int(1)])), /a float as the key of a dict/],
  ["a key beyond 2^53", beside(dict([[0x8a, 8, u64(2n ** 60n)], int(1)])), /a whole number as the key of a dict/],
  [
    "an OrderedDict of numbers",
    beside(global("collections", "OrderedDict"), tuple(list(int(1))), REDUCE),
    /OrderedDict: a whole number where a pair was expected/,
  ],
  [
    "an OrderedDict of three",
    beside(global("collections", "OrderedDict"), tuple(list(tuple(int(1), int(2), int(3)))), REDUCE),
    /a tuple of 3 where a pair/,
  ],
  [
    "encode with another encoding",
    beside(global("_codecs", "encode"), tuple(text("x"), text("rot13")), REDUCE),
    /encode: only text as latin1 is read/,
  ],
  [
    "encode of what is not latin1",
    beside(global("_codecs", "encode"), tuple(text("世"), text("latin1")), REDUCE),
    /character 0 is not latin1/,
  ],
  [
    "torch.Size of texts",
    beside(global("torch", "Size"), tuple(tuple(text("x"))), REDUCE),
    /Size: each number of size must be a whole number from 0 to 2\^53 - 1, found text/,
  ],
  ["no PROTO", raw("}", STOP), /does not begin with PROTO/],
  ["protocol 0", raw(0x80, 0, "}", STOP), /protocol 0; 2 to 5 are read/],
  ["protocol 6", raw(0x80, 6, "}", STOP), /protocol 6; 2 to 5 are read/],
  ["PROTO twice", raw(PROTO2, PROTO2, "}", STOP), /opcode PROTO at byte 2 is not among those that weights need/],
  ["INST", beside(MARK, "ios\nsystem\n"), /opcode INST/],
  ["OBJ", beside(MARK, "o"), /opcode OBJ/],
  ["NEWOBJ_EX", beside(0x92), /opcode NEWOBJ_EX/],
  ["EXT1", beside(0x82, 1), /opcode EXT1/],
  ["PERSID", beside("P1\n"), /opcode PERSID/],
  ["POP", beside(int(1), "0"), /opcode POP /],
  ["DUP", beside(int(1), "2"), /opcode DUP/],
  ["GET of protocol 0", beside("g0\n"), /opcode GET/],
  ["sets", beside(0x8f), /opcode EMPTY_SET/],
  ["LONG4", beside(0x8b, u32(1), 1), /opcode LONG4/],
  ["NEXT_BUFFER", beside(0x97), /opcode NEXT_BUFFER/],
  ["an opcode that is none", beside(0xff), /opcode 0xff/],
  ["an empty pickle", raw(), /no end after 0 bytes/],
  ["a pickle without STOP", raw(PROTO2, "}"), /no end after 3 bytes/],
  ["STOP with nothing", of(), /0 values at STOP; 1 is right/],
  ["STOP with two", of("}", "}"), /2 values at STOP/],
  ["STOP behind a MARK", of("}", MARK), /an open MARK at STOP/],
  ["bytes after STOP", raw(PROTO2, "}", STOP, "}"), /1 bytes after its end/],
  ["TUPLE2 with one value", raw(PROTO2, int(1), 0x86, STOP), /the opcode at byte 4 finds no value on the stack/],
  ["TUPLE1 that reaches below a MARK", raw(PROTO2, int(1), MARK, 0x85, STOP), /finds no value on the stack/],
  ["TUPLE without MARK", raw(PROTO2, "}", "t", STOP), /finds no MARK/],
  ["APPEND with nothing", raw(PROTO2, "a", STOP), /finds no value/],
  ["a memo entry that was never set", beside("h", 250), /memo entry 250 was never set/],
  ["BINPUT of nothing", raw(PROTO2, "q", 0, STOP), /finds no value/],
  ["text longer than the pickle", beside("X", u32(2 ** 31)), /needs 2147483648 bytes at byte \d+, \d+ are left/],
  ["text that is not UTF-8", beside("X", u32(1), 0xff), /is not valid UTF-8/],
  ["text with half a surrogate pair", beside("X", u32(3), [0xed, 0xa0, 0x80]), /is not valid UTF-8/],
  ["a byte string that is not ASCII", beside("U", 2, "é"), /a byte string that is not ASCII/],
  ["a FRAME longer than the pickle", beside(0x95, u64(2n ** 63n)), /a FRAME of 9223372036854775808 bytes/],
  ["lists nested 1100 deep", deep(1100), /nested more than 1000 deep/],
  ["1100 open MARKs", beside(MARK.repeat(1100)), /more than 1000 open MARKs/],
  ["a billion laughs", laughs(40), /more than 1000000 values once what is shared is written out/],
  ["a list that contains itself", beside("]", "q", 1, "h", 1, "a"), /"b.0" contains itself/],
  ["a dict that contains itself", beside("}", "q", 1, text("x"), "h", 1, "s"), /"b.x" contains itself/],
  ["two million lists", beside(MARK, "]".repeat(2_000_000), "t"), /more than 1000000 objects/],
  ["five million numbers", beside(MARK, new Uint8Array(5_000_000).fill(0x88), "t"), /more than 4000000 values/],
  [
    "a persistent id that is text",
    beside(text("storage"), "Q"),
    /a persistent id that is text; only storages are read/,
  ],
  [
    "a persistent id of another kind",
    beside(tuple(text("module"), text("x"), text("y"), text("z"), int(1)), "Q"),
    /a persistent id that is a tuple of 5/,
  ],
  [
    "a persistent id of four",
    beside(tuple(text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu")), "Q"),
    /a persistent id that is a tuple of 4/,
  ],
  [
    "a storage of a class that is none",
    beside(tuple(text("storage"), global("collections", "OrderedDict"), text("0"), text("cpu"), int(4)), "Q"),
    /a storage of "collections.OrderedDict"/,
  ],
  [
    "a storage whose key is a number",
    beside(tuple(text("storage"), global("torch", "FloatStorage"), int(0), text("cpu"), int(4)), "Q"),
    /a storage with a whole number for its key/,
  ],
  [
    "a storage of a negative size",
    beside(tensor(storage("0", "FloatStorage", -4), [1], [1])),
    /size of storage "0" must be a whole number from 0 to 2\^53 - 1, found -4/,
  ],
  ["a storage of 2^60", beside(tensor(storage("0", "FloatStorage", 2n ** 60n), [1], [1])), /found 1152921504606846976/],
  ["a storage that is not there", beside(tensor(storage("9"), [4], [1])), /storage "9" is not in the archive/],
  [
    "a storage with a way out",
    beside(tensor(storage("../version"), [4], [1])),
    /storage "..\/version" is not in the archive/,
  ],
  [
    "a storage of two types",
    beside(tensor(storage("0", "IntStorage"), [4], [1])),
    /storage "0" is F32 x 4 and also I32 x 4/,
  ],
  [
    "a storage of two sizes",
    beside(tensor(storage("0", "FloatStorage", 2), [2], [1])),
    /storage "0" is F32 x 4 and also F32 x 2/,
  ],
  [
    "a storage larger than its entry",
    of(dict([text("a"), tensor(storage("0", "FloatStorage", 5), [5], [1])])),
    /storage "0" has 16 bytes, but 5 x F32 need 20/,
  ],
  [
    "a storage smaller than its entry",
    of(dict([text("a"), tensor(storage("0", "HalfStorage", 4), [4], [1])])),
    /storage "0" has 16 bytes, but 4 x F16 need 8/,
  ],
  [
    "a tensor of five arguments",
    beside(rebuild(at, int(0), ints(4), ints(1), FALSE)),
    /_rebuild_tensor_v2: 5 arguments; 6 or 7 are right/,
  ],
  [
    "a tensor whose negation was put off", // as torch.imag(x.conj()) is saved
    beside(rebuild(at, int(0), ints(4), ints(1), FALSE, orderedDict, dict([text("neg"), 0x88]))),
    /_rebuild_tensor_v2: the flag "neg"; only tensors whose storage is their values are read/,
  ],
  ["a tensor on a list", beside(rebuild("]", int(0), ints(4), ints(1), FALSE, orderedDict)), /a list as storage/],
  [
    "a tensor with hooks",
    beside(rebuild(at, int(0), ints(4), ints(1), FALSE, [orderedDict, text("k"), int(1), "s"])),
    /a dict as hooks; an empty OrderedDict was expected/,
  ],
  [
    "a tensor that needs a gradient maybe",
    beside(rebuild(at, int(0), ints(4), ints(1), int(1), orderedDict)),
    /a whole number as requires_grad/,
  ],
  [
    "a tensor of a list of sizes",
    beside(rebuild(at, int(0), list(int(4)), ints(1), FALSE, orderedDict)),
    /a list as size/,
  ],
  [
    "a size of a half",
    beside(rebuild(at, int(0), tuple(float(0.5)), ints(1), FALSE, orderedDict)),
    /each number of size must be a whole number.*found a float/,
  ],
  ["a negative size", beside(tensor(at, [-4], [1])), /found -4/],
  ["a negative stride", beside(tensor(at, [4], [-1], 3)), /each number of stride must be .* found -1/],
  ["a negative offset", beside(tensor(at, [4], [1], -1)), /the offset must be .* found -1/],
  [
    "a view one element too long",
    beside(tensor(at, [5], [1])),
    /size \[5\] and stride \[1\] from 0 leave the storage of 4 elements/,
  ],
  ["a view one element too far", beside(tensor(at, [4], [1], 1)), /from 1 leave the storage of 4/],
  ["a stride that leads out", beside(tensor(at, [2, 2], [3, 1])), /leave the storage/],
  ["a stride of 2^52", beside(tensor(at, [2], [2 ** 52])), /leave the storage/],
  ["strides of fewer axes", beside(tensor(at, [2, 2], [1])), /size has 2 axes, stride has 1/],
  ["sizes whose product overflows", beside(tensor(at, [2 ** 30, 2 ** 30], [0, 0])), /is more than 2\^53 - 1 elements/],
  ["an empty tensor behind the storage", beside(tensor(at, [0], [1], 5)), /leave the storage of 4/],
  [
    "a view that repeats 17 times",
    beside(tensor(at, [17, 4], [0, 1])),
    /repeat 4 elements to 68; at most 16 times is allowed/,
  ],
  ["a view of petabytes", beside(tensor(at, [2 ** 50], [0])), /repeat 4 elements to 1125899906842624/],
  ["33 axes", beside(tensor(at, Array(33).fill(1), Array(33).fill(1))), /size has 33 axes; at most 32/],
  [
    "a parameter of text",
    beside(global("torch._utils", "_rebuild_parameter"), tuple(text("x"), 0x88, orderedDict), REDUCE),
    /_rebuild_parameter: text as tensor/,
  ],
  [
    "a parameter of two arguments",
    beside(global("torch._utils", "_rebuild_parameter"), tuple(good, 0x88), REDUCE),
    /2 arguments; 3 are right/,
  ],
  [
    "two tensors of one name",
    of(dict([text("a.b"), good], [text("a"), dict([text("b"), good])])),
    /two tensors would be named "a.b"/,
  ],
  ["a name of ten thousand letters", of(dict([text("n".repeat(10_000)), good])), /has more than 4096 letters/],
  [
    "a list of TorchScript that is none",
    beside(global("torch.jit._pickle", "build_intlist"), tuple(int(1)), REDUCE),
    /build_intlist: a whole number where one list was expected/,
  ],
];

const evil = global("evil", "Wrap");
const inside = (name: string) =>
  new RegExp(`names "evil\\.Wrap", which is not among the allowed and would make 1 weights, such as "${name}"`);

// Names outside the lists, around weights: all of them are told, with what to do.
refused.push(
  ["a weight in an object of an unknown class", beside(evil, tuple(good), REDUCE), inside("b.0")],
  ["a weight in its state", beside(evil, ")", NEWOBJ, dict([text("w"), good]), BUILD), inside("b.w")],
  ["a weight put into a container of an unknown class", beside(evil, ")", REDUCE, text("w"), good, "s"), inside("b.1")],
  ["a weight appended to one", beside(evil, ")", REDUCE, good, "a"), inside("b.0")],
  [
    "a whole model, with all its classes",
    of(
      global("open_clip.model", "CLIP"),
      ")",
      NEWOBJ,
      dict([text("conv"), [global("torch.nn", "Conv2d"), ")", NEWOBJ, dict([text("weight"), good]), BUILD]]),
      BUILD,
    ),
    /names "open_clip\.model\.CLIP", "torch\.nn\.Conv2d", which are not among the allowed .* save the model's state_dict\(\)/,
  ],
  [
    "a storage of an unknown kind, with the class around it",
    beside(global("my", "Tensor"), tuple(tensor(storage("0", "QInt8Storage"), [4], [1])), REDUCE),
    /names "my\.Tensor", "torch\.QInt8Storage", which are not/,
  ],
  [
    "all doors at once",
    beside(
      list(
        [global("os", "system"), tuple(text("true")), REDUCE],
        global("builtins", "eval"),
        global("pathlib", "Path"),
      ),
    ),
    /names "os\.system", "builtins\.eval", which are not among the allowed; nothing was called \(--inert "os\.system" --inert "builtins\.eval" accepts them/,
  ],
  [
    "a fault behind unknown names, with these",
    beside(list(global("collections", "defaultdict"), global("a", "B")), int(1), "s"),
    /names "collections\.defaultdict", "a\.B"/,
  ],
);

/** Names outside the lists beside the weights, and what is counted of them. */
const unread: [string, Uint8Array, Record<string, number>][] = [
  [
    "a name that leads through an allowed module",
    beside(global("torch", "_utils._rebuild_tensor_v2")),
    { "torch._utils._rebuild_tensor_v2": 0 },
  ],
  ["an allowed name of another module", beside(global("evil", "OrderedDict")), { "evil.OrderedDict": 0 }],
  [
    "collections.OrderedDict with a space",
    beside(global("collections ", "OrderedDict")),
    { "collections .OrderedDict": 0 },
  ],
  ["a name like __torch__", beside(global("__torch__x", "A")), { "__torch__x.A": 0 }],
  ["a name that would clear the terminal", beside(global("\x1b[2J", "\u202e")), { "\x1b[2J.\u202e": 0 }],
  [
    "two paths, a date, a set and a defaultdict",
    beside(
      list(
        [global("pathlib", "PosixPath"), tuple(text("/data")), REDUCE],
        [global("pathlib", "PosixPath"), tuple(text("/runs")), REDUCE],
        [global("datetime", "datetime"), tuple(["C", 1, 7]), REDUCE],
        [global("__builtin__", "set"), tuple(list(int(1))), REDUCE],
        [global("collections", "defaultdict"), tuple(global("__builtin__", "int")), REDUCE, text("k"), int(1), "s"],
        [global("collections", "deque"), ")", REDUCE, int(1), "a"],
      ),
    ),
    {
      "pathlib.PosixPath": 2,
      "datetime.datetime": 1,
      "__builtin__.set": 1,
      "collections.defaultdict": 1,
      "__builtin__.int": 0,
      "collections.deque": 1,
    },
  ],
  ["the result of a call, called", beside(evil, ")", REDUCE, ")", REDUCE), { "evil.Wrap": 2 }],
  [
    "a moment of an optimizer, and the weights of a loss",
    of(
      dict(
        [text("a"), good],
        [text("b"), NONE],
        [text("optimizer"), [evil, tuple(good), REDUCE]],
        [text("criterion"), [evil, ")", NEWOBJ, dict([text("w"), good]), BUILD]],
      ),
    ),
    { "evil.Wrap": 2 },
  ],
];

for (const [what, bytes, check] of accepted)
  test(`accepted: ${what}`, async () => {
    const { content, values } = await readWeights(bytes, "fine.pt");
    assert.equal([...values.get("a")!], [1, 2, 3, 4]);
    check(get(content, "b"));
    assert.is(({} as { polluted?: unknown }).polluted, undefined);
  });

for (const [what, bytes, message] of refused) test(`refused: ${what}`, () => checkRefusal(bytes, "bad.pt", message));

for (const [what, bytes, counts] of unread)
  test(`left as data, and counted: ${what}`, async () => {
    const file = await openBytes(bytes, "fine.pt");
    assert.equal([[...file.tensors.keys()], Object.fromEntries(file.unread!)], [["a"], counts]);
    assert.equal([...(await file.floats("a"))], [1, 2, 3, 4]);
    await file.close();
  });

test("views of up to 16 times their storage are gathered, those of no axes and of none too", async () => {
  const bytes = of(
    dict(
      [text("repeated"), tensor(at, [16, 4], [0, 1])],
      [text("scalar"), tensor(at, [], [], 3)],
      [text("empty"), tensor(at, [0, 3], [3, 1], 4)],
      [text("transposed"), tensor(at, [2, 2], [1, 2])],
      [text("column"), tensor(at, [2], [2], 1)],
      [text("ones"), tensor(at, [1, 4, 1], [77, 1, 99])],
    ),
  );
  const { values } = await readWeights(bytes, "views.pt");
  assert.equal(
    [...values.get("repeated")!],
    Array.from({ length: 64 }, (_, i) => 1 + (i % 4)),
  );
  assert.equal(
    Array.from(["scalar", "empty", "transposed", "column", "ones"], (name) => [...values.get(name)!]),
    [[4], [], [1, 3, 2, 4], [2, 4], [1, 2, 3, 4]],
  );
});

test("a name that the caller accepts is kept as data, exactly this one", async () => {
  const made = beside(global("pathlib", "PosixPath"), tuple(text("/etc/passwd")), REDUCE);
  const { content } = await readWeights(made, "fine.pt", { inert: ["pathlib.PosixPath"] });
  const path = inert(get(content, "b"));
  assert.equal([path.name, path.args], ["pathlib.PosixPath", ["/etc/passwd"]]);
  const door = beside(global("os", "system"), tuple(text("true")), REDUCE);
  await checkRefusal(door, "bad.pt", /names "os.system"/, { inert: ["os.*", "os", "*"] });
  await readWeights(door, "fine.pt", { inert: ["os.system"] });
  await checkRefusal(
    beside(global("pathlib", "PosixPath"), tuple(text("x")), REDUCE, int(1), "a"),
    "bad.pt",
    /APPENDS on a foreign/,
    {
      inert: ["pathlib.PosixPath"],
    },
  );
});

/** Everything that a name in a pickle could reach by accident throws. */
function withTraps(body: () => void): void {
  const spied: [object, string][] = [
    [globalThis, "eval"],
    [globalThis, "Function"],
    [process, "exit"],
    [process, "kill"],
    [globalThis, "fetch"],
  ];
  const saved = spied.map(([target, name]) => Object.getOwnPropertyDescriptor(target, name));
  let calls = 0;
  for (const [target, name] of spied)
    Object.defineProperty(target, name, { configurable: true, writable: true, value: () => void calls++ });
  try {
    body();
  } finally {
    for (const [i, [target, name]] of spied.entries()) if (saved[i]) Object.defineProperty(target, name, saved[i]);
  }
  assert.is(calls, 0);
}

function parsesOrRefuses(open: typeof openArchive, bytes: Uint8Array): void {
  try {
    const { tensors } = open(new MemoryBytes("fuzz", bytes));
    for (const [name, { shape }] of tensors) {
      assert.type(name, "string");
      assert.ok(shape.every((length) => Number.isSafeInteger(length) && length >= 0));
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    assert.ok(!/\p{C}/u.test(error.message) && error.message.length < 4096);
  }
}

const seeds = [...accepted.map(([, bytes]) => bytes), ...refused.slice(0, 60).map(([, bytes]) => bytes)].filter(
  (bytes) => bytes.length < 4096,
);
const picklesOnly = accepted.map(([, bytes]) => pickleOf(bytes)).filter((bytes) => bytes.length < 4096);

/** The pickle of an archive made above: its first entry. */
function pickleOf(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const start = 30 + view.getUint16(26, true) + view.getUint16(28, true);
  return bytes.slice(start, start + view.getUint32(18, true));
}

/** Opcode sequences with valid and invalid effects on the stack; most names are forbidden ones. */
const opcodes: fc.Arbitrary<Part> = fc.oneof(
  fc.constantFrom<Part>(
    MARK,
    "}",
    "]",
    ")",
    "t",
    "u",
    "s",
    "a",
    "e",
    "R",
    "b",
    "Q",
    "N",
    NEWOBJ,
    0x85,
    0x86,
    0x87,
    0x88,
    0x89,
    0x93,
    0x94,
  ),
  fc.nat(255).map((value): Part => ["K", value]),
  fc.nat(9).map((value): Part => ["q", value]),
  fc.nat(9).map((value): Part => ["h", value]),
  fc.constantFrom("storage", "0", "cpu", "a", "b", "__proto__", "constructor", "latin1", "os", "system").map(text),
  fc.constantFrom<Part>(
    global("torch._utils", "_rebuild_tensor_v2"),
    global("torch._utils", "_rebuild_parameter"),
    global("torch", "FloatStorage"),
    global("torch", "Size"),
    global("collections", "OrderedDict"),
    global("_codecs", "encode"),
    global("argparse", "Namespace"),
    global("__torch__", "CLIP"),
    global("os", "system"),
  ),
  fc.constantFrom<Part>(good, at, orderedDict, ints(2, 2)),
);

const runs: [string, typeof openArchive, fc.Arbitrary<Uint8Array>, number][] = [
  ["any mutation of an archive", openArchive, mutatedOf(seeds), 6_000],
  ["any mutation of its pickle", openArchive, mutatedOf(picklesOnly).map((bytes) => archive({ pickle: bytes })), 6_000],
  ["any opcodes", openArchive, fc.array(opcodes, { maxLength: 30 }).map((parts) => of(...parts)), 8_000],
  [
    "any bytes behind a magic number",
    openLegacy,
    fc.uint8Array({ maxLength: 200 }).map((bytes) => join(legacy().subarray(0, 15), bytes)),
    2_000,
  ],
  ["any mutation of a legacy file", openLegacy, mutatedOf([legacy()]), 6_000],
];

for (const [what, open, arbitrary, numRuns] of runs)
  test(`${what}: sound tensors or a FormatError within 50 ms, and nothing is called`, () => {
    withTraps(() => {
      fc.assert(
        fc.property(arbitrary, (bytes) => parsesOrRefuses(open, bytes)),
        { numRuns, seed: 2022, includeErrorInReport: true },
      );
    });
    assert.is(({} as { polluted?: unknown }).polluted, undefined);
  });

test("every name outside the lists is refused or left as data, whatever it is", () => {
  const allowed = new Set(
    "torch.Size torch.double torch.float torch.half torch.long torch.int torch.short torch.bool torch.device".split(
      " ",
    ),
  );
  const names = fc.oneof(
    fc.constantFrom("os", "sys", "builtins", "torch", "torch._utils", "numpy"),
    fc.stringMatching(/^[a-z_.]{1,12}$/),
  );
  fc.assert(
    fc.property(names, fc.stringMatching(/^[a-z_.]{1,12}$/), (module, name) => {
      if (allowed.has(`${module}.${name}`) || `${module}.${name}` === "numpy.dtype") return;
      const made = beside(global(module, name), tuple(text("x")), REDUCE);
      try {
        const { unread, content, tensors } = openArchive(new MemoryBytes("fuzz", made));
        assert.equal([...unread], [[`${module}.${name}`, 1]]);
        assert.equal([inert(get(content, "b")).name, [...tensors.keys()]], [`${module}.${name}`, ["a"]]);
      } catch (error) {
        assert.match((error as Error).message, /which is not among the allowed/);
      }
    }),
    { numRuns: 3000, seed: 2022 },
  );
});

test.run();
