// How far the work is, on stderr: one line that is redrawn on a terminal, a plain line every few seconds elsewhere.
import { performance } from "node:perf_hooks";
import type { Meter } from "../../data/threads/long-work.ts";
import { visible } from "./streams.ts";

/** The part of a stream that progress needs; process.stderr is one. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** A part of the work: its name, and the seconds it is expected to take until it has been measured. */
export type Phase = readonly [name: string, seconds: number];

export interface ProgressOptions {
  readonly phases: readonly Phase[];
  readonly stream?: Terminal;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
  /** Seconds between plain lines where the stream is no terminal. */
  readonly every?: number;
}

const REDRAW_MS = 100;

/** Progress over the phases of a job, with the time left until its end. */
export class Progress implements Meter {
  private readonly phases: readonly Phase[];
  private readonly stream: Terminal;
  private readonly now: () => number;
  private readonly wait: number;
  private current = -1;
  private began = 0;
  private total = 1;
  private done = 0;
  /** Units that were done when this process began the phase. */
  private first = 0;
  private shownAt = Number.NEGATIVE_INFINITY;
  private drawn = false;
  /** Seconds that finished phases took, and were expected to take. */
  private readonly spent = { real: 0, expected: 0 };

  constructor({ phases, stream = process.stderr, now = () => performance.now(), every = 5 }: ProgressOptions) {
    this.phases = phases;
    this.stream = stream;
    this.now = now;
    this.wait = stream.isTTY ? REDRAW_MS : every * 1000;
  }

  /**
   * Begins the next phase `name` of `total` units; the one before is finished. `done` of them may be from an earlier run. Where there is
   * no such phase ahead, the last one of that name begins anew: work that lost its GPU.
   */
  start(name: string, total: number, done = 0): void {
    this.finishPhase();
    const ahead = this.phases.findIndex(([phase], i) => i > this.current && phase === name);
    const next = ahead >= 0 ? ahead : this.phases.map(([phase]) => phase).lastIndexOf(name);
    if (next < 0) throw new Error(`progress: no phase "${name}"; known: ${this.phases.map(([n]) => n).join(", ")}`);
    this.current = next;
    [this.total, this.done, this.first] = [total, done, done];
    this.began = this.now();
    this.draw("", true);
  }

  /** `done` units of the phase are finished; `facts` is what else the line says, as in "loss 3.21". */
  at(done: number, facts = ""): void {
    this.done = done;
    this.draw(visible(facts), false);
  }

  /** Prints a line that stays. */
  say(line: string): void {
    this.clear();
    this.stream.write(`${visible(line)}\n`);
  }

  /** Ends the job; the line disappears from a terminal. */
  end(): void {
    this.finishPhase();
    this.current = -1;
    this.clear();
  }

  /** Seconds until the job ends: this phase at its measured speed, the later ones as expected, corrected by what came before. */
  secondsLeft(): number {
    const passed = (this.now() - this.began) / 1000;
    const expected = this.phases[this.current][1];
    const left = (this.total - this.done) / Math.max(1, this.total - this.first);
    const measured =
      this.done > this.first ? (passed / (this.done - this.first)) * (this.total - this.done) : undefined;
    const later = this.phases.slice(this.current + 1).reduce((sum, [, seconds]) => sum + seconds, 0);
    const slow = this.spent.expected > 0 ? this.spent.real / this.spent.expected : 1;
    return (measured ?? Math.max(0, expected * slow * left - passed)) + later * slow;
  }

  private finishPhase(): void {
    if (this.current < 0) return;
    this.spent.real += (this.now() - this.began) / 1000;
    this.spent.expected += this.phases[this.current][1];
  }

  private draw(facts: string, must: boolean): void {
    const now = this.now();
    if (!must && now - this.shownAt < this.wait) return;
    this.shownAt = now;
    const [name] = this.phases[this.current];
    const share = this.total > 0 ? Math.min(1, this.done / this.total) : 1;
    const counts = `${this.done}/${this.total}`;
    const left = `${clock(this.secondsLeft())} left`;
    const where = `[${this.current + 1}/${this.phases.length}] ${name}`;
    if (!this.stream.isTTY) {
      this.stream.write(`${[where, counts, `${Math.floor(share * 100)} %`, facts, left].filter(Boolean).join("  ")}\n`);
      return;
    }
    const line = [where, bar(share), counts, left, facts].filter(Boolean).join("  ");
    this.stream.write(`\r\x1b[2K${line.slice(0, (this.stream.columns ?? 80) - 1)}`);
    this.drawn = true;
  }

  private clear(): void {
    if (!this.drawn) return;
    this.stream.write("\r\x1b[2K");
    this.drawn = false;
  }
}

/** Progress that somebody else shows. */
export const silence: Meter & Pick<Progress, "end"> = { start() {}, at() {}, say() {}, end() {} };

const WIDTH = 20;
const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A bar of 20 cells, exact to an eighth of one. */
export function bar(share: number): string {
  const filled = Math.round(share * WIDTH * 8);
  return `${"█".repeat(filled >> 3)}${eighths[filled & 7]}`.padEnd(WIDTH, "·");
}

/** 75 is "1:15", 3675 is "1:01:15". */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
