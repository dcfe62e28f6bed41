// Several sets of clips as one, whose clips are numbered through, each shown by its factor.
import { type Share, sharesOf } from "../sampling.ts";
import type { ClipPlace } from "../showing.ts";
import type { ClipSet } from "../shards/batch.ts";

/** A set among several. */
interface Part {
  readonly name: string;
  readonly set: ClipSet;
  /** How often an epoch shows each of its clips. */
  readonly factor: number;
}

/** What an epoch shows of a part: of one that is several itself, of each of those. */
export const sharesOfPart = ({ set, factor }: Pick<Part, "set" | "factor">): readonly Share[] =>
  sharesOf(set).map((share) => ({ ...share, factor: factor * share.factor }));

/** Their labels are of one kind for none of them to be mistaken: there are none. */
export class Several implements ClipSet {
  readonly categories: readonly string[] = [];
  readonly shares: readonly Share[];
  readonly samples: number;

  constructor(private readonly parts: readonly Part[]) {
    this.shares = parts.flatMap(sharesOfPart);
    this.samples = this.shares.reduce((sum, { samples }) => sum + samples, 0);
  }

  nameOf(i: number): string {
    const { part, at } = this.find(i);
    return this.parts.length > 1 ? `${part.name}: ${part.set.nameOf(at)}` : part.set.nameOf(at);
  }

  placeOf(i: number): ClipPlace {
    const { part, at } = this.find(i);
    return part.set.placeOf(at);
  }

  private find(i: number): { part: Part; at: number } {
    let at = i;
    let k = 0;
    while (at >= this.parts[k].set.samples) at -= this.parts[k++].set.samples;
    return { part: this.parts[k], at };
  }
}
