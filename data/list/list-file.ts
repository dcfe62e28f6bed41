// A list of one's own clips: a CSV file, a clip a row. All of it is checked against the disk before anything is made of it.
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import type { SubjectBoxes } from "../footage/boxes.ts";
import { picturesIn } from "../footage/files.ts";
import { quoted } from "../formats/json.ts";
import { readOwnTable, type TableRow } from "../sets/table.ts";
import type { Labels } from "../shards/clip.ts";
import { isSplitName } from "../shards/index-file.ts";
import { accountOf, Mismatch, type Unfit } from "./account.ts";
import { cell, type Columns, listColumns } from "./columns.ts";

/** A row of a list, as it was found to be possible. */
export interface ListedClip {
  /** `clips.csv: row 3 (line 4)`, which begins messages. */
  readonly where: string;
  readonly row: number;
  /** Of the clip; without it one is made of the source's name and the row. */
  readonly key?: string;
  /** As the list has it, and where that is. */
  readonly path: string;
  readonly source: string;
  readonly isFolder: boolean;
  /** In seconds; without an end it is the footage's. */
  readonly start: number;
  readonly end?: number;
  readonly caption: string;
  readonly split: string;
  /** A file, or x1,y1,x2,y2, or what a program knows of frames by their numbers. */
  readonly boxes?: string | SubjectBoxes;
  readonly sentiment: readonly number[];
  readonly categories: readonly number[];
  readonly vad?: Labels["vad"];
}

export interface ClipList {
  readonly file: string;
  readonly clips: readonly ListedClip[];
  readonly splits: readonly string[];
  readonly categories: readonly string[];
  readonly sentiment: Columns["sentiment"];
  /** Of the list, and of the sizes and times of all files that it names. */
  readonly sha256: string;
}

/** What clips are asked for. */
export interface ClipForm {
  /** Frames a second: a film is looked at so often, pictures of a folder are taken to be so many. */
  readonly fps: number;
  /** Fewer frames are no clip. */
  readonly minFrames: number;
}

/** Seconds by which an end may lie behind the footage's. */
export const SLACK = 0.5;

/** Reads a list and looks for all it names. Errors: Mismatch with all faults counted by kind and the first ten. */
export async function readList(path: string, form: ClipForm): Promise<ClipList> {
  const file = basename(path);
  const { names, rows } = readOwnTable(path);
  const columns = listColumns(file, names, rows);
  const hash = createHash("sha256").update(await readFile(path));
  const disk = new Disk(hash);
  const faults: Unfit[] = [];
  const clips: ListedClip[] = [];
  for (const [i, row] of rows.entries()) {
    const found = new Row(row, dirname(resolve(path)), columns);
    const clip = await found.clip(`${file}: ${row.place}`, i + 1, form, disk);
    faults.push(...found.faults);
    if (clip) clips.push(clip);
  }
  if (faults.length > 0) throw new Mismatch(file, rows.length, accountOf(faults));
  const splits = [...new Set(clips.map(({ split }) => split))].sort();
  const { categories, sentiment } = columns;
  return { file, clips, splits, categories, sentiment, sha256: hash.digest("hex") };
}

/** What lies on the disk, each path looked at once, in order. */
class Disk {
  private readonly known = new Map<string, { isFolder: boolean; pictures?: number } | string>();

  constructor(private readonly hash: { update(text: string): unknown }) {}

  /** What a path is, or why it is nothing. */
  async at(path: string): Promise<{ isFolder: boolean; pictures?: number } | string> {
    const found = this.known.get(path) ?? (await this.look(path));
    this.known.set(path, found);
    return found;
  }

  private async look(path: string): Promise<{ isFolder: boolean; pictures?: number } | string> {
    const info = await stat(path).catch(() => undefined);
    if (!info) return "is not there";
    this.hash.update(`\n${path} ${info.size} ${info.mtimeMs}`);
    if (!info.isDirectory()) return info.isFile() ? { isFolder: false } : "is neither a file nor a folder";
    const pictures = await picturesIn(path).catch(() => []);
    return { isFolder: true, pictures: pictures.length };
  }
}

