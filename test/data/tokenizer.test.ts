// CLIP's tokenizer: the official ids, an independent naive merger, hostile tables, and texts nobody would write.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { fix_text } from "ftfy-js";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { mergeWord } from "../../data/tokenizer/bpe.ts";
import { openTokenizer } from "../../data/tokenizer/clip.ts";
import { unescapeHtml } from "../../data/tokenizer/html.ts";
import { piecesOf } from "../../data/tokenizer/split.ts";
import { pairKey, readVocabulary } from "../../data/tokenizer/vocabulary.ts";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { goldenJson } from "../kit/golden.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";
import { effort } from "../kit/effort.ts";

interface Golden {
  readonly vocab_size: number;
  readonly sot: number;
  readonly eot: number;
  readonly context_length: number;
  readonly cases: { text: string; cleaned: string; ids: number[]; row_nonzero: number; row: number[] | null }[];
  readonly short_context: { text: string; context_length: number; row: number[] }[];
  readonly decode: { ids: number[]; text: string }[];
}
const golden = goldenJson<Golden>("emotionclip/tokenizer.json");
const clip = await openTokenizer();
const check = { seed: 2022, includeErrorInReport: true };

test("206 texts have the official cleaned form, ids and row, the broken encodings included", () => {
  assert.is(golden.cases.length, 206);
  assert.equal([clip.vocabulary, clip.start, clip.end], [golden.vocab_size, golden.sot, golden.eot]);
  for (const { text, cleaned, ids, row_nonzero, row } of golden.cases) {
    assert.is(clip.clean(text), cleaned);
    assert.equal(clip.ids(text), ids, text);
    const got = [...clip.encode(text, golden.context_length)];
    assert.is(got.filter((id) => id !== 0).length, row_nonzero, text);
    assert.equal(got, row ?? [golden.sot, ...ids, golden.eot, ...new Array(75 - ids.length).fill(0)], text);
  }
});

test("short contexts cut the end token off, and ids become the official texts again", () => {
  for (const { text, context_length, row } of golden.short_context)
    assert.equal([...clip.encode(text, context_length)], row, text);
  for (const { ids, text } of golden.decode) assert.is(clip.decode(ids), text);
  assert.ok(golden.short_context.length >= 6 && golden.decode.length >= 60);
});

test("rows of many texts are the rows of each", () => {
  const rows = clip.rows(6);
  assert.equal([rows.context, rows.vocabulary], [6, 49408]);
  assert.equal([...rows.encode(["hello world", ""])], [...clip.encode("hello world", 6), ...clip.encode("", 6)]);
  for (const context of [0, -1, 2.5, Number.NaN])
    assert.throws(
      () => clip.encode("hello", context),
      (e: Error) => e instanceof UsageError,
    );
  assert.equal([...clip.encode("hello", 1)], [49406]);
});

test("an id outside the vocabulary is refused, and the special ids have names", () => {
  for (const id of [49408, -1, 0.5]) assert.throws(() => clip.decode([id]), /is not in the vocabulary of 49408/);
  assert.is(clip.decode([49406, 3306, 49407]), "<start_of_text>hello <end_of_text>");
  assert.is(clip.decode([125]), "\ufffd", "a byte that is no UTF-8 by itself");
});

