// Checks of model folders without a loss: names and shapes, every intermediate, other heads, other subjects, zero-shot.
import { basename, dirname, posix } from "node:path";
import { assign, Scope, Tape, tensor } from "../../engine/index.ts";
import { later } from "../../engine/record/compute.ts";
import { matrix } from "../../eval/index.ts";
import { classifierOf, zeroShotLogits } from "../../eval/zero-shot/zero-shot.ts";
import {
  allocate,
  endPositions,
  FrameEncoder,
  groupsOf,
  Init,
  type ModelConfig,
  named,
  TemporalConv,
  TemporalMean,
} from "../../model/index.ts";
import { prepareLoad } from "../../model/checkpoint/load.ts";
import type { Check } from "./check.ts";
import type { Folder } from "./folder.ts";
import { configOf, forward, ModelFolder, type Reads } from "./model-folder.ts";
import type { TensorFile } from "./tensor-file.ts";
import type { Verdict } from "./verdict.ts";

/** Takes files of this base name in folders that hold a model. */
export const inModels =
  (name: RegExp): Check["takes"] =>
  (file, folder) =>
    name.test(basename(file)) && folder.models.includes(posix.dirname(file));

let open: ModelFolder | undefined;

/** The model of the folder that a file lies in. One at a time: those of full size would not all fit. */
export async function modelOf({ folder, file }: { folder: Folder; file: string }): Promise<ModelFolder> {
  const path = posix.dirname(file);
  if (open?.folder === folder && open.path === path) return open;
  open?.free();
  open = undefined; // a folder that cannot be opened leaves none behind
  open = await ModelFolder.open(folder, path);
  return open;
}

/** The configuration is read, and its sizes are those of the weights and inputs beside it. */
export const config: Check = {
  takes: inModels(/^config\.json$/),
  run: (verdict) => {
    const { folder, file } = verdict;
    const { vision, text, head } = configOf(folder, file);
    if (folder.drawn(posix.dirname(file))) {
      verdict.same("image_size", Number.isInteger(vision.image), true); // of squares
      return;
    }
    const inputs = folder.tensors(posix.join(dirname(file), "inputs.safetensors"));
    const [, T, , S] = inputs.shape("video");
    verdict.same("video_len, image_size", [head.frames, vision.image], [T, S]);
    verdict.same("context_length", text.context, inputs.shape("text")[1]);
  },
};

/** A second name of logit_scale, and the positions of frames, which are a buffer. */
const notParameters = ["backbone.logit_scale", "visual_head.position_ids"];

/** The model's parameters are the file's tensors, by name and shape; the product's own loader takes it as it is. */
export const weights: Check = {
  takes: inModels(/^model\.safetensors$/),
  run: async (verdict) => {
    const { folder, file } = verdict;
    const { plan, close } = await prepareLoad(folder.path(file), { config: (await modelOf(verdict)).config });
    const { missing: lacking, unexpected: foreign, misshapen } = plan.report;
    verdict.same("missing, unexpected and misshapen when loaded", [...lacking, ...foreign, ...misshapen], []);
    await close();
    const tensors = folder.tensors(file);
    const { model } = await modelOf(verdict);
    const ours = new Map(Array.from(named(model), ([name, { shape }]) => [name, shape]));
    const missing = [...ours.keys()].filter((name) => !tensors.has(name));
    const unexpected = tensors.names.filter((name) => !ours.has(name) && !notParameters.includes(name));
    verdict.same("names that the file lacks", missing, []);
    verdict.same("names that the model lacks", unexpected, []);
    for (const [name, shape] of ours) if (tensors.has(name)) verdict.same(name, shape, tensors.shape(name));
    verdict.input(...notParameters);
    if (tensors.has("backbone.logit_scale"))
      verdict.same("backbone.logit_scale", scalar(tensors, "backbone.logit_scale"), scalar(tensors, "logit_scale"));
  },
};

const scalar = (tensors: TensorFile, name: string) => tensors.tensor(name).data[0];

