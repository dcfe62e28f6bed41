// From a folder of films to shards: every stage goes through all films before the next, so that what is wrong with a file is said
// before hours of work; a film in which something is wrong is left out by name, and the others go on.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { listFolder, isTemporary, makeFolder, remove, replaceFile } from "../data/formats/disk.ts";
import { Lock } from "../data/formats/lock.ts";
import { openVideo, type Video } from "../data/footage/video.ts";
import { accountOf } from "../data/list/account.ts";
import type { ListedClip } from "../data/list/list-file.ts";
import { range } from "../data/threads/in-order.ts";
import { type Meter, Stopped, type StopRequest } from "../data/threads/long-work.ts";
import { FormatError } from "../engine/errors.ts";
import { findCuts } from "./cuts.ts";
import { type FilmFile, filmsIn } from "./films.ts";
import { neutralFault, personFault } from "./filters.ts";
import { commitShards } from "./commit.ts";
import { FilmPeople, type FrameBoxes, seeFilm, shareSeen } from "./film-people.ts";
import { type BoxFileOptions, peopleBeside } from "./people.ts";
import type { Detector } from "./onnx-detector.ts";
import type { SubjectChoice } from "./subject.ts";
import { Records } from "./records.ts";
import { type FilmReport, type Ingested, totalsOf } from "./report.ts";
import { neutralScore, type Scorer } from "./sentiment.ts";
import { ShardMaker } from "./shards.ts";
import type { SplitOptions } from "./splits.ts";
import { type Candidate, type ToldFilm, toldFilm, type ToldOptions } from "./told.ts";

export interface IngestOptions extends ToldOptions, SplitOptions, BoxFileOptions {
  readonly scorer: Scorer;
  /** ffmpeg's scene score of a cut; 0 seeks none. */
  readonly scene: number;
  readonly side: number;
  readonly perShard: number;
  readonly subject: SubjectChoice;
  /** Boxes of at most this confidence count as nobody. */
  readonly minConfidence: number;
  /** Seeks people where no file tells of them. */
  readonly detector?: Detector;
}

/** The phases that the meter hears of. */
export const ingestPhases = ["read films", "score sentences", "find cuts", "find people", "write shards"] as const;

/**
 * Makes the shards of a folder's films, or goes on with them, in the folder `out`; its folder `work` holds the stages' records.
 * Stopped is thrown where somebody asks to stop. Errors: FormatError where no clip comes of any film.
 */
export async function ingestFilms(
  folder: string,
  out: string,
  options: IngestOptions,
  meter: Meter,
  stop: StopRequest,
): Promise<Ingested> {
  const { films, passedOver } = await filmsIn(folder);
  const work = join(out, "work");
  await makeFolder(work);
  const lock = await Lock.take(work, (line) => meter.say(line));
  try {
    for (const name of await listFolder(work)) if (isTemporary(name)) await remove(join(work, name));
    const ingest = new Ingest(out, options, meter, stop);
    return await ingest.complete(films, passedOver);
  } finally {
    await lock.release();
  }
}

/** A film that goes through the stages. */
interface Film {
  readonly file: FilmFile;
  readonly records: Records;
  open(): Promise<Video>;
  told?: ToldFilm;
  /** Logits of the candidates. */
  logits?: readonly (readonly number[])[];
  cuts?: readonly number[];
  people?: FilmPeople;
  report?: FilmReport;
  fault?: string;
}

class Ingest {
  private readonly work: string;
  private readonly shards: ShardMaker;

  constructor(
    private readonly out: string,
    private readonly options: IngestOptions,
    private readonly meter: Meter,
    private readonly stop: StopRequest,
  ) {
    this.work = join(out, "work");
    this.shards = new ShardMaker({ unfinished: this.work, finished: out }, options, stop);
  }

  async complete(files: readonly FilmFile[], passedOver: number): Promise<Ingested> {
    const films = files.map((file) => this.filmOf(file));
    for (const film of films) if (film.file.fault !== undefined) this.leaveOut(film, new FormatError(film.file.fault));
    await this.each("read films", films, (film) => this.read(film));
    await replaceFile(join(this.work, "sentences.txt"), sentencesFile(films));
    await this.score(films);
    await this.each("find cuts", films, (film) => this.findCuts(film));
    await this.findPeople(films);
    await this.makeShards(films);
    const reports = films.flatMap(({ report }) => report ?? []);
    const leftOut = films.flatMap(({ file, fault }) => (fault === undefined ? [] : [{ film: file.name, why: fault }]));
    if (reports.every(({ shards }) => shards.length === 0)) throw new FormatError(noClip(this.out, reports, leftOut));
    const splits = await commitShards(this.out, this.work, reports, this.options);
    return { films: reports, leftOut, passedOver, splits, sentiment: this.options.scorer.about };
  }

