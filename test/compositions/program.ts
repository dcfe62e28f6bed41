// Random programs over the engine, as data: what a user may write around ops (scopes, tapes, reads, updates) and some ops. A
// choice is a number that the interpreter takes modulo what there is at that place, so every list of statements is a program.
import fc from "fast-check";

/** One statement; `a`, `b` and `c` choose values, parameters, shapes or numbers. */
export interface Statement {
  readonly kind: Kind;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  /** What stands inside, for scopes, tapes, `compute` and `recompute`. */
  readonly body?: readonly Statement[];
}

/** Beside `op`: see `interpret.ts`, which has a method for each. */
const simple = [
  "keep",
  "read",
  "later",
  "assign",
  "assignPart",
  "update",
  "gradients",
  "vjp",
  "accumulate",
  "reshape",
  "detach",
  "upload",
  "computeThis",
] as const;
const nested = ["scope", "tape", "compute", "recompute", "recompute"] as const;
export type Kind = "op" | (typeof simple)[number] | (typeof nested)[number];

const choice = fc.nat(1000);
const choices = { a: choice, b: choice, c: choice };
const op = fc.record({ kind: fc.constant("op" as const), ...choices });
const other = fc.record({ kind: fc.constantFrom(...simple), ...choices });

const { statement } = fc.letrec<{ statement: Statement; statements: Statement[] }>((tie) => ({
  statement: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    { weight: 6, arbitrary: op as fc.Arbitrary<Statement> },
    { weight: 5, arbitrary: other as fc.Arbitrary<Statement> },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constantFrom(...nested),
        ...choices,
        body: tie("statements"),
      }) as fc.Arbitrary<Statement>,
    },
  ),
  statements: fc.array(tie("statement"), { maxLength: 9, depthIdentifier: "body" }),
}));

/**
 * A program: what runs inside one tape (or a scope, one time in eight), which is where most faults can be seen. It ends with a
 * look at the newest values and their gradients.
 */
export const program: fc.Arbitrary<Statement> = fc
  .record({
    kind: fc.constantFrom("tape", "tape", "tape", "tape", "tape", "tape", "tape", "scope" as const),
    ...choices,
    body: fc.array(statement, { minLength: 1, maxLength: 14, size: "large" }),
  })
  .map((made) => ({ ...made, body: [...made.body, ...look(made.a)] })) as fc.Arbitrary<Statement>;

const look = (a: number): Statement[] => [
  { kind: "read", a: 0, b: 0, c: 0 },
  { kind: "vjp", a: 0, b: a, c: a },
];

/** One program, or two at once in one process. */
export const programs: fc.Arbitrary<Statement[]> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(program) },
  { weight: 1, arbitrary: fc.tuple(program, program) },
) as fc.Arbitrary<Statement[]>;

/** A program as a reader wants to see it. */
export function print(list: readonly Statement[], indent = "  "): string {
  return list
    .map(({ kind, a, b, c, body }) => {
      const head = `${indent}${kind} ${a} ${b} ${c}`;
      return body ? `${head} {\n${print(body, `${indent}  `)}\n${indent}}` : head;
    })
    .join("\n");
}
