// Who is in the picture: files of boxes, who is who over time, and whom a clip is about.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readBoxFile } from "../../ingest/box-files.ts";
import { FilmPeople } from "../../ingest/film-people.ts";
import { shotsAt } from "../../ingest/frames.ts";
import { overlap, type SeenBox } from "../../ingest/seen.ts";
import { subjectChoice, subjectOf } from "../../ingest/subject.ts";
import { tracksOf } from "../../ingest/tracks.ts";
import type { Box } from "../../data/pixels/boxes.ts";

const size = { width: 200, height: 100 };
const read = (name: string, value: unknown, rule: "pixels" | "compat" | "exact" = "pixels") =>
  readBoxFile(new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value)), name, size, rule);
const frames = (file: ReturnType<typeof readBoxFile>) =>
  [...file.frames].map(([frame, boxes]) => [frame, ...boxes.map(({ box }) => box.join(" "))]);

test("the detector's JSON counts extracted frames from 1, and the film's own from 0", () => {
  const file = read("a.boxes.json", [{ "00000001.jpg": [[1, 2, 3, 4, 0.9]] }, { "00000003.jpg": [] }]);
  assert.equal([file.counted, file.listsAll, frames(file)], ["extracted", true, [[0, "1 2 3 4"], [2]]]);
  assert.is(read("a.boxes.json", { 17: [[1, 2, 3, 4]] }).counted, "film");
  assert.throws(() => read("a.boxes.json", { 17: [], "1.jpg": [] }), /some frames are called as in "17", others/);
  assert.throws(() => read("a.boxes.json", { "x.jpg": [] }), /the frame "x\.jpg" has no number/);
  const letterboxed = read(
    "a.boxes.json",
    {
      0: [
        [0, 0, 320, 160, 1],
        [0, 320, 320, 330, 1],
      ],
    },
    "exact",
  );
  assert.equal(frames(letterboxed), [[0, "0 0 100 50"]]);
});

test("MOT lines count the film's frames from 1; of true ones only pedestrians that are marked count", () => {
  const file = read("a.mot.csv", "1,7,10,20,30,40,0.9,-1,-1,-1\n3,-1,1,1,2,2,-1\n");
  assert.equal(
    [file.counted, file.listsAll, frames(file)],
    [
      "film",
      false,
      [
        [0, "10 20 40 60"],
        [2, "1 1 3 3"],
      ],
    ],
  );
  assert.equal([file.frames.get(0)![0].track, file.frames.get(2)![0].track], [7, undefined]);
  const truth = read("a.mot.txt", "1,1,0,0,9,9,1,1,1\n1,2,0,0,9,9,1,3,1\n1,3,0,0,9,9,0,1,1\n");
  assert.is(truth.frames.get(0)!.length, 1);
  assert.throws(() => read("a.mot.csv", "1,7,10,20,30,forty\n"), /line 1 is "1,7,10,20,30,forty", expected frame/);
  assert.throws(() => read("a.mot.csv", "0,7,10,20,30,40\n"), /from 1/);
  for (const confidence of [1.5, -0.2])
    assert.throws(() => read("a.mot.csv", `1,7,10,20,30,40,${confidence}\n`), /confidence \(0 to 1, or -1 for none\)/);
});

test("COCO: people only, by frame_id or by the name of the file; what has no person says what it has", () => {
  const images = [
    { id: 5, file_name: "shots/000002.jpg" },
    { id: 6, file_name: "shots/000003.jpg" },
  ];
  const annotations = [
    { image_id: 5, category_id: 1, bbox: [1, 2, 3, 4], score: 0.75, track_id: 3 },
    { image_id: 5, category_id: 2, bbox: [1, 2, 3, 4] },
  ];
  const categories = [
    { id: 1, name: "person" },
    { id: 2, name: "dog" },
  ];
  const file = read("a.coco.json", { info: {}, images, annotations, categories });
  assert.equal([file.counted, frames(file)], ["extracted", [[1, "1 2 4 6"], [2]]]);
  assert.equal(file.frames.get(1)![0], { box: [1, 2, 4, 6], confidence: 0.75, track: 3 });
  const numbered = { images: [{ id: 5, frame_id: 9, file_name: "x.jpg" }], annotations: [], categories };
  assert.equal([read("a.coco.json", numbered).counted, frames(read("a.coco.json", numbered))], ["film", [[9]]]);
  assert.throws(
    () => read("a.coco.json", { images, annotations, categories: categories.slice(1) }),
    /has no category "person"; it has "dog"/,
  );
  assert.throws(() => read("a.coco.json", { images: [], annotations, categories }), /boxes of 0 frames/);
});

