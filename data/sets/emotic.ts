// Emotic: single pictures with the box of one person, 26 classes and three dimensions.
//
//     annotations_pre/{split}.csv, {split}_cat_arr.npy, {split}_cont_arr.npy   emotic/<Folder>/<Filename>
import { basename } from "node:path";
import { FormatError } from "../../engine/errors.ts";
import { fault } from "../formats/inside.ts";
import { quoted } from "../formats/json.ts";
import type { Box } from "../pixels/boxes.ts";
import { type NpyArray, readNpy } from "../formats/npy.ts";
import type { BenchmarkSample } from "./benchmark.ts";
import { fileLimits, readBytes } from "./files.ts";
import { labels } from "./labels.ts";
import type { Reader } from "./reader.ts";
import { readTable } from "./table.ts";

const dimensions = ["valence", "arousal", "dominance"] as const;

export const emotic: Reader = {
  splits: ["train", "val", "test"],
  kind: "image",
  classes: labels.emotic,
  dimensions,
  read({ root, split }) {
    const rows: { name: string; box: Box; place: string }[] = [];
    const needed = ["Folder", "Filename", "BBox"];
    readTable(root, `annotations_pre/${split}.csv`, { form: "csv", needed }, (row) => {
      const name = `${row.text("Folder")}/${row.text("Filename")}`;
      const wrong = fault(name);
      if (wrong) row.refuse("Filename", `a name in a folder; ${quoted(name)} ${wrong}`);
      const [x1, y1, x2, y2] = row.reals("BBox", 4);
      if (x2 < x1 || y2 < y1) row.refuse("BBox", "x1 ≤ x2 and y1 ≤ y2");
      rows.push({ name, box: [x1, y1, x2, y2], place: row.place });
    });
    const classes = readArray(root, `annotations_pre/${split}_cat_arr.npy`, rows.length, labels.emotic.length);
    const values = readArray(root, `annotations_pre/${split}_cont_arr.npy`, rows.length, dimensions.length);
    check(classes, `${split}_cat_arr.npy`, labels.emotic, (value) => value === 0 || value === 1, "0 or 1");
    check(values, `${split}_cont_arr.npy`, dimensions, isFloat, "a finite number");

    const samples = rows.map(({ name, box, place }, i): BenchmarkSample => {
      const mask = { kind: "box", box } as const;
      return {
        id: `${name}, ${place.replace(/ .line.*/, "")}`,
        group: name,
        labels: Uint8Array.from(rowOf(classes, i)),
        values: Float32Array.from(rowOf(values, i)),
        source: { kind: "files", root, frames: [`emotic/${name}`], resize: 224, mask },
      };
    });
    return { samples };
  },
};

/** An array of `rows` x `columns`. */
function readArray(root: string, name: string, rows: number, columns: number): NpyArray {
  const file = basename(name);
  const [array, ...more] = readNpy(readBytes(root, name, fileLimits.split), file);
  if (more.length > 0) throw new FormatError(`${file}: has ${more.length + 1} arrays, expected one`);
  const [n, width] = array.shape;
  if (array.shape.length !== 2 || n !== rows || width !== columns)
    throw new FormatError(
      `${file}: has shape (${array.shape.join(", ")}), expected (${rows}, ${columns}): a row for each of the table`,
    );
  return array;
}

const rowOf = ({ shape, data }: NpyArray, i: number) => data.subarray(i * shape[1], (i + 1) * shape[1]);

/** Finite as the 32-bit float that it becomes. */
const isFloat = (value: number) => Number.isFinite(Math.fround(value));

/** Rows count from 1, as in the table. */
function check(
  array: NpyArray,
  file: string,
  names: readonly string[],
  is: (value: number) => boolean,
  allowed: string,
): void {
  const width = names.length;
  const at = array.data.findIndex((value: number) => !is(value));
  if (at < 0) return;
  const place = `row ${Math.floor(at / width) + 1}, column ${quoted(names[at % width])}`;
  throw new FormatError(`${file}: ${place} is ${array.data[at]}, expected ${allowed}`);
}
