// What a family of models of video and text must bring to be loaded, encoded with, trained, shown and evaluated. Nothing outside a
// family's own folder, its recipe and its data sets knows a family's name: the table is families.ts.
import type { Json } from "../data/formats/json.ts";
import type { Stored } from "../data/formats/content.ts";
import type { MadeTensor } from "../data/formats/made.ts";
import type { WeightFile } from "../data/formats/weights.ts";
import type { Colours } from "../data/pixels/image.ts";
import type { Side } from "../data/pixels/side.ts";
import type { Tensor } from "../engine/index.ts";
import type { Mix } from "./clip/attention.ts";
import type { Block, Through } from "./clip/block.ts";
import type { Dropping } from "./dropout.ts";
import type { Group, Init } from "./params.ts";

/** What a model is given. */
export interface Takes {
  /** T, frames of a clip. */
  readonly frames: number;
  /** S, side of a frame in pixels; [height, width] of frames that are no squares. */
  readonly side: Side;
  /** Whether of a picture the whole short side is seen; else from 224 pixels on a margin is cut off, as published. */
  readonly whole?: boolean;
  /** By whose mean and deviation colours are normalised; ImageNet's unless said. */
  readonly colours?: Colours;
  /** W, tokens of a text. */
  readonly context: number;
  /** V, ids of its tokenizer. */
  readonly vocabulary: number;
  /** Whether it is told where the subject is; a mask given to one that is not changes nothing. */
  readonly subject: boolean;
}

/** One block of a tower on its way: what goes in, how it attends, what comes out. */
export interface Passed {
  readonly block: Block;
  readonly input: Tensor;
  readonly mix: Mix;
  readonly output: Tensor;
  /** Whether the block weighs values by another map than the softmax of its scores. */
  readonly moved: boolean;
}

/** A tower of frames whose last token stands for the subject. */
export interface SubjectTower {
  /** How it is told of the subject, for a title: "sap". */
  readonly told: string;
  /** Number of blocks. */
  readonly layers: number;
  /** Patches along one side of a frame, or [rows, columns] where they differ; and pixels along one side of a patch. */
  readonly grid: Side;
  readonly patch: number;
  /** frames_N3SS, mask_NSS -> its blocks in turn. */
  blocks(frames_N3SS: Tensor, mask_NSS: Tensor): Iterable<Passed>;
}

/** What joins the frames of a clip by a token that attends to them. */
export interface FrameReader {
  /** The token, for a title: "class token". */
  readonly told: string;
  readonly layers: number;
  readonly heads: number;
  /** f_BTE -> of each layer the token's row of attention, w_BHM, M = 1 + T: to itself, then to the frames. */
  rows(f_BTE: Tensor): Tensor[];
}

/** A model of video and text: two branches into one space. Its fields are its state dict (`named`). */
export interface VideoText<C extends object = object> {
  readonly config: C;
  readonly takes: Takes;
  /** E, width of the joint embedding. */
  readonly embed: number;
  readonly logit_scale: Tensor;
  /** The tower whose subject token can be shown; undefined where there is none. */
  readonly subjectTower: SubjectTower | undefined;
  /** How it weighs the frames of a clip; left out where no token does. */
  readonly frameReader?: FrameReader;
  /** frames_BT3SS, mask_BTSS -> v_BE of unit length; in training with dropout, and each block recorded through `through`. */
  encodeVideo(frames_BT3SS: Tensor, mask_BTSS: Tensor, drop?: Dropping, through?: Through): Tensor;
  /** frames_BT3SS, mask_BTSS -> f_BTE: what the frame tower makes of each frame, not normalised. */
  encodeFrames(frames_BT3SS: Tensor, mask_BTSS: Tensor, through?: Through): Tensor;
  /** f_BTE -> v_BE of unit length: what joins the frames of a clip, in training with dropout. `encodeVideo` is one behind the other. */
  joinFrames(f_BTE: Tensor, drop?: Dropping, through?: Through): Tensor;
  /** frames_N3SS, mask_NSS -> v_NE of unit length: single images, without what joins frames. */
  encodeImage(frames_N3SS: Tensor, mask_NSS: Tensor): Tensor;
  /** Rows of ids as the tokenizer makes them -> what `encodeText` reads, with the place where each text is read out. */
  textRows(ids_BW: Uint32Array): { tokens_BW: Uint32Array; ends_B: Uint32Array };
  /** tokens_BW:u32, ends_B:u32 -> t_BE of unit length. */
  encodeText(tokens_BW: Tensor<"u32">, ends_B: Tensor<"u32">, through?: Through): Tensor;
}

/** What a file is, by its names alone. */
export interface FileLayout {
  /** Whose file it is, for a person: "OpenAI CLIP"; "unknown" where nothing of the family is in it. */
  readonly kind: string;
  /** What stands in front of the model's names in the file: "model.", "state_dict.module.", mostly nothing. */
  readonly prefix: string;
  /** Whether the file holds a backbone alone, without what the family adds to it. */
  readonly backboneOnly: boolean;
  /** The name in the file of each tensor of the model, by its official name. */
  readonly names: ReadonlyMap<string, string>;
  /** Those of `names` that the file holds in parts, transposed or under another shape. */
  readonly made?: ReadonlyMap<string, MadeTensor>;
  /** Tensors that are no parameters and are passed over. */
  readonly ignored: readonly string[];
  /** What was dropped from names, in sentences. */
  readonly notes?: readonly string[];
  /** Why the kind is unknown. */
  readonly reason: string;
}

