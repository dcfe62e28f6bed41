// The RoBERTa classifier against numbers of an implementation of its own (test/golden/roberta/make.py): tokens, logits, files.
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { SENTIMENTS } from "../../data/shards/clip.ts";
import { openByteLevel } from "../../data/tokenizer/byte-level.ts";
import { CheckpointError, FormatError } from "../../engine/index.ts";
import { sentimentColumns, sentimentLogits } from "../../eval/sentiment.ts";
import { openRoberta } from "../../model/roberta/open.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

await sharedGpu();

const golden = join("test", "golden", "roberta");
const folder = join(golden, "model");
const expected: { text: string; ids: number[]; length: number; logits: number[] }[] = JSON.parse(
  readFileSync(join(golden, "expected.json"), "utf8"),
);
const context = 32;

test("rows of ids are those of byte-pair encoding by hand, cut where they are too long", async () => {
  const tokenizer = await openByteLevel(folder);
  for (const { text, ids, length } of expected)
    assert.equal(tokenizer.row(text, context), { ids, isCut: length > context }, JSON.stringify(text));
});

test("logits are those of float64 within 1e-5, whatever is computed together", async () => {
  const files = await openRoberta(folder);
  const { model, free } = await files.load();
  const texts = expected.map(({ text }) => text);
  for (const batch of [1, 7, 64]) {
    const heard: number[] = [];
    const { logits, cut } = await sentimentLogits(model, files.tokenizer, texts, {
      ...{ batch, context },
      at: (done) => heard.push(done),
    });
    assert.is(heard.at(-1), texts.length);
    assert.equal(
      cut,
      expected.flatMap(({ length }, i) => (length > context ? [i] : [])),
    );
    for (const [i, each] of expected.entries())
      for (const [q, want] of each.logits.entries()) {
        const got = logits.data[i * 7 + q];
        assert.ok(Math.abs(got - want) < 1e-5, `${JSON.stringify(each.text)}: ${got}, not ${want}`);
      }
  }
  free();
  await files.close();
});

test("classes in another order are put in that of the official logits; others are refused", () => {
  const orders = fc.shuffledSubarray([...SENTIMENTS], { minLength: SENTIMENTS.length });
  fc.assert(
    fc.property(orders, (labels) => {
      assert.equal(
        sentimentColumns(labels.map((label) => label.toUpperCase())).map((column) => labels[column]),
        [...SENTIMENTS],
      );
    }),
  );
  assert.throws(
    () => sentimentColumns(["negative", "positive"]),
    /the classes are "negative", "positive"; expected anger, disgust/,
  );
});

test("tokenizer.json says the same as vocab.json with merges.txt; rules that are not RoBERTa's are refused", () =>
  inTemporary(async (root) => {
    const vocab = JSON.parse(readFileSync(join(folder, "vocab.json"), "utf8"));
    const merges = readFileSync(join(folder, "merges.txt"), "utf8").trim().split("\n").slice(1);
    const whole = {
      normalizer: null,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
      model: { type: "BPE", vocab, merges: merges.map((merge) => merge.split(" ")) },
    };
    const write = (given: object) => writeFileSync(join(root, "tokenizer.json"), JSON.stringify(given));
    write(whole);
    const tokenizer = await openByteLevel(root);
    for (const { text, ids } of expected) assert.equal(tokenizer.row(text, context).ids, ids);
    const faults: [object, RegExp][] = [
      [{ ...whole, normalizer: { type: "Lowercase" } }, /expected BPE behind ByteLevel without a normalizer/],
      [
        { ...whole, pre_tokenizer: { type: "Split", pattern: { Regex: "(a+)+$" } } },
        /is "BPE" behind "Split"|is .*BPE.* behind .*Split/,
      ],
      [{ ...whole, model: { ...whole.model, merges: ["a"] } }, /merge 1 is "a", expected two symbols/],
      [{ ...whole, model: { ...whole.model, merges: [["q", "q"]] } }, /merge 1 is "q q", expected two symbols/],
      [
        { ...whole, model: { ...whole.model, vocab: { ...vocab, a: 1 } } },
        /has the id 1, expected each of 0 to \d+ once/,
      ],
      [{ ...whole, model: { ...whole.model, vocab: { "<s>": 0 } } }, /has no symbol/],
      [{}, /tokenizer\.json: model is no object/],
    ];
    for (const [given, message] of faults) {
      write(given);
      const error = await refusal(openByteLevel(root));
      assert.instance(error, FormatError);
      assert.match(error.message, message);
    }
  }));

test("a folder whose files do not fit one another is refused with what is wrong", () =>
  inTemporary(async (root) => {
    const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
    const faults: [object, typeof FormatError | typeof CheckpointError, RegExp][] = [
      [{ model_type: "bert" }, FormatError, /model\/config\.json: model_type is "bert", expected roberta/],
      [{ hidden_act: "relu" }, FormatError, /hidden_act is "relu", expected gelu/],
      [{ layer_norm_eps: 1e-12 }, FormatError, /layer_norm_eps is 1e-12, expected 0\.00001/],
      [{ num_attention_heads: 5 }, FormatError, /hidden_size is 24, expected a multiple of its 5 heads/],
      [{ id2label: { 0: "a", 2: "b" } }, FormatError, /id2label names 2 classes, expected each of 0, 1, … once/],
      [{ vocab_size: 3 }, FormatError, /vocab_size is 3, but the tokenizer has \d+ symbols/],
      [
        { num_hidden_layers: 3 },
        CheckpointError,
        /missing +"roberta\.encoder\.layer\.2\.attention\.self\.query\.weight"/,
      ],
      [
        { intermediate_size: 41 },
        CheckpointError,
        /"roberta\.encoder\.layer\.0\.intermediate\.dense\.weight" is \[40,24\], expected \[41,24\]/,
      ],
    ];
    const at = join(root, "model");
    cpSync(folder, at, { recursive: true });
    for (const [change, kind, message] of faults) {
      writeFileSync(join(at, "config.json"), JSON.stringify({ ...config, ...change }));
      const error = await refusal(openRoberta(at));
      assert.instance(error, kind);
      assert.match(error.message, message);
    }
    assert.match(
      (await refusal(openRoberta(join(root, "none")))).message,
      /"[^"]*none": no folder; expected one with config\.json/,
    );
  }));

test.run();
