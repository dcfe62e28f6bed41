// The sum of a model's gradients by MPI itself, in buckets as training cuts them: what `dist/test-ranks.js speed` is compared with.
//   mpicc -O2 bench/baselines/allreduce.c -o allreduce && mpirun -n 2 ./allreduce
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum { VALUES = 170000000, BUCKET = 1 << 20 };

int main(int argc, char **argv) {
  int rank;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  float *values = malloc(sizeof(float) * VALUES);
  for (long i = 0; i < VALUES; i++) values[i] = (i % 1000 - 500.0f) * (1 + rank);
  for (int round = 0; round < 3; round++) {
    MPI_Barrier(MPI_COMM_WORLD);
    double began = MPI_Wtime();
    for (long at = 0; at < VALUES; at += BUCKET) {
      int count = VALUES - at < BUCKET ? VALUES - at : BUCKET;
      MPI_Allreduce(MPI_IN_PLACE, values + at, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    }
    double seconds = MPI_Wtime() - began;
    if (rank == 0) printf("%.3f s, %.3f GB/s\n", seconds, 4e-9 * VALUES / seconds);
  }
  MPI_Finalize();
  return 0;
}
