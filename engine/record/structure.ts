// A segment's structure as integers, written while it is recorded: two segments of equal structure run the same plan.
// Numbers of attributes are not in it; they are data.
import type { CompiledPass } from "../declare/op.ts";

const words = new Map<string, number>();
const passes = new Map<CompiledPass, number>();

/** A number for each key, the same for the life of the process. */
function codeIn<K>(codes: Map<K, number>, key: K): number {
  let code = codes.get(key);
  if (code === undefined) codes.set(key, (code = codes.size));
  return code;
}

/** Grows by doubling; cheaper than an array of numbers when compared element by element. */
export class Structure {
  #items = new Int32Array(1024);
  #length = 0;

  push(value: number): void {
    if (this.#length === this.#items.length) {
      const more = new Int32Array(2 * this.#length);
      more.set(this.#items);
      this.#items = more;
    }
    this.#items[this.#length++] = value;
  }

  word(word: string): void {
    this.push(codeIn(words, word));
  }

  pass(pass: CompiledPass): void {
    this.push(codeIn(passes, pass));
  }

  get integers(): Int32Array {
    return this.#items.subarray(0, this.#length);
  }
}