/** One row on its way to a clip. */
class Row {
  readonly faults: Unfit[] = [];

  constructor(
    private readonly row: TableRow,
    private readonly folder: string,
    private readonly columns: Columns,
  ) {}

  async clip(where: string, number: number, form: ClipForm, disk: Disk): Promise<ListedClip | undefined> {
    const { row, columns } = this;
    const path = this.cell("path", () => row.text("path"));
    const start = this.cell("time", () => this.seconds("start")) ?? 0;
    const end = this.cell("time", () => this.seconds("end"));
    this.cell("time", () => {
      if (end !== undefined && end <= start) row.refuse("end", `more than the start, ${start}`);
    });
    const caption = this.cell("caption", () => this.caption());
    const split = this.cell("split", () => this.split());
    const boxes = await this.boxes(disk);
    const sentiment = this.cell("sentiment", () => columns.sentimentOf(row));
    const categories = this.cell("label", () => columns.categoriesOf(row));
    const vad = this.cell("label", () => columns.vadOf(row));
    const source = path === undefined ? undefined : resolve(this.folder, path);
    const isFolder = source === undefined ? undefined : await this.footage(source, disk, form, { start, end });
    if (this.faults.length > 0) return undefined;
    return {
      ...{ where, row: number, path: path!, source: source!, isFolder: isFolder!, start, end },
      ...{ caption: caption!, split: split!, boxes, sentiment: sentiment!, categories: categories!, vad },
    };
  }

  private cell<T>(kind: string, read: () => T): T | undefined {
    return cell(kind, this.faults, read);
  }

  private seconds(column: "start" | "end"): number | undefined {
    return this.row.maybe(column) === undefined ? undefined : this.row.real(column, 0, 1e6);
  }

  private caption(): string {
    const caption = this.row.text("caption");
    return caption.trim() !== "" && caption.length <= 4096
      ? caption
      : this.row.refuse("caption", "1 to 4096 characters that are not white space alone");
  }

  private split(): string {
    const split = this.row.maybe("split") ?? "train";
    return isSplitName(split) ? split : this.row.refuse("split", 'letters, digits, "_", "." and "-"');
  }

  /** The path of a file, or numbers as they stand. */
  private async boxes(disk: Disk): Promise<string | undefined> {
    const text = this.row.maybe("boxes");
    if (text === undefined || /^[-+.\d\s,;]+$/.test(text)) return text;
    const path = resolve(this.folder, text);
    const found = await disk.at(path);
    this.cell("missing file", () => {
      if (typeof found === "string" || found.isFolder)
        this.row.refuse("boxes", "x1,y1,x2,y2 or a JSON file that is there");
    });
    return path;
  }

  /** Whether the footage is a folder of frames; what its frames do not suffice for is a fault. */
  private async footage(
    source: string,
    disk: Disk,
    { fps, minFrames }: ClipForm,
    { start, end }: { start: number; end?: number },
  ): Promise<boolean | undefined> {
    const found = await disk.at(source);
    if (typeof found === "string") {
      this.cell("missing file", () => this.row.fail(`names ${quoted(source)}, which ${found}`));
      return undefined;
    }
    const { isFolder, pictures = 0 } = found;
    if (!isFolder || this.faults.some(({ kind }) => kind === "time")) return isFolder;
    this.cell("too few frames", () => {
      const length = pictures / fps;
      if (end !== undefined && end > length + SLACK)
        this.row.refuse("end", `at most ${length} s: ${pictures} frames at ${fps} a second`);
      const count = Math.min(pictures, Math.round((end ?? length) * fps)) - Math.round(start * fps);
      if (count < minFrames)
        this.row.fail(
          `has ${Math.max(0, count)} frames of the ${pictures} in ${quoted(source)}, expected at least ${minFrames} (--min-frames)`,
        );
    });
    return true;
  }
}
