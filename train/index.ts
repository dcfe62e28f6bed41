// The public names of the training layer: loss, optimiser, schedule, one model in training.
export { Learner, type StepNumbers } from "./learner.ts";
export { contrast, type LossSettings, sentimentContrast } from "./loss.ts";
export { Adam, type AdamSettings, AdamW } from "./optimizers/adam.ts";
export { Lion, type LionSettings } from "./optimizers/lion.ts";
export { Muon, type MuonSettings } from "./optimizers/muon.ts";
export { type Health, Optimizer, type PerGroup, type UpdateSettings } from "./optimizers/optimizer.ts";
export { SGD, type SGDSettings } from "./optimizers/sgd.ts";
export { type OfficialGroup, type OfficialTraining, readOfficialTraining, resumeOfficial } from "./official.ts";
export { planStep, type StepPlan } from "./step-plan.ts";
export {
  type Cooldown,
  type Descent,
  type Milestones,
  type Ramp,
  schedule,
  type StepDown,
  type WarmUp,
} from "./ramps.ts";
export { learningRate, type OfficialSchedule, paperSchedule, type Schedule, stepSchedule } from "./schedule.ts";
export { locked } from "./locks.ts";
export { type GroupSettings, type Rates, recipeRates } from "./rates.ts";
export { type Layer, type Recipe, type Resolved, resolveRecipe } from "./recipe.ts";
export { type PresetName, presetLayer, recipePresets } from "./recipes/index.ts";
export { checkSettings, defaults, type Settings } from "./settings.ts";
export { encode, type StepReport, Trainer } from "./trainer.ts";
