// How much work something is, said without a clock's unit: its processor time as a multiple of a fixed loop's, both measured in
// the same test. A slower or busier machine lengthens both.

/** A million dependent integer steps: about a millisecond on a processor of 2020. */
function yardstick(): number {
  let state = 1;
  for (let i = 0; i < 1_000_000; i++) state = Math.imul(state ^ i, 0x9e3779b1);
  return state;
}

/** Processor time (µs) of this process, all threads. */
async function spent(work: () => unknown): Promise<number> {
  const start = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(start);
  return user + system;
}

/** The yardstick's processor time, the least of five. */
async function unit(): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 5; i++) times.push(await spent(yardstick));
  return Math.min(...times);
}

/**
 * Processor time of `work` in yardsticks. Where it is over `limit`, others may have been at work: up to two more tries, and the
 * least counts.
 */
export async function effort(work: () => unknown, limit: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 3 && least > limit; tries++) {
    const before = await unit();
    const own = await spent(work);
    least = Math.min(least, own / Math.min(before, await unit()));
  }
  return least;
}
