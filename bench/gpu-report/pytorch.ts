// The same step in PyTorch, where python3 has it with CUDA: written from the specification (pytorch-step.py), first held to ours at a
// small size with the same weights and inputs, then timed.
import { spawn } from "node:child_process";
import { Learner } from "../../train/learner.ts";
import { checkSettings } from "../../train/settings.ts";
import { named } from "../../model/params.ts";
import type { ModelConfig } from "../../model/emotionclip/config.ts";
import type { Gpu } from "../../engine/device/gpu.ts";
import { noise } from "../noise.ts";
import type { PartRun, ReportPart } from "./part.ts";
import { reportSizes } from "./part.ts";
import script from "./pytorch-step.py";

/** What the script tells, a line each. */
type Said =
  | { readonly versions: string; readonly device: string }
  | { readonly same: { readonly loss: number; readonly norm: number } }
  | {
      readonly mode: string;
      readonly clips: number;
      readonly seconds: number;
      readonly loss: number;
      readonly gigabytes: number;
    }
  | { readonly skipped: string }
  | { readonly failed: string };

const base64 = (data: ArrayLike<number>) => Buffer.from(Float32Array.from(data).buffer).toString("base64");

/** A small model's weights and inputs as text, and the loss and the norm of the gradients that we get. */
async function ours(gpu: Gpu, config: ModelConfig, batch: number) {
  const settings = checkSettings({ batch, beta: 1, dropout: 0 });
  const learner = new (class extends Learner {
    draw() {
      this.init.fill();
    }
  })(config, settings);
  learner.draw();
  const inputs = noise(config, batch, 2022);
  const reads = learner.record(1, undefined, inputs);
  const [[loss], [norm]] = await Promise.all([reads.loss, reads.norm]);
  const weights: Record<string, { shape: readonly number[]; data: string }> = {};
  for (const [name, tensor] of named(learner.model))
    weights[name] = { shape: tensor.shape, data: base64(await tensor.data()) };
  const { frames, mask, tokens, sentiments } = inputs.arrays;
  learner.free();
  gpu.planner.forget();
  return {
    loss,
    norm,
    given: {
      config,
      batch,
      weights,
      frames: base64(frames),
      mask: base64(mask),
      tokens: [...tokens],
      sentiments: base64(sentiments),
    },
  };
}

/** Runs the script and hears its lines. What ended it, if that was not itself. */
function running(
  python: string,
  input: object,
  seconds: number,
  hear: (said: Said) => void,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(python, ["-c", script], { stdio: ["pipe", "pipe", "pipe"] });
    let [rest, errors, isLate] = ["", "", false];
    const timer = setTimeout(() => {
      isLate = true;
      child.kill("SIGKILL");
    }, 1000 * seconds);
    child.stdin.on("error", () => {}); // it ended before it read; its exit tells
    child.stdin.end(JSON.stringify(input));
    child.stdout.on("data", (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) hear(JSON.parse(line));
    });
    child.stderr.on("data", (text) => (errors = `${errors}${text}`.slice(-4000)));
    child.on("error", ({ message }) => resolve(message));
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const last = errors.trim().split("\n").at(-1) ?? "";
      if (isLate) resolve(`stopped after ${seconds.toFixed(0)} s`);
      else resolve(code === 0 ? undefined : `ended with ${signal ?? `exit code ${code}`}: ${last.slice(0, 300)}`);
    });
  });
}

/** Which of our precisions a mode of PyTorch stands beside. */
const beside = (mode: string) => (mode === "amp" ? "amp" : "f32");

function tellTime({ known, tell, sizes }: PartRun, said: Extract<Said, { mode: string }>, isSame: boolean): void {
  const { mode, clips, seconds, loss, gigabytes } = said;
  const own = known.steps?.[`${beside(mode)} ${clips}`];
  const isSound = Number.isFinite(loss) && (known.tiny || Math.abs(loss - Math.log(clips)) < 1);
  const cells = {
    ms: 1000 * seconds,
    ours: own === undefined ? null : 1000 * own,
    ratio: own === undefined ? null : seconds / own,
    clips: clips / seconds,
    gigabytes,
  };
  const note = `loss ${loss.toFixed(5)}${isSame ? "" : "; the small step is not ours"}`;
  tell({
    row: {
      name: `${mode}, ${clips} clips x ${sizes.config.head.frames} frames`,
      right: isSound && isSame,
      note,
      cells,
    },
  });
}

/** The part. */
export const pytorchPart: ReportPart = {
  name: "pytorch",
  title: "The same step in PyTorch",
  about:
    "On the same GPU, minutes later and not in turns. The ratio is PyTorch's time over ours: above 1 we are faster. TF32 products keep 10 bits; ours in f32 keep all, and are compared with both.",
  seconds: 65,
  columns: [
    { key: "ms", title: "PyTorch, ms" },
    { key: "ours", title: "ours, ms" },
    { key: "ratio", title: "ratio" },
    { key: "clips", title: "clips/s" },
    { key: "gigabytes", title: "GB held" },
  ],
  async run(part) {
    const { known, sizes, tell } = part;
    const gpu = await part.gpu();
    const small = await ours(gpu, reportSizes(true, sizes.config).config, 4);
    gpu.close(); // the memory is PyTorch's now
    let isSame = false;
    const work = {
      small: small.given,
      config: sizes.config,
      clips: sizes.clips.toReversed(),
      seconds: part.left() - 3,
      tiny: known.tiny,
    };
    const end = await running(known.python, work, Math.max(1, part.left()), (said) => {
      if ("versions" in said) tell({ row: { name: said.versions, right: null, note: said.device, cells: {} } });
      else if ("same" in said) {
        const near = (a: number, b: number) => Math.abs(a - b) <= 1e-4 * Math.abs(b);
        isSame = near(said.same.loss, small.loss) && near(said.same.norm, small.norm);
        const note = `loss ${said.same.loss} (ours ${small.loss}), norm of the gradients ${said.same.norm} (ours ${small.norm})`;
        tell({ row: { name: "a small step with the same weights and inputs", right: isSame, note, cells: {} } });
      } else if ("mode" in said) tellTime(part, said, isSame);
      else if ("skipped" in said) tell({ skipped: said.skipped });
      else tell({ row: { name: "PyTorch", right: false, note: said.failed, cells: {} } });
    });
    if (end?.includes("ENOENT")) tell({ skipped: `PyTorch: there is no ${known.python}` });
    else if (end) throw new Error(`PyTorch: ${end}`);
  },
};
