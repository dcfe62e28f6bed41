// The table's rows in order; adding a promise is adding a line.
import { hang, lost, memory, numbers } from "./device.ts";
import { callOrder, damagedCheckpoints, failedCalls, fullDisk, killedCalls, noNetwork, unwritable } from "./disk.ts";
import { kills } from "./kills.ts";
import { features } from "./features.ts";
import { pairs } from "./pairs.ts";
import { clocks, closedStreams, environment, frozen, lock, signals } from "./process.ts";
import type { Row } from "./row.ts";
import { collections, elsewhere, hostMemory, locks, threads } from "./same-bits.ts";
import { shortSoak } from "./soak.ts";

export const rows: readonly Row[] = [
  kills,
  killedCalls,
  failedCalls,
  callOrder,
  damagedCheckpoints,
  signals,
  closedStreams,
  lock,
  unwritable,
  fullDisk,
  lost,
  hang,
  memory,
  numbers,
  elsewhere,
  pairs,
  features,
  frozen,
  clocks,
  environment,
  threads,
  hostMemory,
  collections,
  locks,
  noNetwork,
  shortSoak,
];
