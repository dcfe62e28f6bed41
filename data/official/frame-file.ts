// frames.hdf5: every frame of one video as JPEG bytes, a data set each, named by its number.
import { FormatError } from "../../engine/errors.ts";
import { fileLimits } from "../sets/files.ts";
import { inside } from "../formats/inside.ts";
import { type Hdf5File, openHdf5 } from "../formats/hdf5.ts";

/** Frames of one file: 35 hours at 8 a second. */
const MOST_FRAMES = 1_000_000;

/** `00000017.jpg`, the name of frame 17 in files of frames and of boxes. */
export function frameNamed(frame: number): string {
  return `${String(frame).padStart(8, "0")}.jpg`;
}

/** The frames of one video. Close it. */
export class FrameFile {
  private constructor(private readonly file: Hdf5File) {}

  /** Opens the file `name` below `root`; other names than of frames in it are left alone. */
  static async open(root: string, name: string): Promise<FrameFile> {
    const path = inside(root, name, name.slice(name.lastIndexOf("/") + 1));
    return new FrameFile(await openHdf5(path));
  }

  /** The numbers of its frames, ascending. */
  numbers(): number[] {
    const names = this.file.names();
    if (names.length > MOST_FRAMES)
      throw new FormatError(`${this.file.name}: ${names.length} frames; at most ${MOST_FRAMES} are allowed`);
    return names
      .filter((name) => /^\d{8}\.jpg$/.test(name))
      .map((name) => Number(name.slice(0, 8)))
      .sort((a, b) => a - b);
  }

  /** The encoded picture of a frame. */
  read(frame: number): Uint8Array {
    return this.file.read(frameNamed(frame), fileLimits.picture);
  }

  close(): void {
    this.file.close();
  }
}
