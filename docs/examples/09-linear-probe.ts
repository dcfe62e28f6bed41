// Frozen features of any model, probed as the paper does it: fitted on one split, read on another, with intervals.
import { matrix, type Protocol, score, type SplitFeatures } from "emotionclip-webgpu/eval";

const emotions = ["joy", "anger", "fear"];

// Made-up features of four numbers. The first three tell the emotions a little; a sample may have several.
function split(name: string, samples: number, seed: number): SplitFeatures {
  const noise = (i: number) => Math.sin(12.9898 * (i + 1) * seed) * 43758.5453;
  const random = (i: number) => noise(i) - Math.floor(noise(i));
  const labels = Uint8Array.from({ length: samples * 3 }, (_, i) => (random(i) < 0.3 ? 1 : 0));
  const features = Float32Array.from({ length: samples * 4 }, (_, i) => {
    const known = i % 4 < 3 ? labels[Math.floor(i / 4) * 3 + (i % 4)] : 0;
    return 0.6 * known + random(9999 + i);
  });
  return { name, features: matrix(samples, 4, features), targets: { labels: matrix(samples, 3, labels) } };
}

// BoLD's protocol with these three classes: one-vs-rest logistic regression, solved to its optimum.
const task = {
  name: "emotions",
  target: "labels",
  probe: { kind: "one-vs-rest", C: 3.16 },
  metrics: ["mAP", "AUC"],
} as const;
const protocol: Protocol = { input: "video", fit: "train", on: ["val"], tasks: [{ ...task, of: emotions }] };
const switches = { smoothing: "compat", argmax: "class" } as const;
const [result] = score(protocol, [split("train", 400, 1), split("val", 200, 2)], { switches, resamples: 500 });

for (const { name, value, interval } of result.figures)
  console.log(`${name} ${value.toFixed(3)}, 95 % in ${interval?.low.toFixed(3)} to ${interval?.high.toFixed(3)}`);
for (const [name, ...values] of result.perClass.rows) {
  const ap = values[result.perClass.columns.indexOf("AP")];
  console.log(`${name.padEnd(6)} AP ${ap.toFixed(3)}`);
}
