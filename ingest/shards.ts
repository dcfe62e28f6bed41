// A film's clips -> shards of its own, so that another film or a changed one leaves them as they are. A shard's name holds what it
// was made of: an index never describes another one of that name.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { Unfit } from "../data/list/account.ts";
import { ClipMaker, type StoredForm } from "../data/list/clip.ts";
import type { ListedClip } from "../data/list/list-file.ts";
import { foundAt } from "../data/formats/regular.ts";
import type { Video } from "../data/footage/video.ts";
import type { Clip } from "../data/shards/clip.ts";
import type { ShardEntry } from "../data/shards/index-file.ts";
import { writeShard } from "../data/shards/writer.ts";
import { inOrder } from "../data/threads/in-order.ts";
import { Stopped, type StopRequest } from "../data/threads/long-work.ts";
import type { Records } from "./records.ts";

/** Clips made at the same time. */
const AHEAD = 2;

/** A film on its way into shards. */
export interface FilmClips {
  readonly key: string;
  /** Changes with anything that the clips are made of. */
  readonly stamp: string;
  readonly clips: readonly ListedClip[];
  readonly records: Records;
  open(): Promise<Video>;
}

export interface FilmShards {
  readonly shards: readonly ShardEntry[];
  /** Clips that could not be made, by kind, and what was said of them. */
  readonly dropped: readonly Pick<Unfit, "kind" | "message">[];
}

/** Writes the shards of films; those that are finished lie in `unfinished`, or in `finished`, where the index lists them. */
export class ShardMaker {
  constructor(
    private readonly folders: { readonly unfinished: string; readonly finished: string },
    private readonly form: StoredForm & { readonly perShard: number },
    private readonly stop: StopRequest,
  ) {}

  /** `at` hears of every clip that is done. */
  async shardsOf(film: FilmClips, at: (clips: number) => void): Promise<FilmShards> {
    const { fps, side, minFrames, perShard } = this.form;
    const plan = createHash("sha256").update(JSON.stringify([film.stamp, fps, side, minFrames, perShard]));
    const name = `${film.key.replaceAll("/", "=")}-${plan.digest("hex").slice(0, 12)}`;
    const maker = new ClipMaker(this.form, 0, film.open);
    const found: FilmShards[] = [];
    for (let n = 0; n * perShard < film.clips.length; n++) {
      const clips = film.clips.slice(n * perShard, (n + 1) * perShard);
      found.push(await this.shard(`${name}-${String(n).padStart(5, "0")}.tar`, clips, maker, film, at));
      at(Math.min(film.clips.length, (n + 1) * perShard));
    }
    return { shards: found.flatMap(({ shards }) => shards), dropped: found.flatMap(({ dropped }) => dropped) };
  }

  private async shard(
    file: string,
    clips: readonly ListedClip[],
    maker: ClipMaker,
    { records, clips: all }: FilmClips,
    at: (clips: number) => void,
  ): Promise<FilmShards> {
    const stage = `shard-${file.slice(-9, -4)}`;
    const make = async (): Promise<FilmShards> => {
      const dropped: Unfit[] = [];
      const made = this.made(clips, maker, dropped, (done) => at(all.indexOf(clips[0]) + done));
      const entry = await writeShard(this.folders.unfinished, file, made, 0);
      return { shards: entry ? [entry] : [], dropped: dropped.map(({ kind, message }) => ({ kind, message })) };
    };
    const found = await records.keep(stage, file, make);
    return found.shards.every((entry) => this.has(entry)) ? found : records.keep(stage, [file, Date.now()], make);
  }

  private has({ file, bytes }: ShardEntry): boolean {
    return Object.values(this.folders).some((folder) => foundAt(join(folder, file), file)?.size === bytes);
  }

  private async *made(
    clips: readonly ListedClip[],
    maker: ClipMaker,
    dropped: Unfit[],
    at: (done: number) => void,
  ): AsyncGenerator<Clip> {
    let done = 0;
    for await (const made of inOrder(clips, AHEAD, (clip) => maker.clipOf(clip).catch(faultOf))) {
      if (this.stop.requested !== undefined) throw new Stopped();
      at(++done);
      if (made instanceof Unfit) dropped.push(made);
      else yield made;
    }
  }
}

/** What is wrong with a clip's frames; any other error ends the work. */
function faultOf(error: unknown): Unfit {
  if (error instanceof Unfit) return error;
  throw error;
}