const seen = (...boxes: Box[]): SeenBox[] => boxes.map((box) => ({ box, confidence: 1 }));
const left = (x: number): Box => [x, 10, x + 40, 90];
const noCut = () => false;

test("overlap is the share of the union", () => {
  assert.is(overlap([0, 0, 2, 2], [1, 0, 3, 2]), 1 / 3);
  assert.is(overlap([0, 0, 2, 2], [2, 0, 4, 2]), 0);
});

test("people who walk past each other keep their numbers; one who is hidden for long, and all after a cut, get new ones", () => {
  const walk = new Map(
    Array.from({ length: 12 }, (_, k) => [k, seen(left(10 * k), [120 - 10 * k, 0, 170 - 10 * k, 40])]),
  );
  const tracks = [...tracksOf(walk, noCut).values()].map((boxes) => boxes.map(({ track }) => track));
  assert.ok(
    tracks.every(([a, b]) => a === 1 && b === 2),
    JSON.stringify(tracks),
  );
  const hidden = (gap: number) =>
    [
      ...tracksOf(
        new Map([
          [0, seen(left(0))],
          [gap, seen(left(4))],
        ]),
        noCut,
      ).values(),
    ][1][0].track;
  assert.equal([hidden(4), hidden(5)], [1, 2]);
  const cut = tracksOf(walk, (from, to) => from < 6 && to >= 6);
  assert.equal(
    cut.get(5)!.map(({ track }) => track),
    [1, 2],
  );
  assert.equal(
    cut.get(6)!.map(({ track }) => track),
    [3, 4],
  );
});

test("tracks that the source tells stay", () => {
  const told = new Map([
    [0, [{ box: left(0), confidence: 1, track: 9 }]],
    [1, [{ box: left(150), confidence: 1, track: 9 }]],
  ]);
  assert.equal(
    [...tracksOf(told, noCut).values()].map(([{ track }]) => track),
    [9, 9],
  );
});

test("numbers of people that only some boxes have are not used, and counted", () => {
  const told = [{ box: left(0), confidence: 1, track: 9 }];
  const report = (more: SeenBox[]) =>
    new FilmPeople("a", { seen: new Map([[0, [...told, ...more]]]), unknown: 0 }, [], 8, 0.5).report;
  const bare = { source: "a", tracks: 1, unknown: 0 };
  assert.equal(report([]), { ...bare, boxes: [0, 1] });
  assert.equal(report(seen(left(150))), { ...bare, boxes: [0, 0, 1], tracks: 2, renumbered: 1 });
});

test("the subject is everybody, or in each shot the largest, most central or longest, or a track", () => {
  const large: Box = [0, 0, 60, 100];
  const central: Box = [90, 40, 110, 60];
  const long: Box = [180, 0, 190, 10];
  const tracked = tracksOf(
    new Map([
      [0, seen(long)],
      [1, seen(large, central, long)],
      [2, seen(large, central, long)],
    ]),
    noCut,
  );
  const looks = { first: 0, last: 2 };
  const of = (text: string, isCut = noCut as (a: number, b: number) => boolean) =>
    subjectOf(subjectChoice(text), tracked, looks, size, isCut).map((boxes) => boxes.map(([x]) => x).join());
  assert.equal(of("all"), ["180", "0,90,180", "0,90,180"]);
  assert.equal(of("largest"), ["", "0", "0"]);
  assert.equal(of("central"), ["", "90", "90"]);
  assert.equal(of("longest"), ["180", "180", "180"]);
  assert.equal(of("track:3"), ["", "90", "90"]);
  assert.equal(
    of("largest", (_, to) => to === 1),
    ["180", "0", "0"],
  );
  assert.throws(() => subjectChoice("biggest"), /known are all, largest, central, longest and track:N/);
});

test("a look after a cut is of the next shot", () => {
  const shot = shotsAt([1, 2.01], 8);
  assert.equal([0, 7, 8, 16, 17].map(shot), [0, 0, 1, 1, 2]);
});

test.run();
