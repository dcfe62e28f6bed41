// Who started this process among others, read from an environment and nothing else.
import { UsageError } from "../../engine/errors.ts";

/** What a launcher told one of its processes. */
export interface RankLaunch {
  /** `mpirun` of Open MPI or of the MPICH family, Slurm's `srun`, or `torchrun`. */
  readonly by: "Open MPI" | "MPICH" | "Slurm" | "torchrun";
  readonly rank: number;
  readonly size: number;
  /** Its number among the processes of its machine, where it was told. */
  readonly localRank?: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The variables of each launcher: which process this is, of how many, and which on its machine. */
const launchers: readonly {
  readonly by: RankLaunch["by"];
  readonly rank: string;
  readonly size: string;
  readonly local: readonly string[];
}[] = [
  {
    by: "Open MPI",
    rank: "OMPI_COMM_WORLD_RANK",
    size: "OMPI_COMM_WORLD_SIZE",
    local: ["OMPI_COMM_WORLD_LOCAL_RANK"],
  },
  { by: "MPICH", rank: "PMI_RANK", size: "PMI_SIZE", local: ["MPI_LOCALRANKID", "SLURM_LOCALID"] },
  { by: "Slurm", rank: "SLURM_PROCID", size: "SLURM_STEP_NUM_TASKS", local: ["SLURM_LOCALID"] },
  { by: "torchrun", rank: "RANK", size: "WORLD_SIZE", local: ["LOCAL_RANK"] },
];

/**
 * The launcher of several processes that this is one of; undefined for a process of its own. A batch script of Slurm's is one: only
 * `srun` in it starts several. Errors: UsageError for variables that are no such numbers.
 */
export function launchOf(environment: Environment): RankLaunch | undefined {
  const found = launchers.find(({ rank, size }) => given(environment, rank) && given(environment, size));
  if (!found) return undefined;
  const size = numberIn(environment, found.size);
  const rank = numberIn(environment, found.rank);
  if (size < 1 || rank >= size)
    throw new UsageError(`${found.rank} is ${rank}, ${found.size} is ${size}: a rank is below the number of ranks`);
  if (size === 1) return undefined;
  const local = found.local.find((name) => given(environment, name));
  return { by: found.by, rank, size, ...(local && { localRank: numberIn(environment, local) }) };
}

const given = (environment: Environment, name: string): boolean => (environment[name] ?? "") !== "";

function numberIn(environment: Environment, name: string): number {
  const text = environment[name]!.trim();
  if (!/^\d{1,9}$/.test(text))
    throw new UsageError(`${name} is "${text.slice(0, 40)}", expected a whole number; the launcher sets it`);
  return Number(text);
}

/** Refuses a launcher that starts processes which cannot find each other by MPI. Errors: UsageError that says how to start them instead. */
export function refuseTorchrun({ by, size }: RankLaunch): void {
  if (by !== "torchrun") return;
  throw new UsageError(
    `torchrun started ${size} processes, but they would not find each other: ranks meet over MPI here\n` +
      `  mpirun -n ${size} --bind-to none npx emotionclip train ... (Open MPI), or mpiexec -n ${size} ... (MPICH)\n` +
      "  a single process under these variables: unset RANK WORLD_SIZE",
  );
}

/** Why the ranks that a launcher started do not see each other, where the library finds `size` of them. */
export const strangersText = ({ by, size: due }: RankLaunch, library: string, size: number): string =>
  `${by} started ${due} processes, but ${library} sees ${size}: each would train a model of its own\n  ${remedies[by]}`;

const remedies: Record<RankLaunch["by"], string> = {
  "Open MPI":
    "the library is not that of the launcher: --mpi with the path of Open MPI's libmpi.so.40, or the mpirun that belongs to the library",
  MPICH:
    "the library is not that of the launcher: --mpi with the path of MPICH's libmpich.so.12, or the mpirun that belongs to the library",
  Slurm:
    "srun --mpi=pmix starts ranks of Open MPI, srun --mpi=pmi2 those of MPICH; srun --mpi=list shows what there is",
  torchrun: "mpirun starts ranks that find each other",
};
