// Files of subtitles -> cues: SubRip and WebVTT, read by the package media-captions. Of what it passes over without a word, lines
// of times are counted here, so that nothing is lost in silence.
import { parseText } from "media-captions";
import { unescapeHtml } from "../data/tokenizer/html.ts";
import { FormatError } from "../engine/errors.ts";
import { type Cue, type CueFile, MOST_CUES } from "./cues.ts";

/** Blocks given to the package at once: its time grows with their square. */
const PIECE = 400;

/** The cues of a text, in the order of the file; cues that cannot be read are faults by line. */
export async function readCaptions(text: string, type: "srt" | "vtt", name: string): Promise<CueFile> {
  const lines = text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/);
  if (type === "vtt" && !/^WEBVTT([ \t]|$)/.test(lines[0]))
    throw new FormatError(`${name}: does not begin with WEBVTT; expected a WebVTT file`);
  const blocks = blocksIn(type === "vtt" ? lines.slice(1) : lines);
  const timed = blocks.filter((block) => block.lines.some(isTiming));
  if (timed.length > MOST_CUES)
    throw new FormatError(`${name}: has ${timed.length} cues, allowed are ${MOST_CUES}; is it of one film?`);
  const cues: Cue[] = [];
  const faults: string[] = [];
  for (let at = 0; at < timed.length; at += PIECE) {
    const piece = timed.slice(at, at + PIECE);
    cues.push(...(await parsed(piece, type)));
    faults.push(...piece.flatMap((block) => faultOf(block, name) ?? []));
  }
  if (cues.length === 0 && faults.length === 0) throw new FormatError(`${name}: has no cue`);
  return { cues, unread: faults };
}

/** Lines that stand together. */
interface Block {
  /** Number of the first, from 1. */
  readonly line: number;
  readonly lines: readonly string[];
}

function blocksIn(lines: readonly string[]): Block[] {
  const found: { line: number; lines: string[] }[] = [];
  let isOpen = false;
  for (const [i, line] of lines.entries()) {
    if (line.trim() === "") isOpen = false;
    else if (isOpen && !isTiming(line)) found.at(-1)!.lines.push(line);
    else if (isOpen && !found.at(-1)!.lines.some(isTiming)) found.at(-1)!.lines.push(line);
    else {
      found.push({ line: i + 1, lines: [line] });
      isOpen = true;
    }
  }
  return found;
}

const isTiming = (line: string): boolean => /^\s*[\d:.,]+\s*-{1,2}>/.test(line);
const TIMES = /^\s*((?:\d+:)?[0-5]?\d:[0-5]?\d[.,]\d{1,3})\s*-->\s*((?:\d+:)?[0-5]?\d:[0-5]?\d[.,]\d{1,3})/;

/** Why a cue is none: its times are not two of hours, minutes and seconds, or run backwards. */
function faultOf({ line, lines }: Block, name: string): string | undefined {
  const at = lines.findIndex(isTiming);
  const times = TIMES.exec(lines[at]);
  const where = `${name}: line ${line + at}`;
  if (!times) return `${where}: ${JSON.stringify(lines[at].slice(0, 60))} are no times`;
  return secondsOf(times[2]) <= secondsOf(times[1]) ? `${where}: runs backwards or lasts no time` : undefined;
}

const secondsOf = (text: string): number =>
  text
    .replace(",", ".")
    .split(":")
    .reduce((sum, part) => 60 * sum + Number(part), 0);

async function parsed(blocks: readonly Block[], type: "srt" | "vtt"): Promise<Cue[]> {
  const good = blocks.filter((block) => faultOf(block, "") === undefined);
  const text = good.map(({ lines }) => lines.slice(lines.findIndex(isTiming)).join("\n")).join("\n\n");
  const { cues } = await parseText(type === "vtt" ? `WEBVTT\n\n${text}\n` : `${text}\n`, { type, strict: false });
  return cues.map(({ startTime, endTime, text }) => ({ start: startTime, end: endTime, lines: plainLines(text) }));
}

/** A cue's lines without tags, styles and the dashes of two who speak. */
function plainLines(text: string): string[] {
  const bare = unescapeHtml(text.replace(/<[^<>]{0,200}>/g, "").replace(/\{\\[^{}]{0,200}\}/g, ""));
  return bare.split("\n").map((line) => line.replace(/^\s*[-–—]\s*/, "").trim());
}
