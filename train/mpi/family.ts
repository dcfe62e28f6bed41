// What differs between the two families of MPI: how handles look, and where the predefined ones are.

/** As koffi describes what a function takes. */
type Handle = "void *" | "int";

/** Of a family, what calls need. */
export interface MpiFamily {
  readonly name: "Open MPI" | "MPICH";
  /** Communicators and data types. */
  readonly handle: Handle;
  readonly world: unknown;
  readonly byte: unknown;
  /** A status that nobody reads. */
  readonly ignored: unknown;
}

/** Finds an exported object; throws where there is none. */
type Lookup = (name: string) => unknown;

/**
 * The family of a library, by its symbols. Open MPI's handles are addresses of exported objects. Those of MPICH are numbers, which MPICH, Intel MPI, MVAPICH
 * and Cray share (the MPICH ABI).
 */
export function familyOf(symbol: Lookup): MpiFamily {
  const world = found(symbol, "ompi_mpi_comm_world");
  if (world !== undefined)
    return { name: "Open MPI", handle: "void *", world, byte: symbol("ompi_mpi_byte"), ignored: null };
  return { name: "MPICH", handle: "int", world: 0x44000000, byte: 0x4c00010d, ignored: 1n };
}

function found(symbol: Lookup, name: string): unknown {
  try {
    return symbol(name);
  } catch {
    return undefined;
  }
}
