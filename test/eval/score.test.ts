// Protocols on features: the golden figures of scikit-learn through the whole path, tables per class, the switches, and files
// that are refused.
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { npyBytes } from "../../data/formats/npy.ts";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { joinTargets, readFeatureFiles } from "../../eval/features/file.ts";
import { type Matrix, matrix } from "../../eval/matrix.ts";
import { type Protocol, protocols, splitsOf, type Task } from "../../eval/probes/protocol.ts";
import { type ScoreOptions, score, scoreInTurns } from "../../eval/probes/score.ts";
import type { SplitFeatures } from "../../eval/probes/outcome.ts";
import { type SafetensorsEntry, safetensorsBytes } from "../../model/index.ts";
import { fixture, goldenJson, goldenPath } from "../kit/golden.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

const tensor = fixture("metrics/metrics.safetensors");
const expected = goldenJson<{
  "one_vs_rest_metrics_C3.16": { mAP: number; AUC: number; AP: number[]; affect2mm_acc: number };
  multinomial: { weighted_f1: number; acc: number };
  ridge: { r2_uniform: number; mse: number[]; pcc: number[] };
}>("emotionclip/metrics/metrics.json");

const letters = [..."abcdefghij"];
const asPublished: ScoreOptions = { switches: { smoothing: "compat", argmax: "class" } };
const protocolOf = (...tasks: Task[]): Protocol => ({ input: "video", fit: "train", on: ["test"], tasks });
const split = (name: string, features: Matrix, targets: SplitFeatures["targets"]): SplitFeatures => ({
  name,
  features,
  targets,
});
const emotions: Task = {
  name: "emotions",
  target: "labels",
  probe: { kind: "one-vs-rest", C: 3.16 },
  metrics: ["mAP", "AUC", "accuracy"],
  of: letters.slice(0, 6),
};
const emotion: Task = {
  name: "emotion",
  target: "label",
  probe: { kind: "softmax", C: 8 },
  metrics: ["accuracy", "weighted F1", "UAR"],
  of: letters,
};
const affect: Task = {
  name: "affect",
  target: "values",
  probe: { kind: "ridge", alpha: 1 },
  metrics: ["R2", "MSE", "PCC"],
  of: ["x", "y", "z"],
};
const near = (got: number | undefined, want: number, what: string, tolerance = 1e-6) =>
  assert.ok(Math.abs(got! - want) <= tolerance, `${what}: ${got} instead of ${want}`);

test("features, protocol and metrics together give scikit-learn's figures", () => {
  const splits = [
    split("train", tensor("X_train"), { labels: tensor("Y_train") }),
    split("test", tensor("X_test"), { labels: tensor("Y_test") }),
  ];
  const [{ figures, perClass }] = score(protocolOf(emotions), splits, asPublished);
  const want = expected["one_vs_rest_metrics_C3.16"];
  const of = (name: string) => figures.find((figure) => figure.name === name)?.value;
  near(of("mAP"), want.mAP, "mAP");
  near(of("AUC"), want.AUC, "AUC");
  near(of("accuracy"), want.affect2mm_acc / 100, "any-label accuracy"); // the golden value is f32
  want.AP.forEach((ap, c) => {
    near(perClass.rows[c][1 + perClass.columns.indexOf("AP")] as number, ap, `AP of class ${c}`);
  });
});

test("the length of a feature does not matter, in training or in the test", () => {
  const longer = (m: Matrix, seed: number) => {
    const [rows, width] = m.shape;
    const data = Float64Array.from(m.data, (v, i) => v * 2 ** ((seed + 3 * Math.floor(i / width)) % 7)); // exact
    return matrix(rows, width, data);
  };
  const figures = (change: (m: Matrix, seed: number) => Matrix) => {
    const targets = (name: string) => ({ labels: tensor(`Y_${name}`) });
    const splits = ["train", "test"].map((name, i) => split(name, change(tensor(`X_${name}`), i), targets(name)));
    return score(protocolOf(emotions), splits, asPublished)[0].figures;
  };
  assert.equal(
    figures(longer),
    figures((m) => m),
  );
});

