// Settings of the official scheduler, as golden files have them, in our words.
import type { OfficialSchedule } from "../../train/schedule.ts";

/** Options of the official scheduler, by their names there. */
export interface Pace {
  readonly by_epoch?: boolean;
  readonly max_epochs: number;
  readonly lr_min: number;
  readonly epoch_len: number;
  readonly warmup_t: number;
  readonly warmup_by_epoch: boolean;
  readonly warmup_mode: "auto" | "factor" | "fix";
  readonly warmup_init_factor?: number;
  readonly warmup_init_lr?: number | null;
}

/** The same schedule as ours. */
export function scheduleOf(hp: Pace): OfficialSchedule {
  const cosine = {
    length: hp.max_epochs,
    floor: hp.lr_min,
    epochIterations: hp.epoch_len,
    cosineBy: hp.by_epoch === false ? "iteration" : "epoch",
    warmup: hp.warmup_t,
    warmupBy: hp.warmup_by_epoch ? "epoch" : "iteration",
  } as const;
  return hp.warmup_mode === "fix"
    ? { ...cosine, mode: "fix", from: hp.warmup_init_lr! }
    : { ...cosine, mode: hp.warmup_mode, factor: hp.warmup_init_factor! };
}
