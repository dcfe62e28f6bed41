// Ranks over MPI, both families, with 1, 2 and 4 of them: words, sums, and the ends that a job can come to.
import { resolve } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { coverLaunchers, type Launcher, launchers, runRanks } from "../../kit/ranks.ts";

const PROGRAM = resolve("dist", "test-ranks.js");

/** Findings of every rank, in the order of the ranks. */
async function found<T>(launcher: Launcher, ranks: number, ...words: string[]) {
  const { code, stdout, stderr } = await runRanks(launcher, ranks, PROGRAM, words);
  assert.is(code, 0, stderr);
  const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
  return lines
    .map((line) => JSON.parse(line) as T & { rank: number; size: number; local: number })
    .sort((a, b) => a.rank - b.rank);
}

const exact = suite("words and sums");
coverLaunchers(exact);

for (const launcher of launchers) {
  for (const ranks of [2, 4])
    exact(`${launcher.family}: ${ranks} ranks hear each other`, async () => {
      const all = await found<{ gathered: string[]; told: string; about: string }>(launcher, ranks, "words");
      assert.equal(
        all.map(({ rank, size, local }) => [rank, size, local]),
        Array.from({ length: ranks }, (_, i) => [i, ranks, i]),
      );
      const want = Array.from({ length: ranks }, (_, i) => `of ${i} ${"-".repeat(100 * i)}`);
      for (const { gathered, told, about } of all) {
        assert.equal(gathered, want);
        assert.is(told, "from 0");
        assert.ok(about.startsWith(`${launcher.family} `), about);
      }
    });

  exact(
    `${launcher.family}: arrays are added up in the order of the ranks, to the bit, on every rank alike`,
    async () => {
      for (const ranks of [2, 3]) {
        const all = await found<{ worst: number; arrays: number; bits: string }>(launcher, ranks, "sums");
        for (const each of all) assert.equal([each.worst, each.arrays, each.bits], [0, 4, all[0].bits]);
      }
    },
  );
}

if (launchers.length > 0) {
  const [first] = launchers;
  exact("adding up leaves the main thread no longer than 5 ms at a time, of processor time", async () => {
    for (const wire of ["f32", "f16"])
      for (const { longest } of await found<{ longest: number }>(first, 2, "turns", wire))
        assert.ok(longest > 0 && longest <= 5, `${wire}: ${longest} ms`);
  });

  exact("in halves a sum is off by the rounding of halves, and the same on every rank", async () => {
    const all = await found<{ worst: number; bits: string }>(first, 2, "sums", "f16");
    for (const { worst, bits } of all) {
      assert.is(bits, all[0].bits);
      // three roundings of values up to 2/3, each to 11 bits: at most 3 · 2/3 · 2^-12
      assert.ok(worst > 0 && worst <= 2 ** -11, `${worst}`);
    }
  });
}

if (launchers.length === 2)
  exact("a library of the other family is refused before anybody trains alone", async () => {
    const [open, mpich] = launchers;
    for (const [launcher, path] of [
      [open, "libmpich.so.12"],
      [mpich, "libmpi.so.40"],
    ] as const) {
      const { code, stderr } = await runRanks(launcher, 2, PROGRAM, ["words", "f32", path]);
      assert.is(code, 2, stderr);
      assert.match(stderr, `--mpi: ${path} cannot be used: ${launcher.family} started this`);
    }
  });

exact.run();

const ends = suite("ends");

for (const launcher of launchers) {
  ends(`${launcher.family}: a rank that fails ends the job with its reason and its exit code`, async () => {
    const { code, stderr, seconds } = await runRanks(launcher, 2, PROGRAM, ["fails"]);
    assert.is(code, 6, stderr);
    assert.match(stderr, "[rank 1] this rank cannot go on");
    assert.ok(seconds < 60, `${seconds}`);
  });

  ends(`${launcher.family}: a rank that is killed ends the job, and the launcher names it`, async () => {
    const { code, stdout, stderr } = await runRanks(launcher, 3, PROGRAM, ["killed"]);
    assert.ok(code !== 0 && code !== null, stderr);
    assert.match(stdout + stderr, /rank 1 .* signal 9|PID \d+ RUNNING[\s\S]*EXIT CODE: 9/);
  });

  ends(`${launcher.family}: a rank that hangs is named by another, which ends the job`, async () => {
    const { code, stderr } = await runRanks(launcher, 3, PROGRAM, ["hang"]);
    assert.is(code, 4, stderr);
    assert.match(stderr, /\[rank 2\] rank 1 has given no sign of life for 1\d s/);
  });
}

ends.run();
