// Zero-shot recognition: classes that are only described in words, and how well a model knows them.
import { openTokenizer } from "emotionclip-webgpu/data";
import { openGpu } from "emotionclip-webgpu";
import { encodeTexts, scoreZeroShot, zeroShotClassifier, zeroShotLogits } from "emotionclip-webgpu/eval";
import { probabilities, rankedClasses } from "emotionclip-webgpu/eval";
import { allocate, EmotionClip, groupsOf, Init, named, stageModel } from "emotionclip-webgpu/model";

const gpu = await openGpu();
const init = new Init(4);
const model = new EmotionClip(stageModel(49408), init); // or (await loadModel("runs/stage")).model
allocate(groupsOf(named(model)), 0);
init.fill();
const tokenizer = (await openTokenizer()).rows(model.config.text.context); // or await loadTokenizer("runs/stage")

// Each text goes through each template; a class is the mean of its prompts' features.
const classes = [
  { name: "joy", texts: ["joy", "laughing out loud"] },
  { name: "anger", texts: ["anger"] },
  { name: "fear", texts: ["fear", "a scream"] },
];
const templates = ["a person who feels {}", "someone shows {}"];
const classifier = await zeroShotClassifier(model, tokenizer, classes, templates);

// What is recognised are rows of features: of clips (encodeVideos), pictures (encodeImages) or, here, sentences.
const said = ["a person who feels joy", "a person who feels anger", "someone shows a scream"];
const logits = zeroShotLogits(await encodeTexts(model, tokenizer, said), classifier);
const { data } = probabilities(logits);
for (const [n, text] of said.entries()) {
  const best = rankedClasses(logits, n)[0];
  console.log(`${text.padEnd(26)} ${classes[best].name} ${(100 * data[3 * n + best]).toFixed(1)} %`);
}

const { top1, war, uar } = scoreZeroShot(logits, [0, 1, 2]);
console.log(`top-1 ${top1.toFixed(2)}, WAR ${war.toFixed(2)}, UAR ${uar.toFixed(2)}`);
gpu.close();