// What Python 3.11's html.unescape gives.
const references: [string, string][] = [
  ["&lt;&amp;lt;", "<&lt;"],
  ["&notit; &notin; &notinX", "\u00acit; \u2209 \u00acinX"],
  ["&#65;&#x42;&#X43", "ABC"],
  ["&#0;&#13;&#x80;&#x9f;&#x81;", "\ufffd\r\u20ac\u0178\u0081"],
  ["&#xD800;&#x110000;&#99999999999999999999;", "\ufffd\ufffd\ufffd"],
  ["[&#1114111;&#xfdd0;&#11;&#127;&#xfffe;&#x1ffff;]", "[]"],
  ["&#12;&#x1F600;", "\f\u{1f600}"],
  ["& &; &&amp; &a &am &amp &ampx &AMP; &aMp;", "& &; && &a &am & &x & &aMp;"],
  ["&CounterClockwiseContourIntegral;", "\u2233"],
  ["&CounterClockwiseContourIntegralxyz;", "&CounterClockwiseContourIntegralxyz;"],
  ["&toString; &__proto__; &constructor &hasOwnProperty;", "&toString; &__proto__; &constructor &hasOwnProperty;"],
  ["& amp; &#; &#x; &#xg; &frac12x", "& amp; &#; &#x; &#xg; \u00bdx"],
  ["&notindot;&ngE;&bne;&fjlig;", "\u22f5\u0338\u2267\u0338=\u20e5fj"],
  ["&eacute\u00e9; &copy\u{1f600};", "\u00e9\u00e9; \u00a9\u{1f600};"],
  ["&#38;lt; &gtdot; &gt. &sup1&sup2;", "&lt; \u22d7 >. \u00b9\u00b2"],
  [`&lt${"x".repeat(40)}`, `<${"x".repeat(40)}`],
  [`&${"\u{1f600}".repeat(31)}lt;`, `&${"\u{1f600}".repeat(31)}lt;`],
];

test("HTML references resolve as in Python", () => {
  for (const [text, want] of references) assert.is(unescapeHtml(text), want);
});

test("words are cut as by the official pattern, which drops U+0345 and takes the long s for s", () => {
  const cut = (text: string) => [...piecesOf(text)];
  assert.equal(cut("it's 42!"), ["it", "'s", "4", "2", "!"]);
  assert.equal(cut("a\u0345b !\u0345!"), ["a", "b", "!", "!"]);
  assert.equal(cut("it'\u017f <\u017ftart_of_text>"), ["it", "'\u017f", "<\u017ftart_of_text>"]);
  assert.equal(cut("a\u0085b\ufeffc"), ["a", "b", "\ufeff", "c"]);
});

/** The published loop, over symbols as numbers: find the best pair, replace it everywhere, again. */
function naive(word: readonly number[], ranks: ReadonlyMap<number, number>, merged: ArrayLike<number>): number[] {
  let symbols = [...word];
  for (;;) {
    let best: number | undefined;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const rank = ranks.get(pairKey(symbols[i], symbols[i + 1]));
      if (rank !== undefined && (best === undefined || rank < best)) best = rank;
    }
    if (best === undefined) return symbols;
    const next: number[] = [];
    for (let i = 0; i < symbols.length; i++) {
      const isPair = i + 1 < symbols.length && ranks.get(pairKey(symbols[i], symbols[i + 1])) === best;
      next.push(isPair ? merged[best] : symbols[i]);
      if (isPair) i++;
    }
    symbols = next;
  }
}

/** Tables over four letters in which symbols may be made twice, at ranks in any order, and words over them. */
const tables = fc.array(fc.tuple(fc.nat(40), fc.nat(40)), { minLength: 1, maxLength: 40 }).map((picks) => {
  const symbols = ["a", "b", "c", "d"];
  const pairs: [number, number][] = [];
  for (const [l, r] of picks) {
    const pair: [number, number] = [l % symbols.length, r % symbols.length];
    if (pairs.some(([a, b]) => a === pair[0] && b === pair[1])) continue;
    pairs.push(pair);
    const text = symbols[pair[0]] + symbols[pair[1]];
    if (!symbols.includes(text)) symbols.push(text);
  }
  const merged = Uint32Array.from(pairs, ([l, r]) => symbols.indexOf(symbols[l] + symbols[r]));
  return { ranks: new Map(pairs.map(([l, r], rank) => [pairKey(l, r), rank])), merged };
});

test("merging equals the naive loop, for any table and word", () => {
  fc.assert(
    fc.property(tables, fc.array(fc.nat(3), { minLength: 1, maxLength: 40 }), (table, word) =>
      assert.equal(mergeWord(word, table), naive(word, table.ranks, table.merged)),
    ),
    { ...check, numRuns: 3000 },
  );
});

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.string({ unit: "grapheme", maxLength: 60 }),
  fc
    .array(
      fc.constantFrom(
        "&amp;",
        "&lt",
        "<",
        "don't",
        " ",
        "\u00c3\u00a9",
        "\u2019",
        "Σ",
        "\u0345",
        "7",
        "\ud83d",
        "😂",
        "\n",
        "é",
      ),
      {
        maxLength: 20,
      },
    )
    .map((parts) => parts.join("")),
);

