// What flags and commands are called: as in open_clip and PyTorch where they have a name for it. Our own names of before still
// work and say so once; what other programs call their flags is answered with the flag that does it here.
import { type Command, Option } from "commander";

interface OtherNames {
  /** Our name until version 0.1; it works, with a hint. */
  readonly before?: string;
  /** As good a name. */
  readonly also?: string;
}

/** Other names of flags, by the flag's name, in every command that has it. */
const otherNames: Readonly<Record<string, OtherNames>> = {
  "--batch-size": { before: "--batch" },
  "--grad-clip-norm": { before: "--clip" },
  "--wd": { before: "--decay", also: "--weight-decay" },
};

/** Adds the other names of a command's flags; its help shows none of them. `hint` hears of each old name once. */
export function takeOtherNames(command: Command, hint: (line: string) => void): void {
  for (const option of [...command.options]) {
    const { before, also } = otherNames[option.long ?? ""] ?? {};
    const told = `${before} is called ${option.long} now; the old name works in this version`;
    if (also) addName(command, option, also, () => {});
    if (before) addName(command, option, before, () => hint(told));
  }
}

/** `other <value>` sets what `option` sets. */
function addName(command: Command, option: Option, other: string, hint: () => void): void {
  const added = new Option(option.flags.replace(/^\S+/, other)).hideHelp();
  const attribute = option.attributeName();
  let times = 0;
  command.addOption(added).on(`option:${added.name()}`, (text: string) => {
    if (times++ === 0) hint();
    const value = option.parseArg ? option.parseArg(text, command.getOptionValue(attribute)) : text;
    command.setOptionValueWithSource(attribute, value, "cli");
  });
}

/** Flags of other programs, and what does the same here. The first flag of an answer is the one that a command must have. */
export const foreignFlags: readonly { readonly names: string; readonly answer: string }[] = [
  { names: "max-epochs num-epochs num-train-epochs", answer: "--epochs <n> is the number of passes over the data" },
  {
    names: "data dataset-path data-path data-dir dataset",
    answer: "--train-data <path> is shards, or a folder in the official layout",
  },
  {
    names: "checkpoint model-path weights ckpt init-from",
    answer: "--pretrained <file> is what training begins with",
  },
  { names: "lr-scheduler sched scheduler", answer: "--schedule <name> is what the learning rate does" },
  { names: "freeze-image freeze-visual freeze-vision", answer: "--lock-image keeps the frame tower as it is" },
  { names: "freeze-text", answer: "--lock-text keeps the text tower as it is" },
  {
    names: "epochs max-epochs num-epochs num-train-epochs",
    answer: "--steps <n> is the length of a run, in updates of --batch-size clips",
  },
  {
    names: "max-steps iterations max-iters total-steps",
    answer: "--steps <n> is the length of a run, in updates of --batch-size clips",
  },
  { names: "learning-rate", answer: "--lr <rate> is the learning rate at the top of its warm-up" },
  { names: "min-lr eta-min lr-min lr-cooldown-end", answer: "--lr-end <rate> is where the cosine ends" },
  { names: "warmup-steps warmup-iters num-warmup-steps warmup-epochs", answer: "--warmup <n> counts steps" },
  { names: "weight-decay", answer: "--wd <value> is the weight decay" },
  {
    names: "clip-grad max-grad-norm gradient-clip-val clip-norm",
    answer: "--grad-clip-norm <norm> is the largest global gradient norm",
  },
  {
    names: "accum-freq gradient-accumulation-steps grad-accum-steps accumulate-grad-batches micro-batch-size",
    answer: "--micro <clips> encodes so many of --batch-size at a time; all pairs of the batch meet in the loss",
  },
  { names: "num-workers dataloader-num-workers j", answer: "--workers <n> is the number of decoding threads" },
  {
    names: "save-frequency save-freq save-every save-steps save-interval",
    answer: "--checkpoint-every <steps> says when",
  },
  {
    names: "val-frequency zeroshot-frequency eval-frequency eval-steps eval-interval",
    answer: "--eval-every <steps> says when",
  },
  {
    names: "train-data dataset-path data-path data-dir dataset",
    answer: "--data <folder> is a folder of shards (docs/SHARDS.md)",
  },
  { names: "logs output output-dir out-dir log-dir experiment", answer: "--name <name> is the folder below runs/" },
  { names: "device gpu-id gpu", answer: "--adapter <name> chooses the GPU by a part of its name" },
  { names: "model-path weights ckpt pretrained model", answer: "--checkpoint <path> is the model" },
  {
    names: "image-size img-size force-image-size",
    answer: "--image <side> resizes positions for frames of that many pixels",
  },
  { names: "amp fp16 bf16", answer: "--precision <precision> is f32 or amp, with half of 16 bits in f16" },
  { names: "resume", answer: "the same command goes on where an unfinished run stopped; there is no flag for it" },
  { names: "optimizer opt", answer: "AdamW is the optimizer; there is no flag for another" },
  {
    names: "lr-scheduler sched scheduler",
    answer: "a warm-up and then a cosine is the schedule; there is no flag for another",
  },
  {
    names: "report-to wandb tensorboard",
    answer: "each step is a line of runs/<name>/metrics.jsonl; there is no flag for it",
  },
  {
    names: "dist-url dist-backend horovod nproc-per-node",
    answer: "one process trains on one GPU; there is no flag for more",
  },
];

/** What `flag`, which the command does not know, is called here; undefined where nothing of the kind is known. */
export function meaningOf(flag: string, known: readonly string[]): string | undefined {
  const name = flag.replace(/^-+/, "").replaceAll("_", "-");
  return foreignFlags.find(({ names, answer }) => names.split(" ").includes(name) && isFor(answer, known))?.answer;
}

/** Answers without a flag of the command's own speak of training. */
const isFor = (answer: string, known: readonly string[]) => known.includes(/--[\w-]+/.exec(answer)?.[0] ?? "--steps");

/** Commands as others call them: name -> ours. */
export const commandsElsewhere: Readonly<Record<string, string>> = {
  test: "eval",
  evaluate: "eval",
  linear_eval: "eval",
  "linear-probe": "eval",
  predict: "zero-shot",
  classify: "zero-shot",
  extract: "encode",
  embed: "encode",
  features: "encode",
  devices: "doctor",
  info: "doctor",
  export: "convert",
  summary: "inspect",
  memory: "plan",
  dataset: "shards",
};

/** The flags of a command and of all below it, as its help lists them. */
export function flagsOf(command: Command): string[] {
  const shown = command.options.filter(({ hidden }) => !hidden);
  const own = shown.flatMap(({ long, short }) => [long, short]).filter((flag) => flag != null);
  return [...own, "--help", "-h", ...command.commands.flatMap(flagsOf)];
}