  private filmOf(file: FilmFile): Film {
    let opened: Promise<Video> | undefined;
    const open = () => (opened ??= openVideo(file.path));
    return { file, open, records: new Records(join(this.work, file.key.replaceAll("/", "="))) };
  }

  /** A stage over all films that nothing is wrong with so far. */
  private async each(phase: string, films: readonly Film[], stage: (film: Film) => Promise<void>): Promise<void> {
    const good = films.filter(({ fault }) => fault === undefined);
    this.meter.start(phase, good.length);
    for (const [i, film] of good.entries()) {
      if (this.stop.requested !== undefined) throw new Stopped();
      await stage(film).catch((error: unknown) => this.leaveOut(film, error));
      this.meter.at(i + 1, film.file.name);
    }
  }

  private leaveOut(film: Film, error: unknown): void {
    if (!(error instanceof FormatError)) throw error;
    film.fault = error.message;
    this.meter.say(`left out: ${error.message}`);
  }

  private async read(film: Film): Promise<void> {
    film.told = await toldFilm(film.file, film.open, film.records, this.options);
    for (const note of film.told.notes) this.meter.say(`${film.file.name}: ${note}`);
    for (const [kind, { count, first }] of Object.entries(film.told.faults))
      this.meter.say(`${film.told.words}: ${count} cues ${kind}; the first: ${first}`);
  }

  /** What the scorer refuses is no fault of a film. */
  private async score(films: readonly Film[]): Promise<void> {
    const { scorer } = this.options;
    const told = films.filter(({ fault }) => fault === undefined);
    const all = told.reduce((sum, { told }) => sum + told!.candidates.length, 0);
    this.meter.start("score sentences", all);
    let done = 0;
    for (const film of told) {
      if (this.stop.requested !== undefined) throw new Stopped();
      const texts = film.told!.candidates.map(({ text }) => text);
      film.logits = await film.records.keep("sentiment", [scorer.id, texts], () => scorer.score(texts));
      this.meter.at((done += texts.length));
    }
  }

  private async findCuts(film: Film): Promise<void> {
    const source = await findCuts(film.file, film.told!.facts.stream, this.options.scene);
    film.cuts = await film.records.keep("cuts", source.stamp, () => source.read());
  }

  /** Only sentences that nothing is wrong with so far are looked at. */
  private async findPeople(films: readonly Film[]): Promise<void> {
    const good = films.filter(({ fault }) => fault === undefined);
    const looks = new Map(good.map((film) => [film, this.looksOf(film)]));
    this.meter.start(
      "find people",
      [...looks.values()].reduce((sum, { length }) => sum + length, 0),
    );
    let done = 0;
    for (const [film, wanted] of looks) {
      if (this.stop.requested !== undefined) throw new Stopped();
      const at = (n: number) => this.meter.at(done + n, film.file.name);
      await this.peopleOf(film, wanted, at).catch((error: unknown) => this.leaveOut(film, error));
      done += wanted.length;
    }
  }

  private looksOf({ told, logits }: Film): number[] {
    const kept = told!.candidates.filter((_, i) => this.neutralFault(logits![i]) === undefined);
    const looks = kept.flatMap(({ looks: { first, last } }) => [...range(first, last + 1)]);
    return [...new Set(looks)].sort((a, b) => a - b);
  }

  private async peopleOf(film: Film, looks: readonly number[], at: (done: number) => void): Promise<void> {
    const { file, told, open, records, cuts } = film;
    const { detector, fps, minConfidence } = this.options;
    const source = (await peopleBeside(file, told!.facts, open, this.options)) ?? detector?.of(open, fps);
    if (!source) return;
    const sight = await seeFilm(source, looks, records, this.stop, at);
    film.people = new FilmPeople(source.name, sight, cuts!, fps, minConfidence);
    for (const note of film.people.notes(looks.length)) this.meter.say(note);
  }

