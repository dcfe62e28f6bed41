// The claim that no two invocations race: a device whose lanes go in step does not show it, so the kernels run in an interpreter,
// where they can. Where they cannot is said once, and stands in what `checkOp` returns.
import { type Case, casesOf, drawInputs, drawUpstream, type Op, runOp } from "./derive.ts";
import type { Findings } from "./race-check.ts";
import type { Claim } from "./replay.ts";

/** Its sentence. */
export const noRace = "no two invocations race, and all reach each barrier";

/** What the interpreter could say of an op's kernels. */
export interface Races {
  /** Kernel texts that ran in it, without a race. */
  readonly tested: number;
  /** Passes whose texts did not, and why. */
  readonly leftOut: readonly { readonly kernel: string; readonly reason: string }[];
}

/** The claim for one op, and what was found so far. */
export function raceClaim(op: Op): { claim: Claim<Case>; races: () => Races } {
  const findings: Findings = { tested: new Set(), times: new Map(), leftOut: new Map() };
  const holds = async (c: Case) => {
    await onDevice(op, c); // a text that does not compile, or does not fit its pass, explains itself better there
    const interpreter = await load();
    if (typeof interpreter === "string") findings.leftOut.set("", { kernel: op.name, reason: interpreter });
    else {
      const faults = interpreter.raceCheck(op, c, findings);
      if (faults.length > 0) throw new Error(faults.join("\n"));
    }
  };
  const cases = casesOf(op, 200);
  return {
    claim: { sentence: noRace, cases, runs: 6, at: (c) => [c], caseOf: (c) => c, holds },
    races: () => racesOf(findings),
  };
}

function racesOf({ tested, leftOut }: Findings): Races {
  const left = [...leftOut].filter(([code]) => !tested.has(code)).map(([, each]) => each);
  return { tested: tested.size, leftOut: left };
}

async function onDevice(op: Op, c: Case): Promise<void> {
  await runOp(op, c, drawInputs(op, c), { upstream: op.differentiable.size > 0 ? drawUpstream(op, c) : undefined });
}

/** The interpreter, or why there is none. */
const load = async (): Promise<typeof import("./race-check.ts") | string> => {
  try {
    return await import("./race-check.ts");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    return "the package wgsl_reflect is not installed (npm install --save-dev wgsl_reflect@1.6.0)";
  }
};

const told = new Set<Op>();

/** Says on stderr which kernels were not tested, once for each op. */
export function tell(op: Op, { tested, leftOut }: Races): void {
  if (leftOut.length === 0 || told.has(op)) return;
  told.add(op);
  const reasons = new Map<string, string[]>();
  for (const { kernel, reason } of leftOut) reasons.set(reason, [...(reasons.get(reason) ?? []), kernel]);
  const lines = [...reasons].map(([reason, kernels]) => `  ${[...new Set(kernels)].join(", ")}: ${reason}`);
  console.error(
    `${op.name}: ${leftOut.length} of ${tested + leftOut.length} kernel texts not tested for races\n${lines.join("\n")}`,
  );
}
