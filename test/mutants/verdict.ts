// What comes of one fault, as a line of npm run mutants.

export interface Verdict {
  /** The fault was noticed, or, where there was none, nothing was. */
  readonly good: boolean;
  /** Where, fault, who noticed, after how many cases. */
  readonly cells: readonly string[];
}
