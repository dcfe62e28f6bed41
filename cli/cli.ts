// The command line as a table: a name and where its command comes from. This is the one place that may import every layer,
// and it imports a command's module only when that command runs.
import { Command, CommanderError } from "commander";
import pc from "picocolors";
import { DiskError, EngineError, firstCause, FormatError, UsageError } from "../engine/errors.ts";
import { commandOf, explainWords, unknownCommand } from "./explain.ts";
import { visible } from "./terminal/streams.ts";
import { ADAPTER, type Context, DEADLINE, type GpuFlags, type GpuOptions, gpuOptions, MEMORY } from "./gpu.ts";
import { takeOtherNames } from "./names.ts";

/** One subcommand. Its module exports `command()`, which declares flags and action. */
export interface CommandEntry {
  readonly name: string;
  readonly about: string;
  /** It looks at empty arguments itself: a text may be empty. */
  readonly takesEmpty?: true;
  /** Several ranks may run it: they share its work, or each tells of its own machine. */
  readonly overRanks?: true;
  load(): Promise<{ command(context: Context): Command }>;
}

/** Every subcommand of `emotionclip`; adding one is adding a line. */
export const commands: readonly CommandEntry[] = [
  {
    name: "start",
    about: "the main job: data, training, probes, report",
    load: () => import("./commands/start.ts"),
  },
  {
    name: "train",
    about: "any model on any clips, by a recipe: flags, a file, a preset",
    overRanks: true,
    load: () => import("./commands/train.ts"),
  },
  {
    name: "ablate",
    about: "the trainings behind the paper's Tables 1 and 3 and Figure 6, with several seeds",
    load: () => import("./commands/ablate.ts"),
  },
  { name: "runs", about: "list the runs in a folder: state, loss, figures", load: () => import("./commands/runs.ts") },
  {
    name: "compare",
    about: "runs side by side: settings that differ, figures, losses, curves",
    load: () => import("./commands/compare.ts"),
  },
  {
    name: "doctor",
    about: "show the GPU adapter and what the engine uses of it",
    overRanks: true,
    load: () => import("./commands/doctor.ts"),
  },
  {
    name: "plan",
    about: "the memory and the work of a training step, before anything is allocated",
    load: () => import("./commands/plan.ts"),
  },
  {
    name: "inspect",
    about: "what a file of weights is and holds: names, shapes, norms",
    load: () => import("./commands/inspect.ts"),
  },
  {
    name: "convert",
    about: "any file of weights to safetensors, under the official names",
    load: () => import("./commands/convert.ts"),
  },
  {
    name: "eval",
    about: "the paper's linear evaluation of a checkpoint, or of anybody's features",
    load: () => import("./commands/eval.ts"),
  },
  {
    name: "tables",
    about: "the paper's tables and figures, with our figures beside the published ones",
    load: () => import("./commands/tables.ts"),
  },
  {
    name: "encode",
    about: "features of videos, frames, images or texts, as .npy or .safetensors",
    takesEmpty: true,
    load: () => import("./commands/encode.ts"),
  },
  {
    name: "zero-shot",
    about: "score clips or images against classes described in words",
    load: () => import("./commands/zero-shot.ts"),
  },
  {
    name: "shards",
    about: "a list of your clips, or the official training set, to shards that are trained from",
    load: () => import("./commands/shards.ts"),
  },
  {
    name: "ingest",
    about: "films and their subtitles to shards that are trained from",
    load: () => import("./commands/ingest.ts"),
  },
  {
    name: "data",
    about: "check shards against their index without training, or make the index",
    load: () => import("./commands/data.ts"),
  },
  {
    name: "example",
    about: "list, show or run the lessons of docs/examples",
    load: () => import("./commands/example.ts"),
  },
  { name: "ops", about: "the table of all ops", load: () => import("./commands/ops.ts") },
  {
    name: "recognise",
    about: "expressions in face clips against classes in words, as that field measures it",
    load: () => import("./commands/recognise.ts"),
  },
  {
    name: "regress",
    about: "scores of clips, such as symptoms, from frozen features, read on people not fitted on",
    load: () => import("./commands/regress.ts"),
  },
  {
    name: "timeline",
    about: "a film over time: classes in words, window by window, as curves, CSV and JSON",
    load: () => import("./commands/timeline.ts"),
  },
  {
    name: "sentiment",
    about: "the seven sentiment logits of texts, by a RoBERTa classifier: what SNCE weighs negatives by",
    takesEmpty: true,
    load: () => import("./commands/sentiment.ts"),
  },
  {
    name: "attention",
    about: "what a checkpoint looks at: its subject token in each frame, or its class token among frames",
    load: () => import("./commands/attention.ts"),
  },
  {
    name: "profile",
    about: "time every kernel of a command, or one of your own",
    takesEmpty: true, // they are another command's
    load: () => import("../bench/profile.ts"),
  },
  {
    name: "bench",
    about: "time every op against the roofline and other libraries",
    load: () => import("../bench/main.ts"),
  },
  {
    name: "full-size",
    about: "the published model at random: a forward pass and a training step, timed and checked",
    load: () => import("../bench/full-size.ts"),
  },
  {
    name: "gpu-report",
    about: "one GPU in six minutes: limits, ceilings, every kernel and the training step, PyTorch beside it",
    load: () => import("./commands/gpu-report.ts"),
  },
  {
    name: "tune",
    about: "choose the matmul structures that are fastest on this adapter",
    load: () => import("../bench/tune.ts"),
  },
  { name: "version", about: "the same as --version", load: () => import("./commands/version.ts") },
];

