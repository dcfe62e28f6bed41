// `emotionclip encode` and `emotionclip zero-shot` as a person calls them: the same numbers as the library's, one row for each
// input, and of anything wrong a message, an exit code and no file.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openBoxes } from "../../data/footage/boxes.ts";
import { readFootage } from "../../data/footage/footage.ts";
import { readNpyFile } from "../../data/formats/npy.ts";
import { encodePng } from "../../data/pixels/png.ts";
import { emotions } from "../../data/stage/emotions.ts";
import { emotionTexts } from "../../data/stage/prompts.ts";
import { captionWords as stageWordsOf, words as stageWords } from "../../data/stage/captions.ts";
import { WordTokenizer, wordsFile } from "../../data/tokenizer/words.ts";
import { encodeImages, encodeTexts, encodeVideos } from "../../eval/features/encode.ts";
import { probabilities, zeroShotClassifier, zeroShotLogits } from "../../eval/zero-shot/zero-shot.ts";
import { configFromValue, loadModel } from "../../model/index.ts";
import { SafetensorsFile } from "../../data/formats/safetensors.ts";
import { runCommand } from "../../cli/cli.ts";
import type { ZeroShotPage } from "../../cli/commands/zero-shot.ts";
import { sharedGpu, uniform } from "../kernels/derive.ts";
import { deviation, goldenJson, goldenPath } from "../kit/golden.ts";
import { refusal } from "../kit/refusal.ts";
import { type Outcome, runProgram } from "../run/program.ts";

await sharedGpu();
const root = await mkdtemp(join(tmpdir(), "emotionclip-encode-"));
test.after(() => rm(root, { recursive: true, force: true }));

// The golden model with made-up words for its 128 ids, three folders of frames, and boxes.
const config = configFromValue(goldenJson("emotionclip/tiny/config.json"), "config.json");
const words = ["happy", "sad", "a", "person", ...Array.from({ length: 120 }, (_, i) => `w${i}`)];
const tokenizer = new WordTokenizer(words, config.text.context);
const [checkpoint, configFile] = ["model.safetensors", "config.json"].map((name) => join(root, name));
copyFileSync(goldenPath("emotionclip/tiny/model.safetensors"), checkpoint);
copyFileSync(goldenPath("emotionclip/tiny/config.json"), configFile);
writeFileSync(join(root, wordsFile), JSON.stringify(words));
const { model, free } = await loadModel(checkpoint, { config });
test.after(() => free());

const random = uniform(7);
const folders = ["one", "two", "three"].map((name) => join(root, name));
for (const [k, folder] of folders.entries()) {
  mkdirSync(folder);
  for (let t = 1; t <= 3 + 2 * k; t++) {
    const data = Uint8Array.from({ length: 3 * 60 * 40 }, () => Math.floor(256 * random()));
    writeFileSync(join(folder, `${t}.png`), await encodePng({ data, width: 60, height: 40 }));
  }
}
const one = folders[0];
const at = (name: string) => join(root, name);
const boxes = "10,5,40,35";
const view = { frames: config.head.frames, side: config.vision.image, resize: config.vision.image };
const subject = await openBoxes(boxes);
const clips = await Promise.all(folders.map((folder) => readFootage(folder, { ...view, subject })));

const withModel = ([name, ...given]: string[]) => [name, "--checkpoint", checkpoint, "--config", configFile, ...given];
const emotionclip = (...given: string[]) => runProgram(join("dist", "cli.js"), withModel(given));
const encode = (out: string, ...given: string[]) => emotionclip("encode", "--out", join(root, out), ...given);

/** The error of a command that is refused before it opens a GPU; in this process, which is quicker than one of its own. */
const refused = (...given: string[]) => refusal(runCommand(withModel(given)), given.join(" "));
const succeeded = ({ code, stdout, stderr }: Outcome): string => {
  assert.is(code, 0, stderr);
  return stdout;
};
// other batches take other kernels, and so differ in the last bits
const same = (got: ArrayLike<number>, want: ArrayLike<number>) =>
  assert.ok(deviation(got, want, { rtol: 0, atol: 1e-5 }).share <= 1);

test("encode frames: a row for each folder, in the order given, the same as the library's", async () => {
  const said = succeeded(
    await encode("clips.npy", "frames", ...folders, "--boxes", boxes, "--batch-size", "2", "--json"),
  );
  const { rows, width, perSecond } = JSON.parse(said);
  assert.equal([rows, width], [3, config.embed]);
  assert.ok(perSecond > 0);
  const [{ shape, data }] = readNpyFile(join(root, "clips.npy"));
  assert.equal(shape, [3, config.embed]);
  same(data, (await encodeVideos(model, clips)).data);
  const about = JSON.parse(readFileSync(join(root, "clips.npy.json"), "utf8"));
  assert.equal(about, { checkpoint: "model.safetensors", kind: "frames", ids: folders });
});

