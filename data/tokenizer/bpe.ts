// Byte-pair merging of one word. Time grows as n log n, so a word of a hundred kilobytes is no attack.
import { pairKey, type Vocabulary } from "./vocabulary.ts";

const none = -1;
/** Positions in a word; a heap entry is rank · 2^30 + position. */
const positions = 2 ** 30;

/**
 * Merges the symbols of a word as the official loop does: of all neighbours the pair of lowest rank, everywhere it occurs, from
 * left to right; then again.
 */
export function mergeWord(word: readonly number[], { ranks, merged }: Pick<Vocabulary, "ranks" | "merged">): number[] {
  const ids = Int32Array.from(word);
  const next = Int32Array.from(word, (_, i) => (i + 1 < word.length ? i + 1 : none));
  const before = Int32Array.from(word, (_, i) => i - 1);
  const heap: number[] = [];
  const rankAt = (left: number) =>
    left === none || ids[left] === none || next[left] === none
      ? undefined
      : ranks.get(pairKey(ids[left], ids[next[left]]));
  const offer = (left: number) => {
    const rank = rankAt(left);
    if (rank !== undefined) push(heap, rank * positions + left);
  };
  for (let i = 0; i < word.length; i++) offer(i);

  while (heap.length > 0) {
    // One round takes every place of one rank: pairs that it makes compete only afterwards, whatever their rank.
    const rank = Math.floor(heap[0] / positions);
    const made: number[] = [];
    while (heap.length > 0 && Math.floor(heap[0] / positions) === rank) {
      const left = pop(heap) % positions;
      if (rankAt(left) !== rank) continue; // an earlier merge took one of the two
      const right = next[left];
      ids[left] = merged[rank];
      ids[right] = none;
      next[left] = next[right];
      if (next[left] !== none) before[next[left]] = left;
      made.push(left);
    }
    for (const left of made) {
      offer(before[left]);
      offer(left);
    }
  }
  return [...ids].filter((id) => id !== none);
}

function push(heap: number[], value: number): void {
  let at = heap.push(value) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (heap[parent] <= value) break;
    heap[at] = heap[parent];
    at = parent;
  }
  heap[at] = value;
}

function pop(heap: number[]): number {
  const least = heap[0];
  const value = heap.pop()!;
  if (heap.length === 0) return least;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && heap[child + 1] < heap[child]) child++;
    if (heap[child] >= value) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = value;
  return least;
}
