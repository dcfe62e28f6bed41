// Files with small damage, for fuzz tests of readers.
import fc from "fast-check";

/** One of the seeds with one to eight changes: flip, set, delete, insert, duplicate, cut. */
export const mutatedOf = (seeds: readonly Uint8Array[]): fc.Arbitrary<Uint8Array<ArrayBuffer>> =>
  fc
    .tuple(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(5), fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(255)), {
        minLength: 1,
        maxLength: 8,
      }),
    )
    .map(([seed, changes]) => {
      let bytes = [...seed];
      for (const [kind, where, value] of changes) {
        const place = Math.floor(where * bytes.length);
        if (kind === 0 && bytes.length) bytes[place] ^= 1 << (value & 7);
        else if (kind === 1 && bytes.length) bytes[place] = value;
        else if (kind === 2) bytes.splice(place, 1 + (value & 3));
        else if (kind === 3) bytes.splice(place, 0, value);
        else if (kind === 4) bytes.splice(place, 0, ...bytes.slice(place, place + (value & 31)));
        else bytes = bytes.slice(0, place);
      }
      return Uint8Array.from(bytes);
    });
