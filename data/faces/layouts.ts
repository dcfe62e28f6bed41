// The layouts of the data sets of expression recognition in video: their classes, and where their lists and frames lie.

/** In the order of their numbers, of AFEW, DFEW and FERV39k. */
const seven = ["happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear"] as const;

/** As EmoCLIP's official code numbers MAFW. */
const eleven = [
  "anger",
  "disgust",
  "fear",
  "happiness",
  "neutral",
  "sadness",
  "surprise",
  "contempt",
  "anxiety",
  "helplessness",
  "disappointment",
] as const;

/** As the published lists `path frames label` number MAFW, which is another order. */
const elevenInLists = [...seven, "contempt", "anxiety", "helplessness", "disappointment"] as const;

/** How a data set lies on the disk. */
export interface FaceLayout {
  readonly classes: readonly string[];
  /** What a class number of a list stands for. */
  readonly numbered: readonly string[];
  readonly folds: number;
  readonly splits: readonly string[];
  /**
   * Below the data set's folder, the first of these that is there; none where folders are the list. Where some have captions and others
   * all clips, those that are preferred come first.
   */
  lists(split: string, fold: number, prefer: "all" | "captions", emotions?: "single" | "compound"): readonly string[];
  /** Below the data set's folder, where frames lie, and how many last parts of a listed path name a clip there. */
  readonly frames: string;
  readonly parts: number;
}

const known = {
  dfew: {
    classes: seven,
    numbered: seven,
    folds: 5,
    splits: ["train", "test"],
    lists: (split, fold) => [`DFEW_set_${fold}_${split}.txt`, `EmoLabel_DataSplit/DFEW_set_${fold}_${split}.txt`],
    frames: "DFEW_Frame_Face",
    parts: 1,
  },
  ferv39k: {
    classes: seven,
    numbered: seven,
    folds: 1,
    splits: ["train", "test"],
    lists: (split) => [`${split}_image.txt`, `4_setups/All_scenes/${split}_image.txt`],
    frames: "2_ClipsforFaceCrop",
    parts: 3,
  },
  mafw: {
    classes: eleven,
    numbered: elevenInLists,
    folds: 5,
    splits: ["train", "test"],
    lists: (split, fold, prefer, emotions = "single") =>
      (prefer === "captions" ? ["with_caption", "no_caption"] : ["no_caption", "with_caption"])
        .flatMap((kind) => [`${kind}_new`, kind])
        .map((kind) => `Train_Test_Set/${emotions}/${kind}/set_${fold}/${split}.txt`),
    frames: "data/faces",
    parts: 1,
  },
  afew: {
    classes: seven,
    numbered: seven,
    folds: 1,
    splits: ["train", "validation"],
    lists: () => [],
    frames: "AFEW_Face",
    parts: 3,
  },
} satisfies Readonly<Record<string, FaceLayout>>;

/** The layouts by name. */
export const layouts: Readonly<Record<FaceSetName, FaceLayout>> = known;

/** Names of the data sets whose layout is known. */
export type FaceSetName = keyof typeof known;
export const faceSetNames = Object.keys(known) as readonly FaceSetName[];

/** Folds and splits of a data set. */
export const foldsOf = (name: FaceSetName): number => layouts[name].folds;
export const faceSplitsOf = (name: FaceSetName): readonly string[] => layouts[name].splits;
