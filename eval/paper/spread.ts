// Figures over seeds: mean and deviation of one setting, and the difference of two settings with its standard error.

/** Mean and sample standard deviation (NaN for one value) of a figure over runs. */
export interface Spread {
  readonly mean: number;
  readonly deviation: number;
}

/** Mean and sample standard deviation; NaN where there is too little to tell. */
export function spread(values: readonly number[]): Spread {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : Number.NaN };
}

/** The mean of differences, each of two runs with one seed, and its standard error. */
export interface Difference {
  readonly mean: number;
  readonly error: number;
  readonly seeds: number;
  /** Whether it lies further from zero than 95 % of what chance makes of so many seeds (Student's t). */
  readonly isClear: boolean;
}

/** The 97.5 % points of Student's t for 1, 2, … degrees of freedom. */
const student = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086,
];

/** What pairs of one seed differ by: data order and initial values are the same in both, so pairs vary less than their members. */
export function seedDifference(values: readonly number[]): Difference {
  const { mean, deviation } = spread(values);
  const seeds = values.length;
  const error = deviation / Math.sqrt(seeds);
  const t = student[Math.min(seeds - 1, student.length) - 1];
  return { mean, error, seeds, isClear: seeds > 1 && Math.abs(mean) > t * error };
}
