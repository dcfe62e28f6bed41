// The three parts of the data set. No person and no scene is in two of them.

/** Names of the splits. */
export const splits = ["train", "val", "test"] as const;
export type Split = (typeof splits)[number];

/** How many clips each split has unless told otherwise. */
export const stageSizes: Record<Split, number> = { train: 2048, val: 256, test: 512 };
