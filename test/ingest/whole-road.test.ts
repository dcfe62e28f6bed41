// The whole road with films that are drawn and spoken by the embedded data: films and subtitles to shards, a small model trained on
// them, and its answers over another film, of other people in other rooms. About 70 s of CPU time.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { bestOf, type FilmTimeline } from "../../cli/timeline.ts";
import type { Emotion } from "../../data/stage/emotions.ts";
import { type Shot, stageFilm } from "../kit/stage-film.ts";
import { hasFfmpeg } from "../kit/tiny-films.ts";
import { runProgram } from "../run/program.ts";

const root = await mkdtemp(join(tmpdir(), "emotionclip-road-"));
test.after(() => rm(root, { recursive: true, force: true }));
const cli = resolve("dist", "cli.js");
const emotionclip = async (...words: string[]): Promise<string> => {
  const { code, stdout, stderr } = await runProgram(cli, words, { cwd: root });
  assert.is(code, 0, `${words.join(" ")}\n${stdout}\n${stderr}`);
  return stdout;
};
if (!hasFfmpeg) console.log("left out, ffmpeg is not installed: films to shards to a model to a timeline");

const emotions: readonly Emotion[] = ["anger", "joy", "sadness"];
const CHANCE = 1 / emotions.length; // shots of each are equally many
/** What a model must be better by than chance: measured were 0.43 of shots and 0.27 of windows. */
const MARGIN = { shots: 0.2, windows: 0.1 };

/** A line as ingest stores it. */
const stored = (caption: string): string =>
  caption
    .replace(/[.,!?]/g, "")
    .replace(/\s+/g, " ")
    .trim();

if (hasFfmpeg)
  test("of a film of strangers the emotion of whoever speaks is found, shot by shot, better than chance", async () => {
    mkdirSync(join(root, "films"));
    const drawn = [0, 1, 2, 3].flatMap((n) =>
      stageFilm({ path: join(root, "films", `part-${n}`), seed: 100 + n, split: "train", emotions, shots: 12 }),
    );
    const truth = stageFilm({ path: join(root, "new"), seed: 7, split: "val", emotions, shots: 10 });
    const logits = Object.fromEntries(drawn.map(({ caption, sentiment }) => [stored(caption), sentiment]));
    writeFileSync(join(root, "scores.json"), JSON.stringify(logits));
    const linesOf = (emotion: Emotion) => [
      ...new Set(drawn.filter((shot) => shot.emotion === emotion).map(({ caption }) => stored(caption))),
    ];
    writeFileSync(
      join(root, "classes.json"),
      JSON.stringify(Object.fromEntries(emotions.map((emotion) => [emotion, linesOf(emotion).slice(0, 12)]))),
    );

    const choices = ["--subject", "track:1", "--sentiment", "scores.json", "--max-neutral", "1", "--held-out", "0"];
    const made = JSON.parse(await emotionclip("ingest", "films", "--out", "shards", ...choices, "--json"));
    assert.equal([made.kept, made.dropped], [drawn.length, {}]);
    for (const { people, cuts } of made.films) {
      assert.ok(people.boxes[0] === 0 && people.boxes[2] > 0 && people.boxes[3] > 0, people.boxes.join());
      assert.ok(cuts > 12, `${cuts} cuts`); // of 35 some are between pictures that are nearly alike
    }

    const size = ["--model", "tiny", "--batch-size", "48", "--together", "1", "--workers", "0"];
    const schedule = [
      "--steps",
      "200",
      "--lr",
      "0.004",
      "--warmup",
      "10",
      "--eval-every",
      "0",
      "--checkpoint-every",
      "100",
    ];
    await emotionclip("train", "--train-data", "shards", "--name", "road", ...size, ...schedule);

    const people = ["--people", "new.mot.txt", "--tracks", "1"];
    const asked = ["timeline", "new.mp4", "--checkpoint", join("runs", "road"), "--classes", "classes.json"];
    await emotionclip(...asked, ...people, "--out", "answers");
    const { classes, subjects, words }: FilmTimeline = JSON.parse(
      readFileSync(join(root, "answers", "timeline.json"), "utf8"),
    );
    assert.equal([subjects.length, words?.lines.length], [1, truth.length]);
    const inShot = (time: number) => truth.find(({ start, end }) => start <= time && time < end);
    const isRight = (shares: readonly number[], shot: Shot | undefined) => classes[bestOf(shares)] === shot?.emotion;
    const { windows } = subjects[0];
    const right = {
      shots: words!.lines.filter(({ probabilities }, i) => isRight(probabilities[0], truth[i])).length / truth.length,
      windows:
        windows.filter(({ start, end, probabilities }) => isRight(probabilities, inShot((start + end) / 2))).length /
        windows.length,
    };
    const text = `right: ${right.shots.toFixed(3)} of ${truth.length} shots, ${right.windows.toFixed(3)} of ${windows.length} windows; chance ${CHANCE.toFixed(3)}`;
    console.log(text);
    for (const of of ["shots", "windows"] as const) assert.ok(right[of] >= CHANCE + MARGIN[of], text);
  });

test.run();