/** The inputs fit the model, and are what they are called. */
export const inputs: Check = {
  takes: inModels(/^inputs\.safetensors$/),
  run: (verdict) => {
    const { folder, file } = verdict;
    const tensors = folder.tensors(file);
    const { vision, text } = configOf(folder, posix.join(dirname(file), "config.json"));
    const [B, T] = tensors.shape("video");
    verdict.same("video", tensors.shape("video").slice(2), [3, vision.image, vision.image]);
    verdict.same("video_mask", tensors.shape("video_mask"), [B, T, vision.image, vision.image]);
    verdict.same("text", tensors.shape("text"), [B, text.context]);
    verdict.same(
      "mask values",
      tensors.tensor("video_mask").data.every((v) => v >= 0 && v <= 1),
      true,
    );
    verdict.same(
      "ids",
      tensors.tensor("text").data.every((id) => id >= 0 && id < text.vocabulary),
      true,
    );
    verdict.input(...tensors.names);
  },
};

/** Weights and inputs that are drawn are those that the other files were made from: digests of them. */
export const drawnValues: Check = {
  takes: (file, folder) => inModels(/^(model|inputs)\.json$/)(file, folder) && !!folder.drawn(posix.dirname(file)),
  run: async (verdict) => {
    const of = await modelOf(verdict);
    const start = await of.start();
    const isModel = basename(verdict.file) === "model.json";
    const found = isModel
      ? Array.from(
          named(of.model),
          ([name, { shape }]) => [name, async () => (await start.values(name, shape))!] as const,
        )
      : verdict.names.map((name) => [name, () => of.input(name).data] as const);
    await verdict.all(found, false);
  },
};

/** Every intermediate of a forward pass, or digests of them. */
export const intermediates: Check = {
  takes: inModels(/^forward[\w-]*\.(safetensors|json)$/),
  run: async (verdict) => {
    const reads = forward(await modelOf(verdict));
    await Promise.all(Object.values(reads));
    await verdict.all(
      Object.entries(reads).map(([name, read]) => [name, () => read]),
      false,
    );
  },
};

/** Other heads on the recorded frame features, and frames of the first clips without a mask or without a subject token. */
export const variants: Check = {
  takes: inModels(/^variants\.safetensors$/),
  run: async (verdict) => {
    const tensors = verdict.folder.tensors(verdict.file);
    const of = await modelOf(verdict);
    const recorded = of.folder.tensor(of.file("forward.safetensors"), "frame_features");
    const reads: Reads = {};
    {
      using scope = new Scope();
      const x_BTE = tensor(recorded.data, recorded.shape, "f32");
      reads["mean.video_features_raw"] = later(new TemporalMean().forward(x_BTE));
      if (tensors.has("conv_1d.fusion_layer.weight")) {
        const { data, shape } = tensors.tensor("conv_1d.fusion_layer.weight");
        const head = new TemporalConv(of.config.embed, new Init(0));
        Object.assign(head.fusion_layer, { weight: tensor(data, shape, "f32") });
        reads["conv_1d.video_features_raw"] = later(head.forward(x_BTE));
      }
      void scope;
    }
    for (const name of ["vanilla_frame_features", "no_mask_frame_features"])
      if (tensors.has(name)) reads[name] = frames(of, tensors.shape(name)[0], name.startsWith("vanilla"));
    verdict.input("conv_1d.fusion_layer.weight");
    for (const [name, read] of Object.entries(reads)) if (tensors.has(name)) await verdict.tensor(name, read);
  },
};

/** Features of the first `count` frames: without any subject token, or with all-zero masks. */
function frames(of: ModelFolder, count: number, vanilla: boolean): Promise<ArrayLike<number>> {
  using scope = new Scope();
  const { visual } = of.model.backbone;
  const encoder = vanilla ? sharing(visual, { ...of.config, subject: "none" }) : visual;
  const { frames_N3SS, mask_NSS } = firstFrames(of, count);
  void scope;
  return later(
    encoder.forward(frames_N3SS, vanilla ? mask_NSS : tensor(new Float32Array(mask_NSS.numel), mask_NSS.shape)),
  );
}

/** An encoder of another configuration with the same parameters. */
function sharing(visual: FrameEncoder, config: ModelConfig): FrameEncoder {
  const { config: _, ...parameters } = visual;
  return Object.assign(new FrameEncoder(config, new Init(0)), parameters);
}

function firstFrames(of: ModelFolder, count: number) {
  const [video, mask] = [of.input("video"), of.input("video_mask")];
  const S = Number(of.config.vision.image); // a square
  return {
    frames_N3SS: tensor(video.data.slice(0, count * 3 * S * S), [count, 3, S, S], "f32"),
    mask_NSS: tensor(mask.data.slice(0, count * S * S), [count, S, S], "f32"),
  };
}

