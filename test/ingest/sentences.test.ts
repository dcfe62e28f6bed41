// From subtitles to sentences: what files of them say, what is wrong with them, and where a sentence ends.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { framesShown } from "../../data/footage/shown.ts";
import { readCaptions } from "../../ingest/captions.ts";
import { checkCues, type Cue, MOST_CUES } from "../../ingest/cues.ts";
import { looksOf } from "../../ingest/frames.ts";
import { groupSentences } from "../../ingest/sentences.ts";
import { readTranscript } from "../../ingest/transcripts.ts";
import { refusal } from "../kit/refusal.ts";

const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const cue = (start: number, end: number, ...lines: string[]): Cue => ({ start, end, lines });
const texts = (cues: readonly Cue[], pause = 2) => groupSentences(cues, pause).sentences.map(({ text }) => text);

test("SubRip: tags, styles, references and dashes go; hours, dots and a missing number stay", async () => {
  const { cues, unread } = await readCaptions(
    "\ufeff1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Hello</i> &amp; {\\an8}there\r\n- yes\r\n\r\n01:00:06.000 --> 01:00:07.000\r\nlater\r\n",
    "srt",
    "a.srt",
  );
  assert.equal(cues, [cue(1, 2.5, "Hello & there", "yes"), cue(3606, 3607, "later")]);
  assert.equal(unread, []);
});

test("WebVTT: notes are none, voices and times inside go; without its first line it is refused", async () => {
  const text = "WEBVTT\n\nNOTE x\n\nid\n00:01.000 --> 00:02.000 align:start\n<v Bob>Hi <00:01.500><c>you</c>\n";
  assert.equal((await readCaptions(text, "vtt", "a.vtt")).cues, [cue(1, 2, "Hi you")]);
  assert.match((await refusal(readCaptions(text.slice(7), "vtt", "a.vtt"))).message, /does not begin with WEBVTT/);
});

test("cues that the package drops without a word are named by line", async () => {
  const bad = ["00:00:05,000 --> 00:00:04,000", "00:00:06,000 -> 00:00:07,000", "00:99:08,000 --> 00:99:09,000"];
  const text = `${bad.map((times) => `1\n${times}\nx`).join("\n\n")}\n\n1\n00:00:09,000 --> 00:00:10,000\ny\n`;
  const { cues, unread } = await readCaptions(text, "srt", "a.srt");
  assert.equal(cues, [cue(9, 10, "y")]);
  assert.equal(
    unread.map((message) => message.slice(0, 20)),
    ["a.srt: line 2: runs ", 'a.srt: line 6: "00:0', 'a.srt: line 10: "00:'],
  );
});

test("blank lines are not needed between cues, and none at all is refused", async () => {
  const text = "1\n00:00:01,000 --> 00:00:02,000\na\n00:00:03,000 --> 00:00:04,000\nb\n";
  assert.is((await readCaptions(text, "srt", "a.srt")).cues.length, 2);
  assert.match((await refusal(readCaptions("hello\n", "srt", "a.srt"))).message, /a\.srt: has no cue/);
});

test("a word of a hundred thousand is a sentence of its own, not the end of the work", () => {
  const { sentences, isPunctuated } = groupSentences([cue(1, 3, "word ".repeat(300_000))], 2);
  assert.equal([sentences.length, sentences[0].start, Math.round(sentences[0].end), isPunctuated], [1, 1, 3, false]);
});

test("cues of a film whose picture begins late count from its first picture; those before it are dropped", () => {
  const file = { cues: [cue(0, 1.5, "a"), cue(1, 3, "b"), cue(4, 6, "c")], unread: [] };
  const { cues, faults } = checkCues(file, 10, "a.srt", 2);
  assert.equal(cues, [cue(0, 1, "b"), cue(2, 4, "c")]);
  assert.equal(faults["before the first picture"], {
    count: 1,
    first: "a.srt: cue 1 at 0.00 s: the first picture comes at 2.00 s",
  });
});

test("a million cues are refused before they are read", async () => {
  const text = "00:00:01,000 --> 00:00:02,000\na\n\n".repeat(MOST_CUES + 1);
  assert.match((await refusal(readCaptions(text, "srt", "a.srt"))).message, /86401 cues, allowed are 86400/);
  const lines = Array.from({ length: MOST_CUES + 1 }, (_, i) => ({ start: i, duration: 1, text: "a" }));
  assert.throws(() => readTranscript(bytes(lines), "a.json"), /a\.json: has 86401 lines, allowed are 86400/);
});

