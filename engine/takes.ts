// What a public function takes, in one line at its head, and the check of a call against it. Users get a sentence about
// their own argument, never an error of JavaScript about ours.
import { type Fault, type Parameter, parametersOf, type Type, typeOf } from "./argument-types.ts";
import { UsageError } from "./errors.ts";
import { inWords } from "./kinds.ts";

interface Declared {
  readonly name: string;
  readonly parameters: readonly Parameter[];
  readonly isOpen: boolean;
}

const declared = new Map<string, Declared>();

/**
 * Checks the arguments of a call: `takes("slice(x: tensor, start: whole, end: whole, axis?: whole)", arguments)`. Types
 * are words of kinds.ts, "literals", { fields }, [] of any, and | between them; "..." at the end lets `map` pass its index. Errors: ShapeError or UsageError.
 */
export function takes(signature: string, given: ArrayLike<unknown>): void {
  let found = declared.get(signature);
  if (!found) declared.set(signature, (found = declare(signature)));
  const { name, parameters, isOpen } = found;
  for (let i = 0; i < parameters.length; i++) {
    const { type, optional, name: path } = parameters[i];
    const value = given[i];
    if (value === undefined && optional) continue;
    const fault = type.fault(value, path);
    if (fault) throw refusal(name, fault, signature);
  }
  if (given.length > parameters.length && !isOpen && !isReduced(parameters.length, given))
    throw surplus(name, parameters.length, given, signature);
}

/** What `xs.reduce(add)` passes beyond two values: their index and the array itself. */
const isReduced = (most: number, given: ArrayLike<unknown>): boolean =>
  given.length === most + 2 && Number.isInteger(given[most]) && Array.isArray(given[most + 1]);

const types = new Map<string, Type>();

/** Checks one value: `fits("linear: activation", '"gelu" | "none"', value)`. Errors: as `takes`. */
export function fits(path: string, text: string, value: unknown): void {
  let type = types.get(text);
  if (!type) types.set(text, (type = typeOf(text)));
  const fault = type.fault(value, path);
  if (fault) throw new fault.error(fault.why);
}

function declare(signature: string): Declared {
  const open = signature.indexOf("(");
  const { list, isOpen } = parametersOf(signature.slice(open + 1));
  return { name: signature.slice(0, open).replace(/^new /, ""), parameters: list, isOpen };
}

const refusal = (name: string, { why, error }: Fault, signature: string) =>
  new error(`${name}: ${why}\n  it takes  ${signature}`);

function surplus(name: string, most: number, given: ArrayLike<unknown>, signature: string): UsageError {
  const rest = Array.from(given).slice(most).map(inWords).join(", ");
  return new UsageError(
    `${name}: ${given.length} arguments, expected ${most || "none"}${most ? " at most" : ""}; ${rest} would be ignored\n  it takes  ${signature}`,
  );
}
