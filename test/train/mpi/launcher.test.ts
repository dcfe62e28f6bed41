// Who started a process among others, from its environment alone.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { UsageError } from "../../../engine/errors.ts";
import { launchOf, refuseTorchrun, strangersText } from "../../../train/mpi/launcher.ts";
import { partedBy, ownSpan } from "../../../train/peers.ts";

const openMpi = { OMPI_COMM_WORLD_RANK: "3", OMPI_COMM_WORLD_SIZE: "4", OMPI_COMM_WORLD_LOCAL_RANK: "1" };
const mpich = { PMI_RANK: "1", PMI_SIZE: "2", MPI_LOCALRANKID: "0" };
const slurm = { SLURM_PROCID: "5", SLURM_STEP_NUM_TASKS: "8", SLURM_LOCALID: "1", SLURM_NTASKS: "8" };
const torchrun = { RANK: "0", WORLD_SIZE: "2", LOCAL_RANK: "0" };

test("each launcher is known by its variables", () => {
  assert.equal(launchOf(openMpi), { by: "Open MPI", rank: 3, size: 4, localRank: 1 });
  assert.equal(launchOf(mpich), { by: "MPICH", rank: 1, size: 2, localRank: 0 });
  assert.equal(launchOf(slurm), { by: "Slurm", rank: 5, size: 8, localRank: 1 });
  assert.equal(launchOf(torchrun), { by: "torchrun", rank: 0, size: 2, localRank: 0 });
});

test("mpirun inside a Slurm job is mpirun, and srun with PMI-2 has its own number on the machine", () => {
  assert.is(launchOf({ ...slurm, ...openMpi })?.by, "Open MPI");
  assert.equal(launchOf({ ...slurm, PMI_RANK: "5", PMI_SIZE: "8" }), { by: "MPICH", rank: 5, size: 8, localRank: 1 });
});

test("a process of its own has no launcher: nothing set, a world of one, a batch script without srun", () => {
  for (const none of [
    {},
    { OMPI_COMM_WORLD_RANK: "0", OMPI_COMM_WORLD_SIZE: "1" },
    { SLURM_PROCID: "0", SLURM_NTASKS: "8" },
    { RANK: "" },
  ])
    assert.is(launchOf(none), undefined);
});

test("variables that are no numbers, or do not fit each other, are refused by name", () => {
  for (const [environment, text] of [
    [{ PMI_RANK: "x", PMI_SIZE: "2" }, 'PMI_RANK is "x"'],
    [{ PMI_RANK: "2", PMI_SIZE: "2" }, "PMI_RANK is 2, PMI_SIZE is 2"],
  ] as const)
    assert.throws(
      () => launchOf(environment),
      (error: Error) => error instanceof UsageError && error.message.includes(text),
    );
});

test("torchrun is refused with the command that works, others are not", () => {
  assert.throws(() => refuseTorchrun(launchOf(torchrun)!), /mpirun -n 2 --bind-to none npx emotionclip train/);
  refuseTorchrun(launchOf(openMpi)!);
});

test("ranks that do not see each other are told what to do by their launcher", () => {
  assert.match(
    strangersText(launchOf(slurm)!, "Open MPI 4.1", 1),
    /Slurm started 8 processes, but Open MPI 4.1 sees 1[\s\S]*srun --mpi=pmix/,
  );
});

test("the spans of ranks are a batch, in order, without a gap, as equal as can be", () => {
  for (const [batch, size] of [
    [8, 3],
    [64, 4],
    [7, 7],
    [5, 2],
  ]) {
    let at = 0;
    for (let rank = 0; rank < size; rank++) {
      const { from, count } = ownSpan(batch, { rank, size });
      assert.is(from, at);
      assert.ok(count === Math.floor(batch / size) || count === Math.ceil(batch / size));
      at += count;
    }
    assert.is(at, batch);
  }
});

test("a rank's step is planned in parts of what it encodes, and of less where that was asked for", () => {
  const settings = { batch: 10, micro: 0 };
  assert.is(partedBy({ size: 4 }, settings).micro, 3);
  assert.is(partedBy({ size: 4 }, { ...settings, micro: 2 }).micro, 2);
  assert.is(partedBy(undefined, settings), settings);
});

test.run();