/**
 * The program with the command that `words` names loaded, and the others as names. It throws UsageError and never ends the process.
 * @param words the arguments after `emotionclip`
 * @param given how the GPU is opened where flags say nothing else
 */
export async function program(words: readonly string[], given: GpuOptions = {}): Promise<Command> {
  let flags: GpuFlags = {};
  const context: Context = { gpu: () => gpuOptions(flags, given), run: runCommand };
  const root = new Command("emotionclip")
    .description("EmotionCLIP on WebGPU: train, evaluate and look inside, on any GPU or none")
    .option(ADAPTER, "the GPU to use: a part of its name (also EMOTIONCLIP_ADAPTER)")
    .version(await versionFor(words), "-V, --version", "this program's version, and those of webgpu and Node")
    .helpCommand(false);
  refuseEmptyValues(root);
  const wanted = commandOf(words);
  for (const entry of commands) {
    const isWanted = wanted === entry.name;
    root.addCommand(isWanted ? await loaded(entry, context) : new Command(entry.name).description(entry.about));
  }
  root.addCommand(helpOf(root));
  root.hook("preAction", (_, action) => {
    flags = action.optsWithGlobals<GpuFlags>();
  });
  tame(root);
  return root;
}

const hint = (line: string) => void process.stderr.write(`${line}\n`);

/** Versions are looked up only for who asks. */
const versionFor = async (words: readonly string[]) =>
  words.some((word) => word === "--version" || word === "-V")
    ? (await import("./commands/version.ts")).versionText()
    : "";

/** `help [command]`; a word that names no command is refused as it is without `help`. */
const helpOf = (root: Command) =>
  new Command("help")
    .argument("[command]")
    .description("show the flags of a command")
    .action((word: string | undefined) => {
      const found = root.commands.find((each) => word === each.name());
      if (word !== undefined && !found) throw new UsageError(unknownCommand(word, root));
      (found ?? root).outputHelp();
    });

