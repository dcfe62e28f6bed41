// Where a film's picture changes all at once: by ffmpeg's scene score, or as PySceneDetect has listed it.
import { createHash } from "node:crypto";
import { input, outputOf } from "../data/footage/ffmpeg.ts";
import { readUserFile } from "../data/footage/files.ts";
import { readTableText } from "../data/sets/table.ts";
import { FormatError } from "../engine/errors.ts";
import type { FilmFile } from "./films.ts";

/** Where cuts come from. */
export interface CutSource {
  readonly name: string;
  /** Changes with what it says. */
  readonly stamp: string;
  /** Seconds from the first frame at which a new scene begins, ascending; the first scene's beginning is none. */
  read(): Promise<readonly number[]>;
}

const BYTES = 2 ** 24;
/** PySceneDetect's name for its list: `talk-Scenes.csv`. */
const SCENES = /[.-]scenes\.csv$/i;

/** The list beside a film, or the score above which ffmpeg takes a frame for the first of a scene; 0 seeks none. */
export async function findCuts(film: FilmFile, stream: number, score: number): Promise<CutSource> {
  const list = film.beside.find((path) => SCENES.test(path));
  if (list === undefined) return scored(film, stream, score);
  const { bytes, name } = await readUserFile(list, BYTES);
  const stamp = createHash("sha256").update(bytes).digest("hex");
  return { name, stamp, read: async () => listed(Buffer.from(bytes).toString("utf8"), name) };
}

/** PySceneDetect may write a line of all time codes before the header. */
function listed(text: string, name: string): number[] {
  const from = text.search(/^Scene Number,/m);
  if (from < 0) throw new FormatError(`${name}: is no list of PySceneDetect: it has no header "Scene Number,…"`);
  const starts: number[] = [];
  readTableText(text.slice(from), name, { form: "csv", needed: ["Start Time (seconds)"] }, (row) => {
    starts.push(row.real("Start Time (seconds)", 0, 1e6));
  });
  if (starts.some((start, i) => i > 0 && start <= starts[i - 1]))
    throw new FormatError(`${name}: its scenes do not follow one another`);
  return starts.filter((start) => start > 0);
}

/** A score needs no large picture. */
const SMALL = "scale=160:-2";

function scored({ path, name, stamp }: FilmFile, stream: number, score: number): CutSource {
  const read = async (): Promise<number[]> => {
    if (score === 0) return [];
    const shown = `select='gt(scene,${score})',metadata=print:file='pipe\\:1'`;
    const args = [
      ...["-nostdin", ...input(path, "cut"), "-an", "-sn", "-dn", "-filter_complex"],
      ...[
        `[0:${stream}]setpts=PTS-STARTPTS,split[a][b];[a]${SMALL},${shown}[cuts];[b]select='not(mod(n,25))',${SMALL},format=gray[life]`,
      ],
      ...[
        "-map",
        "[cuts]",
        "-f",
        "null",
        "-",
        "-map",
        "[life]",
        "-r",
        "25",
        "-f",
        "rawvideo",
        "-flush_packets",
        "1",
        "pipe:3",
      ],
    ];
    let text = "";
    for await (const chunk of outputOf({ program: "ffmpeg", args, name, care: "cut", limit: BYTES }))
      text += Buffer.from(chunk).toString("latin1");
    return [...text.matchAll(/pts_time:(\d+(?:\.\d+)?)/g)].map(([, time]) => Number(time)).filter((time) => time > 0);
  };
  return { name: `ffmpeg's scene score above ${score}`, stamp: `${stamp} ${score}`, read };
}