test("encode frames: boxes may differ from input to input, and matter", async () => {
  const each = ["0,0,20,20", "10,5,40,35", "30,0,60,40"];
  succeeded(await encode("each.npy", "frames", ...folders, ...each.flatMap((box) => ["--boxes", box])));
  succeeded(await encode("none.npy", "frames", ...folders));
  const [{ data }] = readNpyFile(join(root, "each.npy"));
  const [none] = readNpyFile(join(root, "none.npy"));
  const E = config.embed;
  const row = (values: ArrayLike<number>, n: number) => Array.from(values).slice(n * E, (n + 1) * E);
  const [{ data: whole }] = readNpyFile(join(root, "clips.npy"));
  same(row(data, 1), row(whole, 1));
  for (const n of [0, 2]) assert.ok(deviation(row(data, n), row(whole, n), { rtol: 0, atol: 1e-4 }).share > 1);
  for (const n of [0, 1, 2]) assert.ok(deviation(row(data, n), row(none.data, n), { rtol: 0, atol: 1e-4 }).share > 1);
});

test("encode frames: a clip with fewer frames than the model takes is named and counted", async () => {
  const lonely = at("lonely");
  mkdirSync(lonely);
  copyFileSync(join(folders[1], "2.png"), join(lonely, "1.png"));
  const long = folders[2]; // of 7 frames
  const result = await encode("lonely.npy", "frames", long, lonely, "--json");
  const { rows, short, unseen } = JSON.parse(succeeded(result));
  assert.equal([rows, short, unseen], [2, [...(config.head.frames > 7 ? [long] : []), lonely], []]);
  assert.match(result.stderr, /lonely: has fewer than the \d frames that the model takes; some count twice or more/);
});

test("encode images: files and folders of pictures, without the temporal head, into safetensors with their names", async () => {
  const single = join(folders[1], "2.png");
  succeeded(await encode("images.safetensors", "images", single, folders[0], "--boxes", boxes));
  await using file = await SafetensorsFile.open(join(root, "images.safetensors"));
  const paths = [single, ...[1, 2, 3].map((t) => join(folders[0], `${t}.png`))];
  assert.equal(JSON.parse(file.metadata.get("ids")!), paths);
  assert.equal([file.metadata.get("kind"), file.metadata.get("checkpoint")], ["images", "model.safetensors"]);
  assert.equal(file.tensors.get("features")!.shape, [4, config.embed]);
  const pictures = await Promise.all(paths.map((path) => readFootage(path, { ...view, frames: 1, subject })));
  same(await file.floats("features"), (await encodeImages(model, pictures)).data);
});

test("encode texts: words of the command line and lines of a file", async () => {
  writeFileSync(join(root, "lines.txt"), "happy person\r\n\r\nw3 w4\n");
  succeeded(await encode("texts.npy", "texts", "a sad person", join(root, "lines.txt"), "w5"));
  const texts = ["a sad person", "happy person", "", "w3 w4", "w5"];
  assert.equal(JSON.parse(readFileSync(join(root, "texts.npy.json"), "utf8")).ids, texts);
  same(readNpyFile(join(root, "texts.npy"))[0].data, (await encodeTexts(model, tokenizer, texts)).data);
});