/** One command as its module declares it, with the flags that all commands share. */
export async function loaded(entry: CommandEntry, context: Context): Promise<Command> {
  const command = (await entry.load()).command(context).name(entry.name).description(entry.about);
  if (!entry.takesEmpty) command.hook("preAction", (_, action) => refuseEmptyWords(action));
  if (!entry.overRanks) command.hook("preAction", () => refuseRanks(entry.name));
  const hasAdapter = command.options.some(({ long }) => long === "--adapter");
  if (!hasAdapter) command.option(ADAPTER, "the GPU to use: a part of its name");
  for (const each of [command, ...command.commands]) takeOtherNames(each, hint);
  command
    .option(MEMORY, "most memory the engine may take: 800M, 2.5G (also EMOTIONCLIP_GPU_MEMORY)")
    .option(DEADLINE, "without progress for so long the GPU counts as hung (120; also EMOTIONCLIP_GPU_DEADLINE)");
  refuseEmptyValues(command);
  return command;
}

/** Refuses a command that every rank of a job would do whole. */
async function refuseRanks(name: string): Promise<void> {
  const { launchOf } = await import("../train/mpi/launcher.ts");
  const launch = launchOf(process.env);
  if (!launch) return;
  throw new UsageError(
    `${name} runs in a process of its own; ${launch.by} started ${launch.size}, which would all do the same\n` +
      "  train goes over ranks; this command goes without mpirun or srun",
  );
}

/** No flag has an empty value: it is a script's variable that was not set, and would mean something else to each flag. */
function refuseEmptyValues(command: Command): void {
  for (const option of command.options) {
    if (!option.required && !option.optional) continue;
    const parse = option.parseArg as ((value: string, before: unknown) => unknown) | undefined;
    option.argParser((value: string, before: unknown) => {
      if (value === "")
        throw new UsageError(`${option.long} is given an empty value; leave the flag out or give it one`);
      return parse ? parse(value, before) : value;
    });
  }
  command.commands.forEach(refuseEmptyValues);
}

function refuseEmptyWords({ args }: Command): void {
  const at = args.indexOf("");
  if (at >= 0)
    throw new UsageError(`argument ${at + 1} of ${args.length} is empty; a path or a name is expected there`);
}

/** Errors are thrown, not printed, and every level of subcommands speaks the same way. */
function tame(command: Command): void {
  command
    .exitOverride()
    .showHelpAfterError(false)
    .showSuggestionAfterError(false)
    .configureHelp({ helpWidth: 100 })
    .configureOutput({ outputError: () => {} });
  for (const child of command.commands) tame(child);
}

/** Runs `emotionclip ...words`. Wrong words are a UsageError that names the nearest right one. */
export async function runCommand(words: readonly string[], given: GpuOptions = {}): Promise<void> {
  const root = await program(words, given);
  if (words.length === 0) return root.outputHelp();
  try {
    await root.parseAsync(words, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return; // help was asked for and shown
    throw new UsageError(explainWords(error, root, words));
  }
}

/** What is printed for an error, and the exit code: a message for the causes a person can mend, a stack for our bugs. */
export function report(thrown: unknown): { text: string; code: number } {
  const error = unlessTooFewFiles(firstCause(thrown));
  if (error instanceof EngineError) {
    const message =
      error instanceof FormatError || error instanceof DiskError
        ? error.message.replaceAll("\n", "\\n")
        : error.message;
    return { text: `${pc.red("error:")} ${cut(visible(message))}`, code: error.exitCode };
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    text: `${pc.red("This is a bug in emotionclip.")} Please report it with these lines:\n${cut(visible(stack))}`,
    code: 1,
  };
}

/** Node opens all modules of a command at once, so the first to fail may be one of ours. */
function unlessTooFewFiles(error: unknown): unknown {
  const { code } = Object(error) as NodeJS.ErrnoException;
  if (error instanceof EngineError || (code !== "EMFILE" && code !== "ENFILE")) return error;
  return new DiskError(`this process may open too few files (${code}): 128 are enough (ulimit -n 128)`, {
    cause: error,
  });
}

/** Messages may quote what was read; 4 KB are enough for any. */
const cut = (text: string) => (text.length > 4096 ? `${text.slice(0, 4095)}…` : text);
