// Broken and hostile files of the data sets: each is refused with a message that names file, row and column, and the intact
// layout beside it is accepted. Then mutations of the intact files: a reader answers or refuses, nothing else.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { jointBoxes } from "../../data/sets/bold.ts";
import { openBenchmark } from "../../data/sets/index.ts";
import { readTable } from "../../data/sets/table.ts";
import { FormatError } from "../../engine/errors.ts";
import { boldRow, joints, type Layout, layoutOf, meldHeader, meldRow, npy, write } from "./benchmark-layouts.ts";
import { refusal } from "../kit/refusal.ts";
import { effort } from "../kit/effort.ts";

type Name = Parameters<typeof layoutOf>[0];

const folder = mkdtempSync(join(tmpdir(), "emotionclip-files-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;

/** A fresh folder with this layout. */
function place(layout: Layout): string {
  const root = join(folder, String(count++));
  mkdirSync(root);
  write(root, layout);
  return root;
}

const open = (name: Name, root: string) => openBenchmark(name, root, { split: "train" });

/** The message with which a data set is refused whose file `path` is replaced; without content it is missing. */
async function messageFor(name: Name, path: string, content?: string | Uint8Array): Promise<string> {
  const layout = layoutOf(name);
  assert.ok(layout.has(path), path);
  if (content === undefined) layout.delete(path);
  else layout.set(path, content);
  const error = await refusal(open(name, place(layout)), `${path} ${String(content).slice(0, 60)}`);
  assert.instance(error, FormatError);
  assert.is(error.exitCode, 3);
  assert.ok(error.message.length < 4096);
  assert.not.match(error.message, /\p{Cc}/u, "nothing a terminal would obey");
  return error.message;
}

/** A replaced file and what the refusal must say after the file's name. */
type Bad = readonly [content: string | Uint8Array | undefined, message: RegExp];

function corpus(name: Name, path: string, cases: readonly Bad[]): void {
  test(`${name}: ${cases.length} broken files in place of ${basename(path)} are refused by name, the intact one is read`, async () => {
    for (const [content, message] of cases) {
      const said = await messageFor(name, path, content);
      assert.match(said, message);
      assert.ok(said.startsWith(basename(path)), said);
    }
    const { samples } = await open(name, place(layoutOf(name)));
    assert.ok(samples.length >= 2);
    assert.ok(samples.every(({ source }) => source.kind === "files"));
  });
}

const bytes = (...values: number[]) => Uint8Array.from(values);
const bold = "003/abc.mp4/0001.mp4";
const scores = (value: string, at = 3) => new Array<number | string>(26).fill(0.5).with(at, value) as number[];
const boldCell = (at: number, value: string) => boldRow(bold, 0).split(",").with(at, value).join(",");

corpus("bold", "annotations/train.csv", [
  [undefined, /"annotations\/train.csv" cannot be opened \(ENOENT\)/],
  ["", /has no rows/],
  ["\n\n\n", /has no rows/],
  ["\ufeff", /has no rows/],
  [boldRow(bold, 0).replace(/,0\.5$/, ""), /row 1 \(line 1\) has 36 cells, expected 37/],
  [`${boldRow(bold, 0)},1`, /row 1 \(line 1\) has 38 cells, expected 37/],
  [`${boldRow(bold, 0)}\n${boldRow(bold, 1).slice(0, 40)}`, /row 2 \(line 2\) has \d+ cells/],
  [
    `${boldRow(bold, 0)}\n\n${boldCell(4, "x")}`,
    /row 2 \(line 3\), column "peace" is "x", expected a number from 0 to 1/,
  ],
  [boldRow(bold, 0, [0, 3], scores("")), /row 1 \(line 1\), column "anticipation" is empty/],
  [boldRow(bold, 0, [0, 3], scores("0x1")), /"anticipation" is "0x1"/],
  [boldRow(bold, 0, [0, 3], scores("1.01")), /"anticipation" is "1.01", expected a number from 0 to 1/],
  [boldRow(bold, 0, [0, 3], scores("-0.1")), /"anticipation" is "-0.1"/],
  [boldRow(bold, 0, [0, 3], scores("NaN")), /"anticipation" is "NaN"/],
  [boldRow(bold, 0, [0, 3], scores("nan", 25)), /"suffering" is "nan"/],
  [boldRow(bold, 0, [0, 3], scores("Infinity")), /"anticipation" is "Infinity"/],
  [boldRow(bold, 0, [0, 3], scores(" 1")), /"anticipation" is " 1"/],
  [boldRow(bold, 0, [0, 3], scores("1e999")), /"anticipation" is "1e999"/],
  [boldCell(30, "1_0"), /column "valence" is "1_0", expected a number/],
  [boldCell(32, "1e999"), /column "dominance" is "1e999"/],
  [boldCell(31, "\x1b[31mred"), /column "arousal" is "\\u\{1b\}\[31mred"/],
  [boldCell(1, "-1"), /column "person_id" is "-1", expected a whole number from 0/],
  [boldCell(1, "1.5"), /column "person_id" is "1.5"/],
  [boldCell(1, ""), /column "person_id" is empty/],
  [boldCell(2, "99999999999999999999"), /column "start_frame" is "9{20}"/],
  [boldRow(bold, 0, [4, 3]), /column "end_frame" is "3", expected at least start_frame, 4/],
  [boldRow("", 0), /column "video_id" is empty/],
  [boldRow("../../etc/passwd.mp4", 0), /column "video_id" is "\.\.\/\.\.\/etc\/passwd.mp4", .*plain relative path/],
  [boldRow("/etc/passwd.mp4", 0), /must be relative to its folder/],
  [boldRow("C:/clips/0001.mp4", 0), /must be relative to its folder/],
  [boldRow("a\\b/0001.mp4", 0), /must be a plain relative path/],
  [boldRow("a\0b/0001.mp4", 0), /line 1 has a NUL/],
  [boldRow("003/abc", 0), /must end in a dot and three letters/],
  [`"${boldRow(bold, 0)}`, /row 1 \(line \d+\) is not valid CSV: a quote without an end/],
  [`${boldRow(bold, 0)}\n"a"b,${boldRow(bold, 1)}`, /row 2 \(line 2\) is not valid CSV: text after a closing quote/],
  [`${boldRow(bold, 0)}\na"b",1`, /row 2 \(line 2\) is not valid CSV: a quote inside a cell/],
  [bytes(0xff, 0xfe, 0x31, 0), /is not valid UTF-8/],
  [bytes(...Buffer.from("003/\xe9.mp4/0001.mp4", "latin1")), /is not valid UTF-8/],
  ["x".repeat(2 ** 20 + 1), /a line of 1048577 characters, allowed are 1048576/],
  [`"${"x\n".repeat(2 ** 20)}`, /row 1 \(line \d+\) is not valid CSV: more than 1048576 characters/],
  [",".repeat(2 ** 20), /row 1 \(line 1\) has 1048577 cells/],
  ["\x93NUMPY", /has 1 cells, expected 37/],
  [boldRow("__proto__", 0), /must end in a dot/],
]);

const meldWith = (...rows: string[]) => [meldHeader, ...rows].join("\n");
const meldCell = (column: string, value: string) => {
  const cells = ["1", "Hello.", "Mark", "joy", "neutral", "0", "1", "3", "19", "x", "y"];
  return meldWith(meldRow(0, 0), cells.with(meldHeader.split(",").indexOf(column), value).join(","));
};

corpus("meld", "MELD.Raw/train_sent_emo.csv", [
  [undefined, /cannot be opened \(ENOENT\)/],
  ["", /has no rows/],
  [meldHeader, /has no rows/],
  [meldRow(0, 0), /the header \(row 0\) has no column "Utterance"/],
  [meldWith(meldRow(0, 0)).replace("Emotion,", "Emotions,"), /no column "Emotion", but "Emotions"/],
  [meldWith(meldRow(0, 0)).replace("Speaker", "Emotion"), /the header has column "Emotion" 2 times/],
  [meldCell("Emotion", "Joy"), /row 2 \(line 3\), column "Emotion" is "Joy", expected one of neutral, surprise/],
  [meldCell("Emotion", ""), /row 2 \(line 3\), column "Emotion" is empty/],
  [meldCell("Emotion", "__proto__"), /column "Emotion" is "__proto__"/],
  [meldCell("Emotion", "constructor"), /column "Emotion" is "constructor"/],
  [meldCell("Sentiment", "mixed"), /column "Sentiment" is "mixed", expected one of neutral, positive, negative/],
  [meldCell("Dialogue_ID", "-0"), /column "Dialogue_ID" is "-0"/],
  [meldCell("Dialogue_ID", "1e3"), /column "Dialogue_ID" is "1e3"/],
  [meldCell("Dialogue_ID", "../x"), /column "Dialogue_ID" is "\.\.\/x"/],
  [meldCell("Utterance_ID", "0x3"), /column "Utterance_ID" is "0x3"/],
  [meldCell("Utterance_ID", "٣"), /column "Utterance_ID" is "٣"/],
  [meldCell("Utterance", ""), /column "Utterance" is empty/],
  [`${meldWith(meldRow(0, 0))}\n1,"two\nlines",Mark,joy`, /row 2 \(line 4\) has 4 cells, expected 11/],
  [`${meldWith(meldRow(0, 0))}\n1,"open`, /row 2 \(line 3\) is not valid CSV: a quote without an end/],
  [`${meldWith(meldRow(0, 0))}\0`, /line 2 has a NUL/],
  [bytes(...Buffer.from(meldWith(meldRow(0, 0, "joy", "caf\xe9")), "latin1")), /is not valid UTF-8/],
  [bytes(0xed, 0xa0, 0x80), /is not valid UTF-8/],
  ["{}", /the header \(row 0\) has no column "Utterance"/],
]);

const emotic = (cell: string, at: number) => {
  const head = "Index,Folder,Filename,Image Size,BBox,Categorical_Labels,Continuous_Labels,Gender,Age";
  const good = ["0", "mscoco/images", "a.jpg", '"[64, 32]"', '"[1, 2, 30, 31]"', "[]", "[]", "Male", "Adult"];
  return [head, good.join(","), good.with(at, cell).join(",")].join("\r\n");
};

corpus("emotic", "annotations_pre/train.csv", [
  [undefined, /cannot be opened/],
  [emotic('"[1, 2, 30]"', 4), /row 2 \(line 3\), column "BBox" is "\[1, 2, 30\]", expected a list of 4 numbers/],
  [emotic('"[1, 2, 30, 31, 5]"', 4), /column "BBox"/],
  [emotic('"[1, 2, 30, ]"', 4), /column "BBox"/],
  [emotic('"[1, 2, 30, nan]"', 4), /column "BBox"/],
  [emotic('"1, 2, 30, 31"', 4), /column "BBox"/],
  [emotic('"[[1, 2, 30, 31]]"', 4), /column "BBox"/],
  [emotic(`"[${"1,".repeat(2000)}1]"`, 4), /column "BBox"/],
  [emotic('"[30, 2, 1, 31]"', 4), /column "BBox" .*expected x1 ≤ x2 and y1 ≤ y2/],
  [emotic("\"__import__('os')\"", 4), /column "BBox"/],
  [emotic("", 4), /column "BBox" is empty/],
  [emotic("", 1), /column "Folder" is empty/],
  [emotic("../..", 1), /column "Filename" is "a.jpg", expected .*"\.\.\/\.\.\/a\.jpg" must be a plain relative path/],
  [emotic("/etc", 1), /must be relative/],
  [emotic("file:", 1), /must be relative/],
  [emotic("a//b", 1), /must be a plain relative path/],
  ["Index,Folder,Filename\n0,a,b.jpg", /no column "BBox"/],
]);

const many = (n: number) => new Array<number>(n).fill(0);
corpus("emotic", "annotations_pre/train_cat_arr.npy", [
  [undefined, /cannot be opened/],
  ["", /a .npy header needs at least 10/],
  [npy([3, 26], many(78)), /has shape \(3, 26\), expected \(2, 26\)/],
  [npy([2, 25], many(50)), /has shape \(2, 25\), expected \(2, 26\)/],
  [npy([52], many(52)), /has shape \(52\), expected/],
  [npy([2, 26, 1], many(52)), /has shape \(2, 26, 1\), expected/],
  [npy([2, 26], many(52).with(28, 0.5)), /row 2, column "Annoyance" is 0.5, expected 0 or 1/],
  [npy([2, 26], many(52).with(1, -1)), /row 1, column "Anger" is -1/],
  [npy([2, 26], many(52).with(51, Number.NaN)), /row 2, column "Yearning" is NaN/],
  [Buffer.concat([npy([2, 26], many(52)), npy([1], [1])]), /has 2 arrays, expected one/],
  [npy([2, 26], many(52)).slice(0, -1), /needs 416 bytes, but 415 are left/],
  ["\x80\x04K\x01.", /no .npy magic|header needs/],
]);
corpus("emotic", "annotations_pre/train_cont_arr.npy", [
  [npy([2, 3], [1, 2, 3, 4, 5, Number.POSITIVE_INFINITY]), /row 2, column "dominance" is Infinity, expected a finite/],
  [npy([2, 2], [1, 2, 3, 4]), /has shape \(2, 2\), expected \(2, 3\)/],
]);

const liris = (...rows: string[]) => ["Time\tValence\tArousal", ...rows].join("\n");
corpus("liris", "annotations/DevSet/annotations/MEDIAEVAL18_00_Valence-Arousal.txt", [
  ["", /has no rows/],
  [liris(), /has no rows/],
  ["0\t0.1\t0.2", /the header \(row 0\) has no column "Time"/],
  ["Time,Valence,Arousal\n0,1,1", /no column "Time"/],
  ["Time\tValence\tValence\tArousal", /the header has column "Valence" 2 times/],
  [liris("0\t0.1"), /row 1 \(line 2\) has 2 cells, expected 3/],
  [liris("0\t0.1\t0.2\t0.3"), /row 1 \(line 2\) has 4 cells/],
  [liris("0 0.1 0.2"), /row 1 \(line 2\) has 1 cells/],
  [liris("0\t0.1\t0.2", "1\t\t0.2"), /row 2 \(line 3\), column "Valence" is empty/],
  [liris("0\t0.1\t0,2"), /column "Arousal" is "0,2"/],
  [liris("0\t0.1\tnan"), /column "Arousal" is "nan"/],
  [liris("0.5\t0.1\t0.2"), /column "Time" is "0.5", expected a whole number/],
  [liris("0\t0.1\t0.2", "0\t0.1\t0.2"), /row 2 \(line 3\) has Time 0, which an earlier row has/],
  [
    liris(...Array.from({ length: 9 }, (_, i) => `${i + 1}\t0\t0`)).replace("\n4\t", "\n99\t"),
    /has no row with Time 4/,
  ],
  [bytes(0xc3), /is not valid UTF-8/],
]);

const shots = "official/mg_videoinfo/video_boundaries/tt0000001.videvents";
corpus("moviegraphs", shots, [
  [undefined, /cannot be opened/],
  ["1 1.000\n10 0.417\n", /row 1 \(line 2\) has 2 cells, expected 3/],
  ["1 1.000\nx 0.417 CUT\n", /row 1 \(line 2\), column "start_frame" is "x"/],
  ["1 1.000\n0 0.417 CUT\n", /column "start_frame" is "0", expected a whole number from 1/],
  [
    "1 1.000\n10 0.4 CUT\n9 0.5 CUT\n",
    /row 2 \(line 3\), column "start_frame" is "9", expected a whole number from 11/,
  ],
  ["1 1.000\n10 ? CUT\n", /column "time_stamp" is "\?"/],
  ["1 1.000\n1e9 0.1 CUT\n", /column "start_frame" is "1e9"/],
  [bytes(0xfe), /is not valid UTF-8/],
]);
corpus("moviegraphs", "official/mg_videoinfo/scene_boundaries/tt0000001.scenes.gt", [
  [undefined, /cannot be opened/],
  ["", /has 0 rows, clip 1 of emotion_labels.json needs row 2/],
  ["1 1 1\n", /has 1 rows, clip 1 of emotion_labels.json needs row 2/],
  ["1 1\n2 2\n", /row 1 \(line 1\) has 2 cells, expected 3/],
  ["0 1 1\n2 2 1\n", /row 1 \(line 1\), column "start_shot" is "0", expected a whole number from 1 to 2/],
  ["1 1 1\n2 3 1\n", /row 2 \(line 2\), column "end_shot" is "3", expected a whole number from 2 to 2/],
  ["2 1 1\n2 2 1\n", /column "end_shot" is "1"/],
  ["1 1 x\n2 2 1\n", /column "is_useful" is "x"/],
  ["1 1 1\n2 -2 1\n", /column "end_shot" is "-2"/],
]);

const emotions = "official/mg/py3loader/emotion_labels.json";
corpus("moviegraphs", emotions, [
  [undefined, /cannot be opened/],
  ["", /'{' expected at byte 0, found the end/],
  ["[]", /'{' expected/],
  ["null", /'{' expected/],
  ['{"tt0000001"', /':' expected/],
  ['{"tt0000001": []}', /'{' expected/],
  ['{"tt0000001": {"0": "Anger"}}', /'\[' expected/],
  ['{"tt0000001": {"0": ["anger"]}}', /film "tt0000001", clip 0: unknown class "anger"/],
  ['{"tt0000001": {"0": ["__proto__"]}}', /unknown class "__proto__"/],
  ['{"tt0000001": {"0": [1]}}', /a string expected/],
  ['{"tt0000001": {"x": ["Anger"]}}', /film "tt0000001" has clip "x", expected a number/],
  ['{"tt0000001": {"-1": ["Anger"]}}', /has clip "-1"/],
  ['{"tt0000001": {"01": ["Anger"]}}', /has clip "01"/],
  ['{"tt0000001": {"1e1": ["Anger"]}}', /has clip "1e1"/],
  ['{"tt0000001": {"__proto__": ["Anger"]}}', /has clip "__proto__"/],
  ['{"tt0000001": {"0": ["Anger"], "0": ["Fear"]}}', /duplicate key "0"/],
  ['{"tt0000001": {}, "tt0000001": {}}', /duplicate key "tt0000001"/],
  ['{"../../x": {"0": ["Anger"]}}', /film "\.\.\/\.\.\/x" must be a plain relative path/],
  ['{"/etc": {"0": ["Anger"]}}', /film "\/etc" must be relative/],
  ['{"a/b": {"0": ["Anger"]}}', /film "a\/b" is not a file name/],
  ['{"": {"0": ["Anger"]}}', /film "" is not a file name/],
  ['{"a\\u0000": {"0": ["Anger"]}}', /is not a file name/],
  ['{"\\ud800": {"0": ["Anger"]}}', /half a surrogate pair/],
  ["{}", /has no clip of the films of train/],
  ['{"tt9999999": {"0": ["Anger"]}}', /has no clip of the films of train/],
  ['{"tt0000001": {"0": ["Anger"]}} x', /text after the end/],
  [`${"[".repeat(100_000)}`, /'{' expected/],
  ['{"tt0000001": {"0": ["Anger",]}}', /a string expected/],
  [bytes(0x7b, 0x22, 0xff, 0x22), /not valid UTF-8/],
  ["\ufeff{}", /'{' expected at byte 0/],
  ['{"tt0000001": {"0": ["Anger\n"]}}', /control character 0xa/],
]);
corpus("moviegraphs", "official/mg/split.json", [
  ["{}", /split "train" is missing/],
  ['{"train": ["tt0000001"], "val": []}', /split "test" is missing/],
  ['{"training": ["tt0000001"], "val": [], "test": []}', /split "train" is missing/],
  ['{"train": ["tt0000001"], "val": ["tt0000001"], "test": []}', /film "tt0000001" is in train and in val/],
  ['{"train": "tt0000001"}', /'\[' expected/],
  ['{"train": [7]}', /a string expected/],
  ["", /found the end/],
]);

const frame = (boxes: string) => `{"tt0000001": {"frame_0.jpg": ${boxes}}}`;
corpus("moviegraphs", "all_human_boxes.json", [
  [undefined, /cannot be opened/],
  ["", /begins with "", not with \{/],
  ["[]", /begins with "\[\]", not with \{/],
  ["\x1b[2J", /begins with "\\u\{1b\}\[2J"/],
  [frame("null"), /'\[' expected/],
  [frame("[[1, 2, 3, 4]]"), /frame "frame_0.jpg" has a box of 4 numbers, expected x1, y1, x2, y2 and a confidence/],
  [frame("[[1, 2, 3, 4, 0.5, 6]]"), /has a box of more than 5 numbers/],
  [frame("[[]]"), /has a box of 0 numbers/],
  [frame("[1, 2, 3, 4, 0.5]"), /'\[' expected/],
  [frame('[["1", 2, 3, 4, 0.5]]'), /a number expected/],
  [frame("[[1, 2, 3, NaN, 0.5]]"), /a number expected/],
  [frame("[[1, 2, 3, 1e999, 0.5]]"), /is too large/],
  [frame("[[1, 2, 3, 4, 1.5]]"), /has a confidence of 1.5/],
  [frame("[[1, 2, 3, 4, -0.5]]"), /has a confidence of -0.5/],
  [frame("[[01, 2, 3, 4, 0.5]]"), /bad number/],
  [frame(`[${"[1,2,3,4,0.5],".repeat(1001)}[1,2,3,4,0.5]]`), /a list of more than 1000 members/],
  [frame("[[[1, 2, 3, 4, 0.5]]]"), /a number expected/],
  [frame("[]}, 7: {"), /a string expected/],
  ['{"x": {"frame_0.jpg": null}}', /frame "frame_0.jpg" has no list of boxes/],
  ['{"x": {"frame_0.jpg": [[[1]]]}}', /has no list of boxes/],
  ['{"x": {"frame_0.jpg": ["a"]}}', /has no list of boxes/],
  ['{"x": {"frame_0.jpg": [1, 2', /has no list of boxes/],
  ['{"x": {"frame_0.jpg": ]}}', /has no list of boxes/],
  ['{"x": {"frame_0.jpg": }}', /has no list of boxes/],
  ['{"x": {"frame_0.jpg": [], "frame_0.jpg": []}}', /duplicate key "frame_0.jpg"/],
  ['{"x": {}, "x": {}}', /duplicate key "x"/],
  ['{"x": []}', /'{' expected/],
  ['{"x": {}} {}', /text after the end/],
  [frame("[]").slice(0, -1), /found the end/],
  [bytes(0x7b, 0x22, 0xff, 0x22), /not valid UTF-8/],
  [new Uint8Array(100), /begins with/],
]);
const second = (boxes: string) => `[{"00000001.jpg": ${boxes}}]`;
corpus("liris", "bboxes/MEDIAEVAL18_00.mp4/human_boxes.json", [
  [undefined, /cannot be opened/],
  ["{}", /begins with "\{\}", not with \[/],
  ["[1]", /'{' expected/],
  [second("[[1, 2, 3, 4]]"), /frame "00000001.jpg" has a box of 4 numbers/],
  [second("{}"), /'\[' expected/],
  [second("[]").replace("]}]", ']}, {"00000001.jpg": []}]'), /frame "00000001.jpg" is there twice/],
  [second("[]").slice(0, -1), /found the end/],
  ['[{"a": [], "a": []}]', /duplicate key "a"/],
]);

test("a folder or a link that leads outside is not a data file", async () => {
  const root = place(layoutOf("bold"));
  rmSync(join(root, "annotations/train.csv"));
  mkdirSync(join(root, "annotations/train.csv"));
  assert.match((await refusal(open("bold", root))).message, /train.csv" is not a regular file/);
  rmSync(join(root, "annotations/train.csv"), { recursive: true });
  writeFileSync(join(folder, "outside.csv"), boldRow(bold, 0));
  symlinkSync(join(folder, "outside.csv"), join(root, "annotations/train.csv"));
  assert.match((await refusal(open("bold", root))).message, /leads out of its folder/);
  assert.match(
    (await refusal(open("bold", join(folder, "nowhere")))).message,
    /^nowhere: the folder of bold is not there/,
  );
});

test("a file of gigabytes is refused before it is read", async () => {
  const bound = async (name: Name, path: string, size: number, message: RegExp) => {
    const root = place(layoutOf(name));
    truncateSync(join(root, path), size); // sparse
    const refused = async () => assert.match((await refusal(open(name, root))).message, message);
    const cost = await effort(refused, 500);
    assert.ok(cost < 500, `${cost} yardsticks`);
  };
  await bound("bold", "annotations/train.csv", 2 ** 23 + 1, /has 8388609 bytes, allowed are 8388608/);
  await bound("emotic", "annotations_pre/train_cat_arr.npy", 2 ** 33, /allowed are 16777216/);
  await bound("liris", "bboxes/MEDIAEVAL18_00.mp4/human_boxes.json", 2 ** 33, /allowed are 67108864/);
  await bound("moviegraphs", "all_human_boxes.json", 2 ** 33, /allowed are 2147483647/);
  const root = place(layoutOf("moviegraphs"));
  writeFileSync(join(root, "all_human_boxes.json"), "");
  truncateSync(join(root, "all_human_boxes.json"), 2 ** 31 - 1);
  const before = process.memoryUsage().rss;
  assert.match((await refusal(open("moviegraphs", root))).message, /begins with/);
  assert.ok(process.memoryUsage().rss - before < 2 ** 28, "two gigabytes of zeros were not read");
});

test("joints: a file of another shape, or with a number that is none, is refused by row and column", () => {
  const root = place(layoutOf("bold"));
  const of = (content: Uint8Array | string) => {
    writeFileSync(join(root, "j.npy"), content);
    return jointBoxes(root, "j.npy", 0);
  };
  assert.is(of(joints([3, 4])).size, 2);
  const cases: Bad[] = [
    ["", /j.npy: 0 bytes at byte 0/],
    [npy([2, 55], many(110)), /j.npy: has shape \(2, 55\), expected \(rows, 56\)/],
    [npy([56], many(56)), /has shape \(56\), expected \(rows, 56\)/],
    [npy([1, 56], many(56).with(17, Number.NaN)), /j.npy: row 0, column 17 is NaN/],
    [npy([2, 56], many(112).with(60, Number.NEGATIVE_INFINITY)), /row 1, column 4 is -Infinity/],
    [Buffer.concat([joints([3]), joints([4])]), /has 2 arrays, expected one/],
  ];
  for (const [content, message] of cases)
    assert.throws(
      () => of(content!),
      (e: Error) => e instanceof FormatError && message.test(e.message),
    );
  assert.is(of(npy([0, 56], [])).size, 0, "nobody was seen");
});

test("cells: plain numbers are read as they stand, in quotes too", () => {
  const root = place(new Map([["t.csv", '\ufeffa,b,c\r\n"1","-2.5e-1","[1, .5,3.]"\r\n\r\n7.0,+1,"[0,0,0]"']]));
  const rows: unknown[] = [];
  readTable(root, "t.csv", { form: "csv", needed: ["a", "b", "c"] }, (row) => {
    rows.push([row.whole("a"), row.real("b"), row.reals("c", 3), row.place]);
  });
  assert.equal(rows, [
    [1, -0.25, [1, 0.5, 3], "row 1 (line 2)"],
    [7, 1, [0, 0, 0], "row 2 (line 4)"],
  ]);
});

const names = ["bold", "moviegraphs", "meld", "liris", "emotic"] as const;
const pieces = [
  "\0",
  '"',
  ",",
  "\n",
  "\t",
  "[",
  "]",
  "{",
  "}",
  "1e999",
  "-1",
  "__proto__",
  "../",
  "\ufeff",
  "\u0085",
  "NaN",
  "٣",
];

/** Flips, sets, deletes, inserts, duplicates, cuts. */
const edit = fc.record({
  kind: fc.constantFrom("flip", "set", "delete", "insert", "repeat", "cut"),
  at: fc.nat(),
  value: fc.nat(255),
  length: fc.integer({ min: 1, max: 40 }),
  piece: fc.constantFrom(...pieces),
});

function mutated(
  content: Uint8Array,
  edits: readonly { kind: string; at: number; value: number; length: number; piece: string }[],
) {
  let out = Buffer.from(content);
  for (const { kind, at: far, value, length, piece } of edits) {
    const at = out.length === 0 ? 0 : far % out.length;
    const [head, tail] = [out.subarray(0, at), out.subarray(at)];
    if (kind === "flip" && out.length > 0) (out = Buffer.from(out))[at] ^= 1 << (value % 8);
    if (kind === "set" && out.length > 0) (out = Buffer.from(out))[at] = value;
    if (kind === "delete") out = Buffer.concat([head, tail.subarray(length)]);
    if (kind === "insert") out = Buffer.concat([head, Buffer.from(piece), tail]);
    if (kind === "repeat") out = Buffer.concat([head, tail.subarray(0, length), tail]);
    if (kind === "cut") out = Buffer.from(head);
  }
  return out;
}

for (const name of names)
  test(`${name}: a mutated file is read or refused, nothing else`, async () => {
    const layout = layoutOf(name);
    const files = [...layout.keys()].filter((path) => layout.get(path)!.length > 0);
    const root = place(layout);
    let refused = 0;
    const runs = 600;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        fc.array(edit, { minLength: 1, maxLength: 8 }),
        async (path, edits) => {
          const intact = layout.get(path)!;
          writeFileSync(join(root, path), mutated(Buffer.from(intact as string), edits));
          try {
            const { samples } = await open(name, root);
            if (path.endsWith(".npy") && name === "bold") jointBoxes(root, path, 0);
            assert.ok(samples.length > 0);
            for (const { labels, label, values } of samples) {
              assert.ok(labels?.every((v) => v === 0 || v === 1) ?? true);
              assert.ok(label === undefined || Number.isInteger(label));
              assert.ok(values?.every(Number.isFinite) ?? true);
            }
          } catch (error) {
            assert.instance(error, FormatError);
            assert.ok((error as Error).message.length < 4096);
            refused++;
          } finally {
            writeFileSync(join(root, path), intact);
          }
          assert.is(({} as { polluted?: unknown }).polluted, undefined);
        },
      ),
      { numRuns: runs, seed: 4, includeErrorInReport: true },
    );
    assert.ok(refused > runs / 10 && refused < runs, `${refused} of ${runs} refused`);
  });

test.run();
