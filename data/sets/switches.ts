// The official quirks that a reader or a protocol can keep or correct, as one table: `--compat official` and
// `--compat corrected` set every row, a switch by its name sets one, and what is in force is printed with every result.
import { nearest, UsageError } from "../../engine/errors.ts";
import type { BoxRule } from "../pixels/boxes.ts";

/** Data sets that can be opened by name. `stage` is the embedded one. */
export const benchmarkNames = ["bold", "moviegraphs", "meld", "liris", "emotic", "stage"] as const;
/** A data set that can be opened by name. */
export type BenchmarkName = (typeof benchmarkNames)[number];

/** What can be evaluated: those, and anybody's own shards. */
export const setNames = [...benchmarkNames, "own"] as const;
export type SetName = (typeof setNames)[number];

/** A value for all switches at once: as the official code has it, or corrected. */
export type Compat = "official" | "corrected";

/** Every switch and the values it can have. */
export interface Switches {
  /** Whether detector boxes are mapped with the letterbox padding. */
  readonly boxes: BoxRule;
  /** BOLD: frames of the whole folder, or of the annotated stretch. */
  readonly clip: "folder" | "annotated";
  /** LIRIS-ACCEDE: one frame repeated, or the eight seconds. */
  readonly window: "repeat" | "window";
  /** LIRIS-ACCEDE: movies as the disk lists them, or by name. */
  readonly order: "listing" | "sorted";
  /** LIRIS-ACCEDE: smoothing across movies, or inside each. */
  readonly smoothing: "compat" | "perMovie";
  /** MELD: the best column, or the class that it stands for. */
  readonly argmax: "column" | "class";
}

export type SwitchName = keyof Switches;

/** One row. `default` is what holds when nobody says anything. */
export type Switch = {
  readonly [N in SwitchName]: {
    readonly name: N;
    /** The data sets whose results it can change. */
    readonly of: readonly SetName[];
    readonly official: Switches[N];
    readonly corrected: Switches[N];
    readonly default: Switches[N];
    readonly about: Readonly<Record<Switches[N], string>>;
  };
}[SwitchName];

/** Every switch with its values, what each of them means, and which holds when nobody says anything. */
export const switchTable: readonly Switch[] = [
  {
    name: "boxes",
    of: ["moviegraphs", "meld", "liris"],
    official: "compat",
    corrected: "exact",
    default: "compat", // what the published weights saw
    about: {
      compat: "detector boxes are mapped without the letterbox padding: masks of 16:9 pictures lie about 3 % too low",
      exact: "the letterbox padding is subtracted from detector boxes",
    },
  },
  {
    name: "clip",
    of: ["bold"],
    official: "folder",
    corrected: "annotated",
    default: "folder",
    about: {
      folder: "frames are spread over the whole folder of the clip",
      annotated:
        "frames are spread over start_frame to end_frame of the annotation, counted from 0 in the sorted folder",
    },
  },
  {
    name: "window",
    of: ["liris"],
    official: "repeat",
    corrected: "window",
    default: "repeat",
    about: {
      repeat: "a clip is the labelled second's frame, repeated; its window only decides which seconds are kept",
      window: "a clip is the eight seconds of its window",
    },
  },
  {
    name: "order",
    of: ["liris"],
    official: "listing",
    corrected: "sorted",
    default: "sorted",
    about: {
      listing: "movies come as the file system lists them: smoothing across movies depends on the disk",
      sorted: "movies come sorted by name",
    },
  },
  {
    name: "smoothing",
    of: ["liris"],
    official: "compat",
    corrected: "perMovie",
    default: "compat",
    about: {
      compat: "predictions are smoothed across movies, and half a sample late",
      perMovie: "predictions are smoothed inside each movie",
    },
  },
  {
    name: "argmax",
    of: ["meld"],
    official: "column",
    corrected: "class",
    default: "class",
    about: {
      column: "the best column is taken as the label: wrong when training lacks a class",
      class: "the best column is mapped through the list of classes seen in training",
    },
  },
];

/** A switch, the value that it has for a result, and what that value means. */
export interface Decision {
  readonly name: SwitchName;
  readonly value: string;
  readonly about: string;
  readonly isOfficial: boolean;
}

/** What a caller may say about the switches. */
export interface SwitchOptions {
  readonly compat?: Compat;
  /** Single switches, which win over `compat`. */
  readonly switches?: Partial<Switches>;
}

/** The value of every switch. Refuses names and values that are not in the table. */
export function resolveSwitches({ compat, switches = {} }: SwitchOptions = {}): Switches {
  if (compat !== undefined && compat !== "official" && compat !== "corrected")
    throw new UsageError(`compat is ${JSON.stringify(compat)}, known are official and corrected`);
  const said = new Map(Object.entries(switches).filter(([, value]) => value !== undefined));
  const names = switchTable.map(({ name }) => name);
  for (const name of said.keys()) {
    if (names.includes(name as SwitchName)) continue;
    const guess = nearest(name, names);
    throw new UsageError(
      `unknown switch ${JSON.stringify(name)}, ${guess ? `did you mean ${guess}?` : `known are ${names.join(", ")}`}`,
    );
  }
  const values = switchTable.map((row) => {
    const value = said.get(row.name) ?? row[compat ?? "default"];
    if (Object.hasOwn(row.about, value)) return [row.name, value];
    throw new UsageError(
      `switch ${row.name} is ${JSON.stringify(value)}, known are ${Object.keys(row.about).join(", ")}`,
    );
  });
  return Object.fromEntries(values) as unknown as Switches;
}

/** The switches that matter to a data set, with the words to print. */
export function decisionsOf(benchmark: SetName, switches: Switches): Decision[] {
  return switchTable
    .filter((row) => row.of.includes(benchmark))
    .map((row) => {
      const value = switches[row.name];
      const about = (row.about as Readonly<Record<string, string>>)[value];
      return { name: row.name, value, about, isOfficial: value === row.official };
    });
}