test("one class per sample, and values, are scored as scikit-learn does", () => {
  const one = [
    split("train", tensor("multi.X_train"), { label: tensor("multi.y_train").data }),
    split("test", tensor("multi.X_test"), { label: tensor("multi.y_test").data }),
  ];
  const [{ figures, confusion }] = score(protocolOf(emotion), one, asPublished);
  near(figures[0].value, expected.multinomial.acc, "accuracy");
  near(figures[1].value, expected.multinomial.weighted_f1, "weighted F1");
  const diagonal = confusion!.counts.reduce((sum, row, c) => sum + row[c], 0);
  near(diagonal / 70, expected.multinomial.acc, "share on the diagonal of the confusion matrix");
  const values = [
    split("train", tensor("ridge.X_train"), { values: tensor("ridge.Y_train") }),
    split("test", tensor("ridge.X_test"), { values: tensor("ridge.Y_test") }),
  ];
  const [ridge] = score(protocolOf(affect), values, asPublished);
  const of = (name: string) => ridge.figures.find((figure) => figure.name === name)?.value;
  near(of("R2"), expected.ridge.r2_uniform, "mean R²");
  ["x", "y", "z"].forEach((name, t) => {
    near(of(`MSE ${name}`), expected.ridge.mse[t], "MSE");
    near(of(`PCC ${name}`), expected.ridge.pcc[t], "PCC");
  });
  near(of("MSE"), expected.ridge.mse.reduce((a, b) => a + b) / 3, "mean MSE");
});

test("a class that training lacks: its column is not the class that is chosen", () => {
  const x = matrix(6, 2, Float64Array.of(1, 0, 1, 0.1, 0, 1, 0.1, 1, -1, 0, -1, 0.1));
  const splits = [split("train", x, { label: [2, 2, 5, 5, 7, 7] }), split("test", x, { label: [2, 2, 5, 5, 7, 7] })];
  const accuracy = (argmax: "class" | "column") =>
    score(protocolOf(emotion), splits, { switches: { smoothing: "compat", argmax } })[0].figures[0].value;
  assert.is(accuracy("class"), 1);
  assert.is(accuracy("column"), 0); // columns 0, 1, 2 are taken for classes 0, 1, 2
});

test("classes without positives, and with positives only, are named, and the mean over the others is given", () => {
  const labels = (name: string) => {
    const { shape, data } = tensor(name);
    return matrix(
      shape[0],
      6,
      data.map((v, i) => (i % 6 === 2 ? 0 : i % 6 === 4 ? 1 : v)),
    );
  };
  const splits = [
    split("train", tensor("X_train"), { labels: labels("Y_train") }),
    split("test", tensor("X_test"), { labels: labels("Y_test") }),
  ];
  const [{ figures }] = score(protocolOf(emotions), splits, asPublished);
  const [map, auc] = figures;
  assert.equal(map.undefinedClasses, ["c"]);
  assert.equal(auc.undefinedClasses, ["c", "e"]);
  assert.ok(Number.isNaN(auc.value) && auc.meanDefined! > 0.5 && map.meanDefined! > map.value);
});

test("smoothing stays inside each movie on request, and needs their names", () => {
  const n = 240;
  const wave = Float64Array.from({ length: n * 2 }, (_, i) => Math.sin(i * i));
  const x = matrix(n, 2, wave);
  const values = matrix(
    n,
    3,
    Float64Array.from({ length: n * 3 }, (_, i) => Math.cos(i * 1.7)),
  );
  const groups = Array.from({ length: n }, (_, i) => (i < 110 ? "one" : "two"));
  const task: Task = { ...affect, metrics: ["MSE"], smooth: { window: 100, order: 3 } };
  const run = (smoothing: "compat" | "perMovie", known?: string[]) =>
    score(
      protocolOf(task),
      [split("train", x, { values }), split("test", x, { values, ...(known && { groups: known }) })],
      { switches: { smoothing, argmax: "class" } },
    )[0].figures.at(-1)!.value;
  assert.not.equal(run("compat", groups), run("perMovie", groups));
  assert.is(run("compat"), run("compat", groups));
  assert.is(run("perMovie", groups.fill("one")), run("compat"));
  assert.throws(() => run("perMovie"), /--data/);
});

test("intervals hold the figure, and the same seed gives the same ones", () => {
  const splits = [
    split("train", tensor("X_train"), { labels: tensor("Y_train") }),
    split("test", tensor("X_test"), { labels: tensor("Y_test") }),
  ];
  const once = score(protocolOf(emotions), splits, { ...asPublished, resamples: 200 });
  for (const { name, value, interval } of once[0].figures)
    assert.ok(interval!.low < value && value < interval!.high && interval!.undefinedResamples < 20, name);
  assert.equal(score(protocolOf(emotions), splits, { ...asPublished, resamples: 200 }), once);
});

test("scoring in turns gives the same figures to the bit, lets events through, and ends once it is told to", async () => {
  const splits = [
    split("train", tensor("X_train"), { labels: tensor("Y_train") }),
    split("test", tensor("X_test"), { labels: tensor("Y_test") }),
  ];
  const options = { ...asPublished, resamples: 500 };
  const all = protocolOf(emotions);
  assert.equal(await scoreInTurns(all, splits, options, () => false), score(all, splits, options));
  let isStopped = false;
  setImmediate(() => {
    isStopped = true;
  });
  const endless = { ...asPublished, resamples: 1e6 }; // minutes, were it not stopped
  assert.is(await scoreInTurns(all, splits, endless, () => isStopped), undefined);
});

