// What stages have found, kept beside the shards: a record says what it was made of, so that it is made anew only where that has
// changed. One that is cut off, or that somebody changed, counts as none.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { orMissing } from "../data/formats/cause.ts";
import { makeFolder, replaceFile } from "../data/formats/disk.ts";

const sumOf = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Changes where stages find something else of the same inputs. */
const VERSION = 2;

/** The records of one film. */
export class Records {
  /** Stages that were made in this run, and that were there. */
  readonly made: string[] = [];
  readonly found: string[] = [];

  constructor(private readonly folder: string) {}

  /** What `stage` has found of these inputs, or finds now. Values go through JSON. */
  async keep<T>(stage: string, inputs: unknown, make: () => Promise<T>): Promise<T> {
    const plan = sumOf(JSON.stringify([VERSION, stage, inputs]));
    const known = await this.recall<T>(stage, plan);
    if (known) {
      this.found.push(stage);
      return known.value;
    }
    const text = JSON.stringify(await make());
    await makeFolder(this.folder);
    await replaceFile(this.pathOf(stage), `${JSON.stringify({ stage, plan, sha256: sumOf(text) })}\n${text}\n`);
    this.made.push(stage);
    return JSON.parse(text) as T;
  }

  private pathOf(stage: string): string {
    return join(this.folder, `${stage}.json`);
  }

  private async recall<T>(stage: string, plan: string): Promise<{ value: T } | undefined> {
    const path = this.pathOf(stage);
    const text = (await readFile(path).catch(orMissing(path)))?.toString("utf8") ?? "";
    const end = text.indexOf("\n");
    try {
      const head = JSON.parse(text.slice(0, end)) as { plan: string; sha256: string };
      const body = text.slice(end + 1, -1);
      return head.plan === plan && head.sha256 === sumOf(body) ? { value: JSON.parse(body) as T } : undefined;
    } catch {
      return undefined; // cut off
    }
  }
}
