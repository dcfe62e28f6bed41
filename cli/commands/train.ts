// `emotionclip train`: any model on any clips, by a recipe that flags, a file and a preset make. `start` is the same loop on the
// embedded clips, with its measurements and its report.
import { join } from "node:path";
import { Command } from "commander";
import { UsageError } from "../../engine/errors.ts";
import { type Gpu, type GpuOptions, openGpu } from "../../engine/index.ts";
import { frozenTowersOf } from "../../train/frozen-towers.ts";
import { launchOf } from "../../train/mpi/launcher.ts";
import type { Peers } from "../../train/peers.ts";
import { keptPhase } from "../../train/kept-towers.ts";
import { type Layer, type Recipe, recipeNamed, resolveRecipe } from "../../train/recipe.ts";
import { choicesFor } from "../../train/choices.ts";
import { presets, recipePresets } from "../../train/recipes/index.ts";
import { chosenBy } from "../chosen-by.ts";
import { trainingFolder, trainingPlace } from "../data-folder.ts";
import { dryRun } from "../dry-run.ts";
import type { Context } from "../gpu.ts";
import { matmulRate } from "../matmul-rate.ts";
import { openMeasurement } from "../measurement.ts";
import { type ChosenStep, leftToDevice, onDevice } from "../memory.ts";
import { recipeText } from "../pages/recipe-page.ts";
import { withRecipe } from "../recipe-flags.ts";
import { layersOf } from "../recipe-layers.ts";
import {
  checkAdapters,
  checkRanks,
  checkSame,
  inTurn,
  joinRanks,
  MPI,
  ofFirst,
  onceFree,
  partRanks,
  type RankFlags,
  WIRE,
} from "../ranks.ts";
import { LastingGpu, RESTARTS, restartsOf } from "../restarts.ts";
import { checkRunName, freshName, overridesOf } from "../run-name.ts";
import { clock, Progress, silence } from "../terminal/progress.ts";
import { isSilent, speakAs } from "../terminal/speaker.ts";
import { gracefulStop, interruptible, printStopped } from "../terminal/stop.ts";
import { print, printResult, warn } from "../terminal/streams.ts";
import { shareLines } from "../train-source.ts";
import { checkRun, recordedOf, runTraining } from "../training.ts";
import { familyNamedBy } from "../training-model.ts";
import { draftRecipe, prepare, type PreparedTraining } from "../training-plan.ts";

