// Features of clips and texts: example 07 runs/stage scene1/ scene2/ takes a model and folders, example 07 one that knows nothing yet.
import { openTokenizer, readFootage } from "emotionclip-webgpu/data";
import { openGpu } from "emotionclip-webgpu";
import { encodeTexts, encodeVideos, loadTokenizer, similarities } from "emotionclip-webgpu/eval";
import { allocate, EmotionClip, groupsOf, Init, loadModel, named, stageModel } from "emotionclip-webgpu/model";

const [path, ...folders] = process.argv.slice(2); // a checkpoint; folders of frames, or videos
const gpu = await openGpu();
const model = path ? (await loadModel(path)).model : untrained();
const { frames: T, side, context } = model.takes;
const [height, width] = typeof side === "number" ? [side, side] : side; // some models take rectangles
const tokenizer = path ? await loadTokenizer(path) : (await openTokenizer()).rows(context);

// A clip is T frames as the model takes them, and a mask that shows the subject in each. Files are read so:
const read = folders.map((folder) => readFootage(folder, { frames: T, side }));

// Without files: waves of three lengths, and somebody in the left half.
const waves = [1, 2, 3].map((k) => ({
  frames: Float32Array.from({ length: T * 3 * height * width }, (_, i) => Math.sin(k * (i % width))),
  mask: Float32Array.from({ length: T * height * width }, (_, i) => (i % width < width / 2 ? 1 : 0)),
}));

const clips = await encodeVideos(model, folders.length ? await Promise.all(read) : waves, { batch: 2 });
const texts = await encodeTexts(model, tokenizer, ["I am so glad", "leave me alone"]);
console.log(`clips ${clips.shape.join(" x ")}, texts ${texts.shape.join(" x ")}`); // rows of unit length
const { data } = similarities(clips, texts);
for (let n = 0; n < clips.shape[0]; n++)
  console.log(`clip ${n}: cosines ${data[2 * n].toFixed(3)} and ${data[2 * n + 1].toFixed(3)}`);
gpu.close();

function untrained(): EmotionClip {
  const init = new Init(1);
  const model = new EmotionClip(stageModel(49408), init); // CLIP's vocabulary: it takes any text
  allocate(groupsOf(named(model)), 0);
  init.fill();
  return model;
}
