// The public names of the training layer: loss, optimiser, schedule, one model in training.
export { Learner, type StepNumbers } from "./learner.ts";
export { type LossSettings, sentimentContrast } from "./loss.ts";
export { type AdamSettings, AdamW, type Health, type PerGroup } from "./optimizer.ts";
export { type OfficialGroup, type OfficialTraining, readOfficialTraining, resumeOfficial } from "./official.ts";
export { planStep, type StepPlan } from "./step-plan.ts";
export { learningRate, paperSchedule, type Schedule, stepSchedule } from "./schedule.ts";
export { checkSettings, defaults, type Settings } from "./settings.ts";
export { encode, type StepReport, Trainer } from "./trainer.ts";