test("the table of protocols has the official constants", () => {
  const constants = Object.entries(protocols).flatMap(([name, { tasks }]) =>
    tasks.map(({ probe }) => [name, probe.kind, probe.kind === "ridge" ? probe.alpha : probe.C]),
  );
  assert.equal(constants.slice(0, 6), [
    ["bold", "one-vs-rest", 3.16],
    ["bold", "ridge", 1],
    ["moviegraphs", "one-vs-rest", 10],
    ["meld", "softmax", 8],
    ["liris", "ridge", 1],
    ["emotic", "one-vs-rest", 2.5],
  ]);
  assert.equal(splitsOf(protocols.meld), ["train", "dev", "test"]);
  assert.equal(
    Object.values(protocols).map(({ tasks }) => tasks[0].of.length),
    [26, 26, 7, 2, 26, 26],
  );
});

/** Writes arrays as one .npy file. */
function save(folder: string, name: string, ...arrays: Matrix[]): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([...npyBytes(arrays)]));
  return path;
}

const six = protocolOf(emotions);

test("the official cache file is read: features and targets back to back", async () => {
  const [{ features, targets }] = await readFeatureFiles(
    `test=${goldenPath("emotionclip/metrics/feature_cache.npy")}`,
    six,
  );
  assert.equal(
    [features.shape, targets.labels?.shape],
    [
      [5, 12],
      [5, 6],
    ],
  );
});

test("files are taken in the order of the splits, or by name; targets come from the file, or from the data set", () =>
  inTemporary(async (folder) => {
    const train = save(folder, "a.npy", tensor("X_train"), tensor("Y_train"));
    const alone = save(folder, "b.npy", tensor("X_test"));
    const known = new Map([["test", { labels: tensor("Y_test") }]]);
    const inOrder = joinTargets(await readFeatureFiles(`${train},${alone}`, six), known, six);
    const byName = joinTargets(await readFeatureFiles(`test=${alone}, train=${train}`, six), known, six);
    const value = (splits: SplitFeatures[]) => score(six, splits, asPublished)[0].figures[0].value;
    near(value(inOrder), expected["one_vs_rest_metrics_C3.16"].mAP, "mAP");
    assert.is(value(byName), value(inOrder));
    const lonely = await readFeatureFiles(`${train},${alone}`, six);
    assert.throws(() => joinTargets(lonely, new Map(), six), /b\.npy holds no targets; --data/);
    assert.throws(
      () => joinTargets(lonely, new Map([["test", { labels: tensor("Y_train") }]]), six),
      /b\.npy: features of 70 samples, but the split test of the data set has 160/,
    );
  }));

/** Writes named arrays as one safetensors file. */
async function saveTensors(folder: string, tensors: Record<string, Matrix>): Promise<string> {
  const entries = Object.entries(tensors).map(([name, { shape, data }]): SafetensorsEntry => {
    const floats = Float32Array.from(data);
    return { name, dtype: "F32", shape, bytes: async () => new Uint8Array(floats.buffer) };
  });
  const path = join(folder, "all.safetensors");
  const pieces: Uint8Array[] = [];
  for await (const piece of safetensorsBytes(entries)) pieces.push(piece);
  writeFileSync(path, Buffer.concat(pieces));
  return path;
}

test("a safetensors file holds all splits by name; one that is misspelt, or without features, is refused", () =>
  inTemporary(async (folder) => {
    const [train, held] = [tensor("X_train"), tensor("X_test")];
    const whole = {
      "train.features": train,
      "train.labels": tensor("Y_train"),
      "test.features": held,
      "test.labels": tensor("Y_test"),
    };
    const splits = joinTargets(await readFeatureFiles(await saveTensors(folder, whole), six), new Map(), six);
    near(score(six, splits, asPublished)[0].figures[0].value, expected["one_vs_rest_metrics_C3.16"].mAP, "mAP");
    const says = async (tensors: Record<string, Matrix>) =>
      (await refusal(readFeatureFiles(await saveTensors(folder, tensors), six))).message;
    assert.match(
      await says({ ...whole, "test.label": held }),
      /unknown tensor "test\.label" \(did you mean test\.labels\?\)/,
    );
    const path = join(folder, "sparse.safetensors");
    const header = '{"train.features":{"dtype":"F32","shape":[268435457,1],"data_offsets":[0,1073741828]}}';
    writeFileSync(
      path,
      Buffer.concat([new Uint8Array(BigUint64Array.of(BigInt(header.length)).buffer), Buffer.from(header)]),
    );
    truncateSync(path, 8 + header.length + 1073741828); // a hole that takes no disk
    assert.match(
      (await refusal(readFeatureFiles(path, six))).message,
      /^sparse\.safetensors: "train\.features" has 1073741828 bytes; at most 1073741824 are read$/,
    );
    assert.match(
      await says({ "train.features": train, "test.labels": tensor("Y_test") }),
      /has "test\.labels", but no "test\.features"/,
    );
    const bad = matrix(
      160,
      6,
      Float32Array.from(tensor("Y_train").data, (v, i) => (i === 13 ? 2 : v)),
    );
    assert.match(
      await says({ ...whole, "train.labels": bad }),
      /train\.labels: row 2, column 1 is 2; 0 or 1 is expected/,
    );
  }));