test("WhisperX has words with times, whisper.cpp milliseconds, YouTube durations; others are told what was seen", async () => {
  const words = [
    { word: "Hi", start: 1, end: 1.2, score: 0.9 },
    { word: "you.", start: 1.5, end: 2 },
  ];
  const x = readTranscript(
    bytes({ segments: [{ start: 1, end: 2, text: " Hi you.", words, speaker: "A" }] }),
    "a.json",
  );
  const timed = [
    { word: "Hi", start: 1, end: 1.2 },
    { word: "you.", start: 1.5, end: 2 },
  ];
  assert.equal(x.cues, [{ ...cue(1, 2, "Hi you."), words: timed, speaker: "A" }]);
  const cpp = { transcription: [{ offsets: { from: 1000, to: 2500 }, text: " Hi" }] };
  assert.equal(readTranscript(bytes(cpp), "a.json").cues, [cue(1, 2.5, "Hi")]);
  assert.equal(readTranscript(bytes([{ text: "Hi", start: 1, duration: 2 }]), "a.json").cues, [cue(1, 3, "Hi")]);
  assert.throws(() => readTranscript(bytes({ frames: [] }), "a.json"), /is no transcript: .* received frames/);
  assert.is(readTranscript(bytes({ segments: [{ start: 3, end: 2, text: "x" }] }), "a.json").unread.length, 1);
});

test("cues are put in order, cut at the next and at the film's end, and those beyond it dropped, all counted", () => {
  const cues = [cue(5, 8, "b"), cue(1, 6, "a"), cue(8, 14, "c"), cue(8, 14, "c"), cue(30, 31, "d")];
  const { cues: found, faults } = checkCues({ cues, unread: ["a.srt: line 7: …"] }, 10, "a.srt");
  assert.equal(found, [cue(1, 5, "a"), cue(5, 8, "b"), cue(8, 10, "c")]);
  assert.equal(
    Object.entries(faults).map(([kind, { count }]) => `${kind} ${count}`),
    ["unread 1", "out of order 1", "beyond the film 1", "repeated 1", "overlapping 1", "cut at the film's end 1"],
  );
  assert.throws(() => checkCues({ cues: cues.slice(4), unread: [] }, 10, "a.srt"), /are of another film/);
});

test("the first and the last sentence count; words share their line's time; titles and numbers end none", () => {
  const { sentences } = groupSentences(
    [cue(0, 4, "We won, Mr. Li."), cue(4, 8, "It cost 3.50 in"), cue(8, 9, "all")],
    2,
  );
  assert.equal(sentences, [
    { text: "We won Mr Li", start: 0, end: 4 },
    { text: "It cost 3.50 in all", start: 4, end: 9 },
  ]);
});

test("lines with a bracket are noises; a pause, another speaker and a noise end a sentence", () => {
  assert.equal(texts([cue(0, 1, "and so."), cue(1, 2, "[door] he"), cue(2, 3, "went", "[bang]"), cue(3, 4, "out.")]), [
    "and so",
    "went",
    "out",
  ]);
  assert.equal(texts([cue(0, 1, "a"), cue(4, 5, "b."), cue(5, 6, "c.")]), ["a", "b", "c"]);
  const spoken = [
    { ...cue(0, 1, "yes"), speaker: "A" },
    { ...cue(1, 2, "no."), speaker: "B" },
  ];
  assert.equal(texts(spoken), ["yes", "no"]);
});

test("where there is no punctuation every cue is a sentence, and that is told", () => {
  const cues = Array.from({ length: 50 }, (_, i) => cue(i, i + 1, "word"));
  assert.equal([groupSentences(cues, 2).isPunctuated, texts(cues).length], [false, 50]);
  assert.is(groupSentences([...cues, cue(50, 51, "end.")], 2).isPunctuated, true);
});

test("looks begin with the film's first frame and end with its last", () => {
  assert.equal(looksOf({ text: "", start: 0, end: 2 }, 8, 10), { first: 0, last: 16 });
  assert.equal(looksOf({ text: "", start: 9.01, end: 10 }, 8, 10), { first: 73, last: 79 });
  const uneven = [0, 0.1, 0.5, 0.55, 1];
  assert.equal(framesShown(uneven, 0, 4, 5), [0, 1, 2, 3, 4]);
});

test.run();