/** What a file of weights holds, as its family sees it. */
export interface Description<C extends object = object> {
  /** The family whose names the file has. */
  readonly family: Family;
  /** Whose file it is, for a person: "OpenAI CLIP". */
  readonly kind: string;
  readonly layout: FileLayout;
  /** What the shapes fix; undefined where they cannot be read. */
  readonly sizes: object | undefined;
  /** The configuration that the file carries, or that lies beside it. */
  readonly held?: C;
  /** The model that the file holds; undefined where shapes do not tell it, and then `reason` says why. */
  readonly config: C | undefined;
  /** Why there is no `config`, where there is none. */
  readonly reason: string;
  /** What was taken from elsewhere than names and shapes, in sentences. */
  readonly notes: readonly string[];
}

/** Two grids of patches: the side of a square one, or [rows, columns]. */
export interface Resize {
  readonly from: Side;
  readonly to: Side;
}

/** How a file fills the parameters of a model, where names and shapes alone do not say it. */
export interface Filling<C extends object> {
  /** Names of a parameter that has two, by its first. */
  readonly alias: ReadonlyMap<string, string>;
  /** Tensors of a file that are constants of the model, and no parameters. */
  readonly constants: ReadonlySet<string>;
  /** Whether a parameter may be missing from a backbone alone: it is what the family adds. */
  isAdded(name: string): boolean;
  /**
   * How a stored table of positions becomes that of the model; undefined where it cannot, need not, or where it is none. `held` is
   * the configuration that the file was written with, where that is known.
   */
  resize(name: string, stored: readonly number[], wanted: readonly number[], config: C, held?: C): Resize | undefined;
  /** Remarks on constants that are not what they must be; with `strict` a CheckpointError. */
  check(file: WeightFile, names: ReadonlyMap<string, string>, config: C, strict: boolean): Promise<string[]>;
}

/** Where a parameter is: of which tower, and in which block of it; what lies before the blocks counts as the first. */
export interface TowerPlace {
  readonly tower: "image" | "text" | "none";
  readonly block: number;
}

/** What a recipe chooses of a model, where its family has the choice. */
export interface Choices {
  /** How it is told where the subject is. */
  readonly subject: string;
  /** What makes one vector of a clip's frames. */
  readonly head: string;
}

/** How choices enter the configurations of a family that has them. */
export interface Choosing<C extends object> {
  of(config: C): Choices;
  /** A complete configuration with them; it is to be parsed again, for they may not go together. */
  put(config: C, choices: Choices): C;
  /** The same on top of what is known better than a file knows it. */
  override(known: Partial<C>, choices: Choices): Partial<C>;
}

/** What a family of models brings: its configurations, how its files are recognised and filled, and which parameters train. */
// biome-ignore lint/suspicious/noExplicitAny: a table of families of different configurations; each meets only its own
export interface Family<C extends object = any, M extends VideoText<C> = VideoText<C>> {
  /** As files carry it (metadata "model"). */
  readonly name: string;
  /** Published configurations by name. */
  readonly presets: readonly string[];
  /** What a published name says of a model whose weights lie in a file; UsageError for one that is not known. */
  preset(name: string): Partial<C>;
  /** The whole configuration of a published name, for a model that begins at random. Errors: as `preset`. */
  published(name: string): C;
  /** The same for clips of so many frames. */
  framed(config: C, frames: number): C;
  /** Small models of this program by name, made for so many words of some captions. */
  readonly small?: Readonly<Record<string, (vocabulary: number) => C>>;
  /** What a recipe may choose; a family without this has nothing to choose. */
  readonly choices?: Choosing<C>;
  /** What a configuration says of CLIP's towers, with which a model of another family may begin. */
  towers?(config: C): object;
  /** A configuration out of foreign JSON, its own or a published form, checked. Errors: FormatError that begins with `where`. */
  parse(json: Json, where: string): C;
  /** What a parsed configuration file says: a published form of a backbone alone says nothing of the rest. */
  override(json: Json, where: string): Partial<C>;
  /** Describes a file by its header alone; never fails. `stored` is a configuration that lies beside the file. */
  describe(file: Stored, stored?: C): Description<C>;
  /** The file that tells the configuration of such a file of weights, where it lies beside it. */
  beside?(file: Stored): string | undefined;
  /** The configuration to load a described file with: its own, with what is known better, and frames of another side. Errors: CheckpointError. */
  decide(described: Description<C>, override?: object, side?: Side): C;
  /** Declares the parameters of a model; they have no memory yet. */
  build(config: C, init: Init): M;
  readonly filling: Filling<C>;
  /** Parameters that share a learning rate and a decay, in the family's official order. */
  groups(parameters: Iterable<[string, Tensor]>): Group[];
  /** Whether a parameter trains by default; frozen ones get neither gradients nor moments. */
  trains(name: string): boolean;
  /** Which of the parameters that do not train by default a recipe may thaw, by tower; for a family that has any. */
  readonly thaws?: Readonly<Record<"image" | "text", (name: string) => boolean>>;
  /** Whether a parameter may be of half precision in a step of mixed precision; a family without this knows none. */
  halves?(name: string): boolean;
  /** Where a parameter is, for a family whose towers can be kept from training. */
  place?(name: string): TowerPlace;
}
