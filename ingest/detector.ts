// A detector that the user has, as a source of people: pictures are brought to its input, its answers to boxes of the picture.
import type { Video } from "../data/footage/video.ts";
import type { FilmFile } from "./films.ts";
import type { PeopleSource } from "./seen.ts";

/** Finds people in the frames of films. */
export interface Detector {
  of(film: FilmFile, open: () => Promise<Video>, fps: number): PeopleSource;
}