/** Text features averaged over templates make a classifier; clips are scored against it. */
export const zeroShot: Check = {
  takes: inModels(/^zeroshot\.safetensors$/),
  run: async (verdict) => {
    const of = await modelOf(verdict);
    const { data, shape } = verdict.folder.tensor(verdict.file, "tokens");
    const [C, P, W] = shape;
    const tokens = Uint32Array.from(data);
    const reads: Reads = {};
    {
      using scope = new Scope();
      const ends = tensor(endPositions(tokens, W), [C * P], "u32");
      reads.texts = later(of.model.encodeText(tensor(tokens, [C * P, W], "u32"), ends));
      const { frames_BT3SS, mask_BTSS } = of.upload();
      reads.clips = later(of.model.encodeVideo(frames_BT3SS, mask_BTSS));
      void scope;
    }
    const { embed } = of.config;
    const rows = async (read: Promise<ArrayLike<number>>) => {
      const data = Float32Array.from(await read);
      return matrix(data.length / embed, embed, data);
    };
    const classifier = classifierOf(await rows(reads.texts), new Array(C).fill(P));
    verdict.input("tokens");
    await verdict.tensor("classifier", transposed(classifier.data, C));
    await verdict.tensor("logits", zeroShotLogits(await rows(reads.clips), classifier).data);
  },
};

function transposed(values: ArrayLike<number>, rows: number): Float32Array {
  const columns = values.length / rows;
  return Float32Array.from({ length: values.length }, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]);
}

/** The frame tower with a learnt subject token and masked attention in its first blocks. */
export const saamTower: Check = {
  takes: (file, folder) =>
    file.endsWith(".safetensors") &&
    folder.tensors(file).has("hmn_embedding") &&
    towerModel(file, folder) !== undefined,
  run: async (verdict) => {
    const { names } = verdict.folder.tensors(verdict.file);
    const path = towerModel(verdict.file, verdict.folder)!;
    const of = await modelOf({ folder: verdict.folder, file: posix.join(path, "config.json") });
    verdict.input("dy", ...names.filter((name) => /^(hmn_embedding|saam_logit\.\d+)$/.test(name)));
    for (const name of names) {
      const layers = /^upto(\d+)\.features$/.exec(name)?.[1];
      if (layers !== undefined) await tower(verdict, of, Number(layers), names);
    }
  },
};

/** The model that the description names, or else the first whose tower has this width. */
function towerModel(file: string, folder: Folder): string | undefined {
  const named = /model "([^"]+)"/.exec(folder.entry(file).desc ?? "")?.[1];
  const [width] = folder.tensors(file).shape("hmn_embedding");
  const fits = folder.models.filter((path) => configOf(folder, posix.join(path, "config.json")).vision.width === width);
  return fits.find((path) => basename(path) === named) ?? fits[0];
}

async function tower(verdict: Verdict, of: ModelFolder, layers: number, names: readonly string[]): Promise<void> {
  const encoder = new FrameEncoder(
    { ...of.config, subject: "saam", saam: { layers, mode: "shift", threshold: 0 } },
    new Init(0),
  );
  allocate(groupsOf(named(encoder, "backbone.visual.")), 0);
  const own = verdict.folder.tensors(verdict.file);
  const trained = await of.start();
  for (const [name, t] of named(encoder))
    assign(
      t,
      own.has(short(name)) ? own.tensor(short(name)).data : (await trained.values(`backbone.visual.${name}`, t.shape))!,
    );
  await trained.close();
  const dy = own.tensor("dy");
  const reads: Reads = {};
  {
    using tape = new Tape();
    const { frames_N3SS, mask_NSS } = firstFrames(of, dy.shape[0]);
    const y_NE = encoder.forward(frames_N3SS, mask_NSS);
    const gradients = tape.vjp([y_NE], [tensor(dy.data, dy.shape, "f32")]);
    reads[`upto${layers}.features`] = later(y_NE);
    for (const [name, t] of named(encoder)) {
      const full = `upto${layers}.d_${short(name)}`;
      if (names.includes(full)) reads[full] = later(gradients.get(t));
    }
  }
  for (const [name, read] of Object.entries(reads)) await verdict.tensor(name, read);
}

/** transformer.resblocks.2.saam_logit is saam_logit.2 in these files. */
const short = (name: string) => name.replace(/^transformer\.resblocks\.(\d+)\.saam_logit$/, "saam_logit.$1");
