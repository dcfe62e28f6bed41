// Sentiment of a film's sentences by a classifier: golden logits, and the whole command with it.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openShards, ShardReader } from "../../data/shards/shards.ts";
import { robertaScorer } from "../../ingest/roberta-scorer.ts";
import { inTemporary } from "../kit/temporary.ts";
import { hasFfmpeg, subRip, tinyFilm } from "../kit/tiny-films.ts";
import { runProgram } from "../run/program.ts";

const golden = join("test", "golden", "roberta");
const model = join(golden, "model");
const expected: { text: string; length: number; logits: number[] }[] = JSON.parse(
  readFileSync(join(golden, "expected.json"), "utf8"),
);

test("a scorer gives each text its logits, opens a GPU once, and may be closed unused", async () => {
  await (await robertaScorer(model, {})).close();
  const scorer = await robertaScorer(model, {});
  const whole = expected.filter(({ length }) => length <= 32);
  for (const part of [whole.slice(0, 5), whole]) {
    const found = await scorer.score(part.map(({ text }) => text));
    for (const [i, { logits }] of part.entries())
      for (const [q, want] of logits.entries()) assert.ok(Math.abs(found[i][q] - want) < 1e-5);
  }
  assert.ok(scorer.tells);
  await scorer.close();
});

if (hasFfmpeg)
  test("ingest --sentiment FOLDER stores the classifier's logits with the clips", () =>
    inTemporary(async (root) => {
      mkdirSync(join(root, "films"));
      tinyFilm(join(root, "films", "one.mp4"));
      writeFileSync(join(root, "films", "one.srt"), subRip([[0, 3, "She laughs."]]));
      const flags = ["--sentiment", model, "--max-neutral", "1", "--min-seconds", "1", "--json"];
      const { code, stdout, stderr } = await runProgram(join("dist", "cli.js"), [
        ...["ingest", join(root, "films"), "--out", join(root, "out")],
        ...flags,
      ]);
      assert.is(code, 0, stderr);
      assert.match(JSON.parse(stdout).sentiment, /^by the classifier in model$/);
      const set = await openShards(join(root, "out"), "train");
      const reader = new ShardReader();
      const { sentiment, caption } = set.info(0, reader);
      reader.close();
      const scorer = await robertaScorer(model, {});
      assert.equal(sentiment, (await scorer.score([caption]))[0]);
      await scorer.close();
    }));

test.run();