test("any text has ids: those of the naive loop on the bytes of its words", () => {
  const { symbols, ranks, merged } = readVocabulary();
  const ids = new Map(symbols.map((symbol, id) => [symbol, id]));
  fc.assert(
    fc.property(text, (text) => {
      const want = [...piecesOf(clip.clean(text))].flatMap((word) => {
        if (word === "<end_of_text>" || word === "<start_of_text>") return [ids.get(word)!];
        const bytes = [...Buffer.from(word, "utf8")].map((byte) => ids.get(officialByte(byte))!);
        bytes[bytes.length - 1] += 256;
        return naive(bytes, ranks, merged);
      });
      assert.equal(clip.ids(text), want);
      const row = clip.encode(text, 12);
      assert.equal([...row], [49406, ...want, 49407, ...new Array(12).fill(0)].slice(0, 12));
      assert.ok(row.every((id) => id < 49408));
    }),
    { ...check, numRuns: 3000 },
  );
});

/** CLIP's bytes_to_unicode, written again. */
function officialByte(byte: number): string {
  const isPrintable = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  if (isPrintable(byte)) return String.fromCharCode(byte);
  return String.fromCharCode(256 + Array.from({ length: byte }, (_, b) => b).filter((b) => !isPrintable(b)).length);
}

test("cleaning is ftfy, references twice, one space, lower case; a plain text takes a short way to the same", () => {
  const space = /[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/g;
  const slow = (text: string) =>
    unescapeHtml(unescapeHtml(fix_text(text)))
      .replace(space, " ")
      .replace(/^ | $/g, "")
      .toLowerCase();
  const ascii = fc.string({ unit: "binary-ascii", maxLength: 60 });
  fc.assert(
    fc.property(fc.oneof(text, ascii), (text) => assert.is(clip.clean(text), slow(text))),
    { ...check, numRuns: 6000 },
  );
});

test("a cleaned text holds no upper case ASCII, no half of a pair, no double space, and words survive decoding", () => {
  fc.assert(
    fc.property(text, (text) => {
      const cleaned = clip.clean(text);
      assert.not.match(cleaned, /[A-Z]|^ | $| {2}|[\t\n\r]/);
      assert.not.match(cleaned, /\p{Surrogate}/u);
      const words = [...piecesOf(cleaned)];
      assert.is(clip.decode(clip.ids(text)), words.map((w) => (w.endsWith("_of_text>") ? w : `${w} `)).join(""));
    }),
    { ...check, numRuns: 2000 },
  );
});

test("cleaning is idempotent where no reference is left to resolve", () => {
  const word = fc.string({ unit: fc.constantFrom(..."aBcÉéñ—'\"!?7<> \t你😂…"), maxLength: 40 });
  fc.assert(
    fc.property(word, (text) => assert.is(clip.clean(clip.clean(text)), clip.clean(text))),
    { ...check, numRuns: 1000 },
  );
});

const long: [string, string][] = [
  ["one word of 100 KB", "x".repeat(1e5)],
  ["one word of two letters in turn", "ab".repeat(5e4)],
  ["100 KB of marks", "!".repeat(1e5)],
  ["100 KB of digits", "7".repeat(1e5)],
  ["100 KB of Chinese", "感情".repeat(17_000)],
  ["100 KB of broken encoding", "Ã© ".repeat(25_000)],
  ["broken encoding among Chinese", "Ã©感".repeat(14_000)],
  ["references in references", `&${"amp;".repeat(25_000)}`],
  ["accents out of order", `a${"\u0301\u0323".repeat(25_000)}`],
  ["half pairs", "\ud83d".repeat(33_000)],
  ["100 KB of &", "&".repeat(1e5)],
  ["blank lines", "\n".repeat(1e5)],
];

for (const [what, text] of long)
  test(`without a quadratic loop: ${what}`, async () => {
    const cost = await effort(() => assert.is(clip.encode(text, 77)[0], 49406), 1500);
    assert.ok(cost < 1500, `${cost} yardsticks`);
  });

test("references in references end as what they stand for, however deep", () => {
  for (const depth of [1, 2, 3, 25_000]) assert.is(clip.clean(`a &${"amp;".repeat(depth)}lt; b`), "a < b");
  assert.is(clip.clean("<i> &amp;amp;amp;lt;"), "<i> &amp;lt;", "after < only the two official passes");
});

test("a word of 100 KB goes without a quadratic loop", async () => {
  let ids: number[] = [];
  const cost = await effort(() => (ids = clip.ids("supercalifragilistic".repeat(5000))), 500);
  assert.ok(cost < 500, `${cost} yardsticks; a quadratic loop takes minutes`);
  assert.ok(ids.length > 10_000 && ids.length < 50_000);
});

// Tables in files.
const header = "#version: 0.2";
const table = (...lines: string[]) => Buffer.from([header, ...lines, ""].join("\n"));
const fine = table("a b", "ab c</w>", "ab ab");

test("a user's table is read packed or not, and the model's size says how many merges count", () =>
  inTemporary(async (folder) => {
    for (const [name, bytes] of [
      ["plain.txt", fine],
      ["packed.txt.gz", gzipSync(fine)],
      ["without-a-last-newline.txt", fine.subarray(0, -1)],
    ] as const) {
      writeFileSync(join(folder, name), bytes);
      const three = await openTokenizer(join(folder, name), 517);
      assert.equal(three.ids("abababc"), [514, 513]);
      assert.equal([three.start, three.end], [515, 516]);
      assert.equal((await openTokenizer(join(folder, name), 516)).ids("abababc"), [512, 512, 513]);
      assert.equal((await openTokenizer(join(folder, name), 514)).ids("ab"), [64, 65 + 256]);
    }
  }));

test("the package's table is the one whose ids are golden, and of a shorter one the beginning", () => {
  assert.is(readVocabulary().symbols.length, 49408);
  assert.equal(readVocabulary(undefined, 520).symbols.slice(512), [
    "in",
    "th",
    "an",
    "re",
    "ar",
    "er",
    "<start_of_text>",
    "<end_of_text>",
  ]);
  for (const size of [513, 0, -1, 2.5, 2 ** 21])
    assert.throws(
      () => readVocabulary(undefined, size),
      (e: Error) => e instanceof UsageError,
    );
});

const packed = gzipSync(fine);
const refused: [string, Buffer, RegExp][] = [
  ["an empty file", Buffer.alloc(0), /line 1 is "", expected a header with "#version:"/],
  ["a file without header", Buffer.from("a b\nab c</w>\nab ab\n"), /line 1 is "a b"/],
  ["a merge too few", table("a b", "ab c</w>"), /2 merges; the model's vocabulary needs 3/],
  ["no merges", table(), /0 merges/],
  ["a blank line", table("a b", "", "ab ab"), /line 3 is ""/],
  ["one symbol", table("a b", "ab", "ab ab"), /line 3 is "ab"/],
  ["three symbols", table("a b", "a b c", "ab ab"), /line 3 is "a b c"/],
  ["two spaces", table("a b", "ab  c", "ab ab"), /line 3/],
  ["a carriage return", table("a b\r", "ab c</w>", "ab ab"), /line 2 is "a b\\u\{d\}"/],
  ["a symbol of a later line", table("ab ab", "a b", "ab c</w>"), /line 2 is "ab ab", expected two symbols/],
  ["a character that is no byte", table("a b", "ab 感", "ab ab"), /line 3/],
  ["a name out of the prototype", table("a b", "constructor __proto__", "ab ab"), /line 3/],
  ["a pair twice", table("a b", "ab c</w>", "a b"), /1 pairs are listed twice/],
  ["bytes that are not UTF-8", Buffer.concat([fine, Buffer.from([0xff])]), /not valid UTF-8/],
  ["a line that would clear the terminal", table("\x1b[2J \x00", "a b", "a c"), /line 2 is "\\u\{1b\}\[2J \\u\{0\}"/],
  ["a line of a megabyte", table("x".repeat(1e6), "a b", "a c"), /line 2 is "x{79}…"/],
  ["gzip cut short", packed.subarray(0, packed.length - 9), /not valid gzip/],
  ["gzip with a flipped bit", Buffer.from(packed.map((b, i) => (i === 14 ? b ^ 4 : b))), /not valid gzip/],
  [
    "gzip with a wrong checksum",
    Buffer.from(packed.map((b, i) => (i === packed.length - 6 ? b ^ 1 : b))),
    /not valid gzip/,
  ],
  ["text after the gzip data", Buffer.concat([packed, Buffer.from("more")]), /not valid gzip/],
  ["zeros after the gzip data", Buffer.concat([packed, Buffer.alloc(4)]), /4 bytes after the end of the gzip data/],
  ["only the magic of gzip", Buffer.from([0x1f, 0x8b]), /not valid gzip/],
  ["gzip in gzip", gzipSync(packed), /not valid UTF-8|line 1/],
  ["a gzip bomb", gzipSync(Buffer.alloc(40 * 2 ** 20, 0x20)), /unpacks to more than 33554432 bytes/],
];

for (const [what, bytes, message] of refused)
  test(`refused: ${what}`, () =>
    inTemporary(async (folder) => {
      const path = join(folder, "bad.txt");
      writeFileSync(path, bytes);
      const error = await refusal(openTokenizer(path, 517), what);
      assert.instance(error, FormatError);
      assert.match(error.message, message);
      assert.ok(error.message.startsWith("bad.txt: "), error.message);
      assert.ok(error.message.length < 4096 && !/[\p{C}]/u.test(error.message), "safe to print");
    }));

test("a missing file, a folder, a device and a file too large are refused", () =>
  inTemporary(async (folder) => {
    const large = join(folder, "large.txt");
    writeFileSync(large, Buffer.alloc(33 * 2 ** 20));
    for (const [path, message] of [
      [join(folder, "none.txt"), /^none\.txt: no such file/],
      [folder, /not a regular file/],
      ["/dev/zero", /not a regular file|no such file/],
      [large, /^large\.txt: 34603008 bytes; a byte-pair table has at most 33554432/],
    ] as const) {
      const error = await refusal(openTokenizer(path));
      assert.instance(error, FormatError);
      assert.match(error.message, message);
    }
  }));

test("a damaged table is read or refused, and nothing else", () =>
  inTemporary((folder) => {
    const path = join(folder, "fuzz.txt");
    const seeds = [fine, packed].map((bytes) => new Uint8Array(bytes));
    const damage = fc.tuple(
      fc.nat(1),
      fc.array(fc.tuple(fc.nat(200), fc.nat(255), fc.nat(3)), { minLength: 1, maxLength: 6 }),
    );
    fc.assert(
      fc.property(damage, ([which, changes]) => {
        const bytes = [...seeds[which]];
        for (const [at, value, kind] of changes) {
          const i = at % (bytes.length + 1);
          if (kind === 0) bytes.splice(i, 1);
          else if (kind === 1) bytes.splice(i, 0, value);
          else if (kind === 2) bytes.length = i;
          else bytes[i] = value;
        }
        writeFileSync(
          path,
          Uint8Array.from(bytes, (b) => b ?? 0),
        );
        try {
          const { symbols, ranks, merged } = readVocabulary(path, 517);
          assert.equal([symbols.length, ranks.size, merged.length], [517, 3, 3]);
          assert.ok([...ranks.values(), ...merged].every((id) => id < 517));
        } catch (error) {
          assert.instance(error, FormatError);
        }
      }),
      { ...check, numRuns: 1500 },
    );
    assert.is(({} as { polluted?: unknown }).polluted, undefined);
  }));

test.run();
