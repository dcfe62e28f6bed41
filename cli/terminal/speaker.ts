// How this process ends, and which of several it is: ranks of a job end together, and say who speaks.
import { stripVTControlCharacters } from "node:util";

let way = (code: number): void => process.exit(code);
let speaker: number | undefined;

/** Ends the process with an exit code; a rank of a job takes the others along. */
export const endProcess = (code: number): void => way(code);

/** From now on `endProcess` ends the process in another way; without one, by itself again. */
export function endProcessBy(other: ((code: number) => void) | undefined): void {
  way = other ?? ((code) => process.exit(code));
}

/** From now on this process is rank `rank` of several: rank 0 alone tells how the work goes on, and errors name their rank. */
export function speakAs(rank: number): void {
  speaker = rank;
}

/** What all ranks would say alike is rank 0's to say. */
export const isSilent = (): boolean => (speaker ?? 0) > 0;

/** An error's text, with who says it where there are several: without colours, for Open MPI gives its ranks a terminal whatever it has itself. */
export const spoken = (text: string): string =>
  speaker === undefined ? text : `[rank ${speaker}] ${stripVTControlCharacters(text)}`;

/** ms for which a rank above 0 waits with its error: what befalls all is said once, by rank 0. */
export const turn = (): number => (isSilent() ? 500 : 0);
