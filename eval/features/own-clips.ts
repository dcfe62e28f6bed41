// Clips of somebody's own list, as features are made of them: folders of frames as face clips are shown, films evenly spaced.
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import type { FaceView } from "../../data/faces/clips.ts";
import { readFootage } from "../../data/footage/footage.ts";
import { quoted } from "../../data/formats/json.ts";
import { footageResize } from "../../data/pixels/view.ts";
import { FormatError } from "../../engine/errors.ts";
import type { ClipsToShow } from "./clips.ts";
import { faceClips } from "./face-clips.ts";

const PICTURE = /\.(jpe?g|png|webp)$/i;

/** What a path of a list is. */
type Found =
  | { readonly kind: "folder"; readonly frames: readonly string[] }
  | { readonly kind: "film" }
  | { readonly kind: "none" };

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
      if (each.kind === "none") throw new FormatError(`${quoted(paths[i])} is neither a folder of pictures nor a film`);
      return faces.show(i);
    },
    told: (i) => (found[i].kind === "folder" ? faces.told(i) : { what: paths[i], files: [places[i]] }),
  };
  const count = (kind: Found["kind"]) => found.filter((each) => each.kind === kind).length;
  return { clips, counts: { folder: count("folder"), film: count("film"), none: count("none") } };
}

async function look(place: string): Promise<Found> {
  const info = await stat(place).catch(() => undefined);
  if (info?.isFile()) return { kind: "film" };
  const names = info?.isDirectory() ? await readdir(place) : [];
  const frames = names.filter((name) => PICTURE.test(name) && !name.startsWith(".")).sort();
  return frames.length > 0 ? { kind: "folder", frames } : { kind: "none" };
}