test("encode texts: an empty text is a row, and what is cut, empty or unknown is said and counted", async () => {
  const long = "happy ".repeat(config.text.context).trim();
  writeFileSync(join(root, "said.txt"), `happy\n${long}\nzorgblatt\n`);
  const given = ["texts", "happy", "", "zorgblatt person", join(root, "said.txt")];
  const outcome = await encode("said.npy", ...given, "--json");
  const { rows, texts } = JSON.parse(succeeded(outcome));
  assert.is(rows, 6);
  const want = {
    count: 6,
    cut: { count: 1, first: ["said.txt line 2"] },
    empty: { count: 1, first: ["input 2"] },
    unknownWords: { count: 1, texts: 2, first: ["zorgblatt"] },
    withoutKnownWord: { count: 1, first: ["said.txt line 3"] },
  };
  assert.equal(texts, want);
  assert.equal(JSON.parse(readFileSync(join(root, "said.npy.json"), "utf8")).texts, want);
  assert.match(outcome.stderr, /^cut at the model's \d+ tokens: 1 of 6 texts \(said\.txt line 2\); what is beyond/m);
  assert.match(outcome.stderr, /^empty: 1 of 6 texts \(input 2\)$/m);
  assert.match(outcome.stderr, /^1 words that the model does not know: "zorgblatt", in 2 of 6 texts$/m);
  assert.match(outcome.stderr, /^without any word that the model knows: 1 of 6 texts \(said\.txt line 3\)/m);
  const quiet = await encode("said.npy", "texts", "happy person");
  assert.not.match(quiet.stderr, /cut at|empty|does not know/);
});

test("encode and zero-shot say which inputs show no subject although a place was given, and go on", async () => {
  const file = at("outside.json"); // a crop of the middle: what is left of it is not seen
  writeFileSync(file, JSON.stringify({ "1.png": [[0, 0, 5, 40]], "2.png": [], "3.png": [] }));
  const given = ["frames", one, "--boxes", file, "--box-rule", "pixels"];
  const notice = /^one: no frame shows the subject: give its place with --boxes$/m;
  const outside = await encode("outside.npy", ...given, "--json");
  assert.is(JSON.parse(succeeded(outside)).rows, 1);
  assert.match(outside.stderr, notice);
  const shot = await emotionclip("zero-shot", ...given, "--classes", "happy,sad", "--json");
  assert.is(JSON.parse(succeeded(shot)).inputs.length, 1);
  assert.match(shot.stderr, notice);
  for (const place of [[], ["--boxes", boxes]]) {
    const other = await encode("outside.npy", "frames", one, ...place);
    succeeded(other);
    assert.not.match(other.stderr, /no frame shows/);
  }
});

const classes = ["happy", "sad"].map((name) => ({ name, texts: [name] }));

test("zero-shot: probabilities are those of the library, best first, as JSON and as a table", async () => {
  writeFileSync(join(root, "templates.txt"), "{}\na {} person\n");
  const given = ["zero-shot", "frames", ...folders.slice(0, 2), "--boxes", boxes, "--classes", "happy, sad"];
  const prompts = ["--templates", join(root, "templates.txt")];
  const page = JSON.parse(succeeded(await emotionclip(...given, ...prompts, "--json"))) as ZeroShotPage;
  const templates = ["{}", "a {} person"];
  assert.equal([page.kind, page.templates, page.classes], ["frames", templates, classes]);
  const classifier = await zeroShotClassifier(model, tokenizer, classes, templates);
  const logits = zeroShotLogits(await encodeVideos(model, clips.slice(0, 2)), classifier);
  const shares = probabilities(logits);
  for (const [n, { id, ranking }] of page.inputs.entries()) {
    assert.is(id, folders[n]);
    assert.ok(ranking[0].probability >= ranking[1].probability);
    for (const { class: name, probability, logit } of ranking) {
      const at = 2 * n + classes.findIndex((each) => each.name === name);
      assert.ok(Math.abs(logit - logits.data[at]) < 1e-3 && Math.abs(probability - shares.data[at]) < 1e-3);
    }
  }
  const table = succeeded(await emotionclip(...given, ...prompts));
  const [{ id, ranking }] = page.inputs;
  const lines = ranking.map(({ class: name, probability, logit }) => {
    return `  ${name.padEnd(5)}${`${(100 * probability).toFixed(1)} %`.padStart(8)}${logit.toFixed(2).padStart(9)}`;
  });
  assert.ok(table.startsWith(`${[id, ...lines].join("\n")}\n\n${folders[1]}\n`), table);
});

test("zero-shot: classes out of files, one a line, or with texts of their own", async () => {
  writeFileSync(join(root, "classes.txt"), "happy\nsad\n");
  writeFileSync(join(root, "classes.json"), '{"good":["happy","a happy person"],"bad":"sad"}');
  const ranking = async (file: string) => {
    const given = ["zero-shot", "images", join(folders[0], "1.png"), "--classes", join(root, file), "--json"];
    return JSON.parse(succeeded(await emotionclip(...given))) as ZeroShotPage;
  };
  assert.equal((await ranking("classes.txt")).classes, classes);
  const { classes: own } = await ranking("classes.json");
  assert.equal(own, [
    { name: "good", texts: ["happy", "a happy person"] },
    { name: "bad", texts: ["sad"] },
  ]);
});

const png = readFileSync(join(folders[0], "1.png"));
writeFileSync(join(root, "cut.png"), png.subarray(0, 200));
writeFileSync(join(root, "empty.txt"), "\n\n");
writeFileSync(join(root, "million.txt"), "\n".repeat(1_000_001));
writeFileSync(join(root, "film.srt"), "1\n00:00:01,000 --> 00:00:02,000\nhappy\n");
writeFileSync(join(root, "latin.txt"), Uint8Array.of(0x68, 0xe9, 0x0a));
writeFileSync(join(root, "bare.txt"), "no place\n");
writeFileSync(join(root, "list.json"), '["happy","sad"]');
writeFileSync(join(root, "number.json"), '{"happy":1,"sad":"sad"}');
writeFileSync(join(root, "twice.json"), '{"happy":"a","happy":"b"}');
writeFileSync(join(root, "cut.safetensors"), readFileSync(checkpoint).subarray(0, 5000));
for (const name of ["hollow", "taken.npy", "beside.npy.json"]) mkdirSync(join(root, name));
mkdirSync(join(root, "mixed"));
copyFileSync(join(folders[0], "1.png"), join(root, "mixed", "1.png"));
copyFileSync(join(root, "cut.png"), join(root, "mixed", "2.png"));

const refusals: [what: string, given: string[], code: number, message: RegExp][] = [
  ["no such folder", ["frames", at("nowhere")], 3, /^nowhere: no such file/m],
  [
    "a folder without pictures",
    ["frames", at("hollow")],
    3,
    /hollow: a folder without \.jpg, \.png, \.webp or \.tif files/,
  ],
  ["a picture cut short", ["images", at("cut.png")], 3, /cut\.png: does not decode/],
  ["a frame cut short", ["frames", one, at("mixed")], 3, /2\.png: does not decode/],
  ["a file where folders are expected", ["frames", at("cut.png")], 2, /cut\.png: is a file, and frames was asked for/],
  ["a folder where files are expected", ["video", one], 2, /one: is a folder, and video was asked for/],
  ["a box outside", ["frames", one, "--boxes", "100,0,120,20"], 2, /lies outside/],
  ["boxes for other inputs", ["frames", one, "--boxes", boxes, "--boxes", boxes], 2, /--boxes 2 times for 1 inputs/],
  ["boxes for texts", ["texts", "happy", "--boxes", boxes], 2, /texts have no subject/],
  ["an unknown kind", ["picture", one], 2, /Allowed choices are video, frames, images, texts/],
  ["a batch of none", ["frames", one, "--batch-size", "0"], 2, /--batch-size: "0" is not a whole number/],
  ["texts that are no UTF-8", ["texts", at("latin.txt")], 3, /latin\.txt: not valid UTF-8/],
  ["more lines than a million", ["texts", at("million.txt")], 3, /million\.txt: more than 1000000 lines/],
  ["a file without text", ["texts", at("empty.txt")], 3, /empty\.txt: has no text/],
  ["subtitles", ["texts", at("film.srt")], 3, /film\.srt: is no list of texts, but subtitles/],
  ["a file of another kind that is not there", ["texts", at("typo.srt")], 3, /typo\.srt: no such file/],
  ["an empty path", ["frames", one, ""], 2, /input 2 of 2 is empty/],
  ["an empty flag", ["frames", one, "--boxes", ""], 2, /--boxes is given an empty value/],
  ["a list of texts that is not there", ["texts", at("none.txt")], 3, /none\.txt: no such file/],
  [
    "a folder for texts",
    ["texts", at("hollow")],
    2,
    /hollow: is a folder; if it is a text, write it into a \.txt file/,
  ],
  ["a damaged checkpoint", ["frames", one, "--checkpoint", at("cut.safetensors")], 3, /cut\.safetensors: /],
  ["another byte-pair table", ["texts", "happy", "--bpe", at("lines.txt")], 2, /514 to \d+ ids, not 128/],
];

for (const [what, given, code, message] of refusals)
  test(`encode refuses ${what}, and writes nothing`, async () => {
    const before = readdirSync(root);
    const error = await refused("encode", "--out", at("refused.npy"), ...given);
    assert.is(error.exitCode, code, error.message);
    assert.match(error.message, message);
    assert.equal(readdirSync(root), before);
  });

test("a refusal is a line on stderr and an exit code", async () => {
  const outcome = await encode("refused.npy", "images", at("cut.png"));
  assert.is(outcome.code, 3);
  assert.match(outcome.stderr, /^error: cut\.png: does not decode: [^\n]+\n$/);
  assert.is(outcome.stdout, "");
});

test("a picture that breaks in a later batch leaves no file either", async () => {
  const before = readdirSync(root);
  const outcome = await encode("refused.npy", "images", one, at("cut.png"), "--batch-size", "1");
  assert.is(outcome.code, 3, outcome.stderr);
  assert.match(outcome.stderr, /cut\.png: does not decode/);
  assert.equal(readdirSync(root), before);
});

test("encode refuses a place that it cannot write to before it looks at anything else", async () => {
  for (const [out, message] of [
    ["features.txt", /features\.txt ends in neither \.npy nor \.safetensors/],
    [join("nowhere", "features.npy"), /there is no folder .*nowhere/],
    ["taken.npy", /taken\.npy is a folder/],
    ["beside.npy", /beside\.npy\.json is a folder/],
  ] as const) {
    const error = await refused("encode", "frames", at("neither"), "--out", at(out));
    assert.is(error.exitCode, 2);
    assert.match(error.message, message);
  }
});

const shots: [what: string, given: string[], code: number, message: RegExp][] = [
  ["no classes", ["frames", one], 2, /--classes: what the inputs are scored against/],
  ["a single class", ["frames", one, "--classes", "happy"], 2, /--classes: 1 classes; expected 2 to 10000/],
  ["a class twice", ["frames", one, "--classes", "happy,sad,happy"], 2, /the class "happy" twice/],
  ["an empty class", ["frames", one, "--classes", "happy,,sad"], 2, /a class without a text/],
  ["classes that are a list", ["frames", one, "--classes", at("list.json")], 3, /list\.json: expected an object/],
  ["a class that is a number", ["frames", one, "--classes", at("number.json")], 3, /"happy" is neither a text nor/],
  ["a class twice in a file", ["frames", one, "--classes", at("twice.json")], 3, /duplicate key "happy"/],
  ["a template without a place", ["frames", one, "--classes", "a,b", "--templates", at("bare.txt")], 3, /without \{\}/],
  ["an unknown benchmark", ["benchmark", "bolt"], 2, /unknown data set "bolt" \(did you mean bold\?\)/],
  ["an unknown split", ["benchmark", "stage", "--split", "tst"], 2, /unknown split "tst" \(did you mean test\?\)/],
  ["a benchmark without classes", ["benchmark", "liris"], 2, /liris has no classes/],
  ["other classes than the benchmark's", ["benchmark", "meld", "--classes", "a,b"], 2, /meld has these, .*sadness/],
];

for (const [what, given, code, message] of shots)
  test(`zero-shot refuses ${what}`, async () => {
    const error = await refused("zero-shot", ...given);
    assert.is(error.exitCode, code, error.message);
    assert.match(error.message, message);
  });

test("zero-shot refuses classes whose words the model does not know", async () => {
  const outcome = await emotionclip("zero-shot", "frames", one, "--classes", "joy,anger,happy");
  assert.is(outcome.code, 2);
  assert.match(outcome.stderr, /--classes: "joy" and "anger" are the same to this model/);
  assert.is(outcome.stdout, "");
});

test("zero-shot names the unknown words of a class that has a known one, on stderr and in the JSON", async () => {
  const outcome = await emotionclip("zero-shot", "frames", one, "--classes", "happy zorgblatt,sad", "--json");
  const { texts } = JSON.parse(succeeded(outcome)) as ZeroShotPage;
  assert.equal(texts.unknownWords, { count: 1, texts: 1, first: ["zorgblatt"] });
  assert.match(outcome.stderr, /^1 words that the model does not know: "zorgblatt", in 1 of 2 prompts$/m);
});

test("a class without a known word is refused, with any number of others, in any template, and by the library", async () => {
  writeFileSync(join(root, "known.txt"), "a {} person\n");
  const given = ["zero-shot", "frames", one, "--classes", "zorgblatt,happy", "--templates", join(root, "known.txt")];
  const error = await refused(...given);
  assert.is(error.exitCode, 2);
  assert.match(error.message, /^--classes: this model knows no word of "zorgblatt"$/);
  const own = [...classes, { name: "odd", texts: ["zorgblatt", "?!"] }];
  assert.match((await refusal(zeroShotClassifier(model, tokenizer, own))).message, /knows no word of "odd"/);
});

test("the stage's classes are all its emotions, in words of its captions", () => {
  assert.equal(Object.keys(emotionTexts), [...emotions]);
  const known = new Set(stageWords);
  for (const texts of Object.values(emotionTexts)) {
    assert.ok(texts.length >= 3);
    for (const text of texts) for (const word of stageWordsOf(text)) assert.ok(known.has(word), `${text}: ${word}`);
  }
});

test.run();