interface Flags extends Record<string, unknown>, RankFlags {
  preset?: string;
  config?: string;
  name: string;
  override?: string;
  evalBold?: string;
  tensorboard?: boolean;
  restarts: string;
  debugNan?: boolean;
  printConfig?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

export function command({ gpu }: Context): Command {
  const about = recipePresets.map((name) => `${name} (${presets[name].about})`).join("; ");
  const made = new Command()
    .optionsGroup("Recipe:")
    .option("--preset <name>", `what the recipe begins with: ${about}`)
    .option("--config <file>", "a recipe as .yaml or .json: names as these flags have them; flags come before it")
    .option("--print-config", "the complete recipe and where each value came from; a file that --config takes")
    .option("--dry-run", "what data, model, memory and time there would be; nothing is trained or written")
    .option("--json", "with --print-config or --dry-run: one JSON object instead of text")
    .optionsGroup("Run:")
    .option("--name <name>", "folder under runs/; an unfinished run there is gone on with", "train")
    .option(
      "--override <names>",
      "values, such as lr,steps, that may differ from those the run in that folder began with",
    )
    .option(...RESTARTS)
    .option("--tensorboard", "also write what TensorBoard reads, into the run's folder")
    .option(
      "--debug-nan",
      "the first step with a number that is not finite is repeated to find where it began, and ends the run; slower",
    )
    .option(...MPI)
    .option(...WIRE)
    .option("--eval-bold <folder>", "with --eval-every: probe BoLD, which lies there");
  return withRecipe(made)
    .optionsGroup("Options:")
    .action((flags: Flags) => train(flags, gpu()));
}

async function train(flags: Flags, options: GpuOptions): Promise<void> {
  const launch = launchOf(process.env);
  if (launch) speakAs(launch.rank);
  const { name, printConfig, dryRun: isDry, json, evalBold, tensorboard, debugNan } = flags;
  if (json && !printConfig && !isDry) throw new UsageError("--json goes with --print-config or --dry-run");
  checkRunName(name);
  const restarts = restartsOf(flags.restarts);
  const { preset, isChosen, layers } = await layersOf(flags);
  if (!isChosen) warn([`preset ${preset}: ${presets[preset].about} (--preset names another)`]);
  const { recipe, from } = resolveRecipe(layers);
  if (printConfig) {
    const isWhole = recipe.resume === null && !recipe.cacheFeatures;
    const drafted = isWhole
      ? choicesFor(await familyNamedBy(recipe.model), { recipe, from })
      : await withoutDraft(layers);
    return printResult(json, { preset, ...drafted }, recipeText);
  }
  const overrides = overridesOf(flags.override, recipeNamed);
  const drafted = await draftRecipe(layers);
  try {
    if (isDry) return await dryRun(drafted, options, json);
    const peers = await joinRanks(flags, (line) => warn([line]));
    await run(drafted, { name, overrides, evalBold, tensorboard, debugNan, restarts }, options, peers);
    await partRanks(peers);
  } finally {
    await drafted.draft.close();
  }
}

interface Named {
  readonly name: string;
  readonly overrides: readonly string[];
  readonly evalBold?: string;
  readonly tensorboard?: boolean;
  readonly restarts: number;
  readonly debugNan?: boolean;
}

type Drafted = Awaited<ReturnType<typeof draftRecipe>>;

async function run(
  drafted: Drafted,
  { name, overrides: override, evalBold, tensorboard, debugNan, restarts: most }: Named,
  options: GpuOptions,
  peers: Peers | undefined,
): Promise<void> {
  const { recipe, draft } = drafted;
  if (peers) checkRanks(peers, recipe, { debugNan });
  const began = performance.now();
  const { missing } = trainingPlace(recipe.trainData);
  const progress = isSilent() ? silence : new Progress({ phases: phasesOf(missing, drafted) });
  const say = (line: string) => progress.say(line);
  const stop = gracefulStop();
  const clips = await inTurn(peers, () => trainingFolder(recipe.trainData, progress, stop));
  if (clips === undefined) {
    progress.end();
    return printStopped("the same command goes on making the data set");
  }
  const before = await interruptible(() => prepare(drafted, clips, say));
  if (peers) await checkSame(peers, "a recipe, clips or weights", recordedOf(before));
  const measurement = await interruptible(() => openMeasurement(recipe, evalBold, draft.takes, say));
  const folder = join("runs", await ofFirst(peers, () => freshName(name)));
  const isFirst = peers === undefined || peers.rank === 0;
  if (isFirst)
    await onceFree(peers, () => checkRun(before, { folder, override: [...override, ...leftToDevice(recipe)] }, say));
  const lasting = new LastingGpu(() => openGpu(options), peers ? 0 : most, { say, stop });
  let rate: number | undefined;
  const outcome = await lasting.use(async (gpu, restarts) => {
    if (peers) await checkAdapters(peers, gpu, say);
    const { prepared, choice } = await onDevice(gpu, before, say);
    if (restarts.length === 0) {
      printBegin(prepared, gpu, choice, say);
      if (peers) print(`${peers.size} ranks over ${peers.about}, ${recipe.batch} clips a step in all`);
      rate = await rateOf(prepared, gpu);
    }
    const place = { gpu, progress, stop, restarts, matmulRate: rate, peers };
    return runTraining(prepared, { folder, override, measurement, tensorboard, debugNan }, place);
  });
  progress.end();
  lasting.close();
  if (!outcome) return printStopped(`the same command goes on from the checkpoint in ${folder}`);
  const { steps, skipped, parameters, frozen, after, best, files } = outcome;
  const kept = frozen > 0 ? `, ${frozen.toLocaleString("en")} more as they were` : "";
  for (const [figure, value, note = ""] of after) print(`${figure}  ${(100 * value).toFixed(2)}  ${note}`.trimEnd());
  if (best)
    print(`best ${best.name}  ${(100 * best.value).toFixed(2)}  at step ${best.step}, chosen by ${chosenBy(recipe)}`);
  print(
    `${steps - skipped.count} updates of ${parameters.toLocaleString("en")} parameters${kept}\n` +
      `${skipped.count > 0 ? `${skipped.count} of ${steps} steps changed nothing: their numbers were not finite (results.json, skipped)\n` : ""}` +
      `${files.map((file) => `${join(folder, file)}\n`).join("")}${clock((performance.now() - began) / 1000)} in all`,
  );
}

function printBegin(
  { recipe, source }: PreparedTraining,
  { facts }: Gpu,
  choice: ChosenStep | undefined,
  say: (line: string) => void,
): void {
  if (choice) say(choice.why);
  const { samples, found, kind, shares } = source;
  print(`${recipe.model} on ${facts.adapter}\n${samples} of ${found} clips to train on, ${kind}`);
  for (const line of shareLines(shares)) print(line);
}

/** Of a matrix product, measured in less than a second; not for the model that is trained in a few. */
async function rateOf({ recipe }: PreparedTraining, gpu: Gpu): Promise<number | undefined> {
  if (recipe.model === "tiny") return undefined;
  const rate = await matmulRate(gpu);
  print(
    `a matrix product has ${Number((rate / 1e9).toPrecision(2))} GFLOP/s here, measured now: steps say their share of it`,
  );
  return rate;
}

/** Seconds each phase takes on two cores without a GPU, for the first estimate of the time left. */
const phasesOf = (missing: number, { recipe, draft }: Drafted): [string, number][] => [
  ...(missing > 0 ? [["make data", missing * 0.02] as [string, number]] : []),
  ...(draft.weights ? [["load weights", 5] as [string, number]] : []),
  ...keptPhases(recipe, draft).map((phase): [string, number] => [phase, 30]),
  ["train", Math.max(1, recipe.steps) * 0.3],
];

const keptPhases = ({ cacheFeatures }: Recipe, { family, config }: Drafted["draft"]): string[] => {
  if (!cacheFeatures) return [];
  const { image, text } = frozenTowersOf(family, config);
  return [...(image ? [keptPhase.image] : []), ...(text ? [keptPhase.text] : [])];
};

async function withoutDraft(layers: readonly Layer[]) {
  const { recipe, from, draft } = await draftRecipe(layers);
  await draft.close();
  return { recipe, from };
}