  private async makeShards(films: readonly Film[]): Promise<void> {
    const good = films.filter(({ fault }) => fault === undefined);
    const chosen: ({ film: Film } & Chosen)[] = [];
    for (const film of good) chosen.push({ film, ...(await this.choose(film)) });
    this.meter.start(
      "write shards",
      chosen.reduce((sum, { clips }) => sum + clips.length, 0),
    );
    let done = 0;
    for (const { film, clips, dropped, boxes } of chosen) {
      const { file, told, records, open } = film;
      const stamp = createHash("sha256")
        .update(JSON.stringify([file.stamp, clips, boxes]))
        .digest("hex");
      const made = await this.shards.shardsOf({ key: file.key, stamp, clips, records, open }, (n) =>
        this.meter.at(done + n, file.name),
      );
      this.meter.at((done += clips.length));
      for (const { message } of made.dropped) this.meter.say(`dropped: ${message}`);
      for (const { kind } of made.dropped) dropped[kind] = (dropped[kind] ?? 0) + 1;
      film.report = reportOf(told!, film, clips, dropped, made);
    }
  }

  /** The sentences that pass the filters, as clips. */
  private async choose({ file, told, logits, people, open }: Film): Promise<Chosen> {
    const chosen: Chosen = { clips: [], dropped: { ...told!.dropped }, boxes: [] };
    for (const [i, candidate] of told!.candidates.entries()) {
      const { looks } = candidate;
      const neutral = this.neutralFault(logits![i]);
      const subject = neutral ? undefined : people?.subject(this.options.subject, looks, told!.facts);
      const fault = neutral ?? personFault(subject && shareSeen(subject), this.options);
      if (fault) {
        chosen.dropped[fault] = (chosen.dropped[fault] ?? 0) + 1;
        continue;
      }
      const boxes = subject && (await people!.inFrames(subject, looks, open));
      chosen.clips.push({ ...this.clipOf(file, candidate, logits![i]), ...(boxes && { boxes: boxes.of }) });
      chosen.boxes.push(boxes?.values);
    }
    return chosen;
  }

  private neutralFault(logits: readonly number[]): string | undefined {
    return neutralFault(this.options.scorer.tells ? neutralScore(logits) : undefined, this.options);
  }

  private clipOf(file: FilmFile, { number, text, looks }: Candidate, logits: readonly number[]): ListedClip {
    const { fps } = this.options;
    return {
      ...{ where: `${file.name}: sentence ${number}`, row: number, key: `${file.key}/${number}` },
      ...{ path: file.name, source: file.path, isFolder: false, split: "train", categories: [] },
      ...{ start: looks.first / fps, end: (looks.last + 1) / fps, caption: text, sentiment: logits },
    };
  }
}

/** The clips of a film; boxes as plain values, since a clip holds a function of them. */
interface Chosen {
  readonly clips: ListedClip[];
  readonly dropped: Record<string, number>;
  readonly boxes: (FrameBoxes["values"] | undefined)[];
}

function noClip(out: string, films: readonly FilmReport[], leftOut: Ingested["leftOut"]): string {
  const dropped = Object.entries(totalsOf(films).dropped).map(([reason, n]) => `${n} ${reason}`);
  return [
    `${out}: no clip came of ${films.length + leftOut.length} films`,
    ...(leftOut.length > 0 ? [`${leftOut.length} were left out, the first: ${leftOut[0].why}`] : []),
    ...(dropped.length > 0 ? [`sentences were dropped: ${dropped.join(", ")}`] : []),
  ].join("; ");
}

/** All sentences that want logits, for who scores them elsewhere. */
const sentencesFile = (films: readonly Film[]): string =>
  films.flatMap(({ told }) => told?.candidates.map(({ text }) => `${text}\n`) ?? []).join("");

function reportOf(
  { facts, words, notes, faults, sentences }: ToldFilm,
  { file, cuts, people }: Film,
  clips: readonly ListedClip[],
  dropped: Readonly<Record<string, number>>,
  { shards, dropped: unfit }: { shards: FilmReport["shards"]; dropped: Parameters<typeof accountOf>[0] },
): FilmReport {
  return {
    ...{ film: file.name, words, seconds: facts.seconds, notes, faults, sentences, dropped, shards },
    ...{ kept: clips.length - unfit.length, cuts: cuts?.length ?? 0, unfit: accountOf(unfit).first },
    durations: clips.map(({ start, end }) => end! - start),
    ...(people && { people: people.report }),
  };
}
