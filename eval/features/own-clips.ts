// Clips of somebody's own list, as features are made of them: folders of frames as face clips are shown, films evenly spaced.
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import type { FaceView } from "../../data/faces/clips.ts";
import { isFrame } from "../../data/faces/survey.ts";
import { readFootage } from "../../data/footage/footage.ts";
import { quoted } from "../../data/formats/json.ts";
import { refuse } from "../../data/formats/regular.ts";
import { footageResize } from "../../data/pixels/view.ts";
import { FormatError } from "../../engine/errors.ts";
import type { ClipsToShow } from "./clips.ts";
import { faceClips } from "./face-clips.ts";

/** What a path of a list is. */
type Found =
  | { readonly kind: "folder"; readonly frames: readonly string[] }
  | { readonly kind: "film" }
  /** What keeps us from it, where that is more than that nothing lies there. */
  | { readonly kind: "none"; readonly fault?: NodeJS.ErrnoException };

/** Clips and how many of them are what. */
export interface OwnClips {
  readonly clips: ClipsToShow;
  readonly counts: Readonly<Record<Found["kind"], number>>;
}

/** Looks at every path, below `folder` where it is relative. What is not there cannot be shown, which is said when it is asked for. */
export async function ownClips(
  paths: readonly string[],
  folder: string,
  view: FaceView,
  { seed, whole }: { readonly seed: number; readonly whole?: boolean },
): Promise<OwnClips> {
  const places = paths.map((path) => resolve(folder, path));
  const found = await Promise.all(places.map(look));
  const faces = faceClips(
    places.map((place, i) => {
      const each = found[i];
      const frames = each.kind === "folder" ? each.frames : [];
      return {
        root: dirname(place),
        clip: { id: paths[i], folder: basename(place), label: 0, place: paths[i], frames },
      };
    }),
    view,
    seed,
  );
  const { length: frames, side } = view;
  const resize = footageResize({ side, whole });
  const clips: ClipsToShow = {
    length: paths.length,
    show: async (i) => {
      const each = found[i];
      if (each.kind === "film") return readFootage(places[i], { frames, side, resize });
      if (each.kind === "none") return refused(paths[i], each.fault);
      return faces.show(i);
    },
    told: (i) => (found[i].kind === "folder" ? faces.told(i) : { what: paths[i], files: [places[i]] }),
  };
  const count = (kind: Found["kind"]) => found.filter((each) => each.kind === kind).length;
  return { clips, counts: { folder: count("folder"), film: count("film"), none: count("none") } };
}

async function look(place: string): Promise<Found> {
  try {
    const info = await stat(place);
    if (info.isFile()) return { kind: "film" };
    const names = info.isDirectory() ? await readdir(place) : [];
    const frames = names.filter((name) => isFrame(name) && !name.startsWith(".")).sort();
    return frames.length > 0 ? { kind: "folder", frames } : { kind: "none" };
  } catch (error) {
    const fault = error as NodeJS.ErrnoException;
    return { kind: "none", ...(fault.code !== "ENOENT" && { fault }) };
  }
}

/** The system's reason, where it has one. */
function refused(path: string, fault: NodeJS.ErrnoException | undefined): never {
  if (fault) return refuse(quoted(path), fault);
  throw new FormatError(`${quoted(path)} is neither a folder of pictures nor a film`);
}