test("labels and values are told apart by their width and their values", () =>
  inTemporary(async (folder) => {
    const three: Task = { ...emotions, of: ["p", "q", "r"] };
    const both = protocolOf(three, affect);
    const bits = matrix(2, 3, Uint8Array.of(0, 1, 1, 1, 0, 0));
    const real = matrix(2, 3, Float32Array.of(0, 0.5, 1, 1, 0, 0));
    const x = matrix(2, 2, Float32Array.of(1, 0, 0, 1));
    for (const arrays of [
      [bits, real],
      [real, bits],
    ]) {
      const [{ targets }] = await readFeatureFiles(save(folder, "x.npy", x, ...arrays), both);
      assert.equal([targets.labels?.data[1], targets.values?.data[1]], [1, 0.5]);
    }
  }));

test("feature files are refused with file, row and column; the same file without the fault is read", () =>
  inTemporary(async (folder) => {
    const x = Float32Array.from({ length: 12 }, (_, i) => i);
    const y = (bad: number) =>
      matrix(
        4,
        6,
        Float32Array.from({ length: 24 }, (_, i) => (i === 8 ? bad : i % 2)),
      );
    const say = async (...arrays: Matrix[]) =>
      (await refusal(readFeatureFiles(save(folder, "f.npy", ...arrays), six))).message;
    const good = matrix(4, 3, x);
    const nan = matrix(
      4,
      3,
      x.map((v) => (v === 7 ? Number.NaN : v)),
    );
    assert.is(await say(nan), "f.npy: features: row 2, column 1 is NaN; a finite number is expected");
    assert.is(await say(good, y(0.5)), "f.npy: targets: row 1, column 2 is 0.5; 0 or 1 is expected");
    assert.is(
      await say(good, matrix(3, 6, new Float32Array(18))),
      "f.npy: targets have shape [3, 6]; [4, 6] is expected",
    );
    assert.is(
      await say(good, matrix(4, 5, new Float32Array(20))),
      "f.npy: targets have shape [4, 5]; [N, 6] is expected",
    );
    assert.match(await say({ shape: [12], data: x }), /features have shape \[12\]; \[samples, width\] is expected/);
    assert.match(await say(good, y(1), y(1)), /3 arrays; features and targets are at most 2/);
    const bad = await refusal(readFeatureFiles(save(folder, "f.npy", nan), six));
    assert.instance(bad, FormatError);
    assert.is((await readFeatureFiles(save(folder, "f.npy", good, y(1)), six)).length, 1);
  }));

test("--features refuses unknown splits, too many files, empty names and splits twice", async () => {
  const path = goldenPath("emotionclip/metrics/feature_cache.npy");
  for (const [text, message] of [
    [`tset=${path}`, /unknown split "tset" \(did you mean test\?\)/],
    [`${path},${path},${path}`, /3 files, but the protocol has 2 splits: train, test/],
    [`${path},`, /an empty name/],
    [`test=${path},test=${path}`, /the split test twice/],
  ] as const) {
    const error = await refusal(readFeatureFiles(text, six), text);
    assert.instance(error, UsageError);
    assert.match(error.message, message);
  }
  const only = await readFeatureFiles(`test=${path}`, six);
  assert.throws(() => joinTargets(only, new Map(), six), /features of the split train are missing/);
});

test("bytes that are no feature file end in a refusal, never in another error", () =>
  inTemporary((folder) =>
    fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (noise, asTensors) => {
        const path = join(folder, asTensors ? "x.safetensors" : "x.npy");
        writeFileSync(path, noise);
        assert.instance(await refusal(readFeatureFiles(path, six)), FormatError);
      }),
      { seed: 2022, numRuns: 100, includeErrorInReport: true },
    ),
  ));

test.run();
