// What declarations of ops say beyond TypeScript: which exported names are ops, how they are called, and what functions made in one go take.
import * as engine from "../../engine/index.ts";
import type { Op } from "../../engine/index.ts";
import * as kernels from "../../kernels/index.ts";
import { schema } from "../../train/settings.ts";

/** The layers that export ops, and functions that a table made. */
const modules: Readonly<Record<string, Readonly<Record<string, unknown>>>> = { engine, kernels };

const exportOf = (layer: string, name: string): unknown => modules[layer]?.[name];

/** The op that an exported name is, if it is one. */
export function opOf(layer: string, name: string): Op | undefined {
  const value = exportOf(layer, name);
  const id = typeof value === "function" ? (value as Partial<Op>).id : undefined;
  return id === undefined ? undefined : (value as Op);
}

const typeNames = { number: "number", string: "string", boolean: "boolean" } as const;

/** How an op is called: its tensors in the order of its signature, then its attributes. */
export function callOf({ name, sig, attrs }: Op): string {
  const fields = Object.entries(attrs).map(([key, value]) => `${key}?: ${typeNames[typeof value as "number"]}`);
  const options = fields.length ? [`attrs?: { ${fields.join(", ")} }`] : [];
  const given = new Set(sig.inputs.map((term) => term.name));
  const fresh = sig.outputs.filter((term) => !given.has(term.name)).map(() => "Tensor");
  const result = fresh.length > 1 ? `[${fresh.join(", ")}]` : (fresh[0] ?? "void");
  return `${name}(${[...sig.inputs.map((term) => `${term.name}: Tensor`), ...options].join(", ")}): ${result}`;
}

/** The line of `takes` of a function that a table or a factory made: it says it when it is called with what belongs nowhere. */
export function takesByCalling(layer: string, name: string): string | undefined {
  if (layer !== "kernels") return undefined; // nothing else is made that way, and to call it might do something
  try {
    (exportOf(layer, name) as (nothing: symbol) => unknown)(Symbol("nothing"));
  } catch (error) {
    return /\n {2}it takes {2}(.*)$/.exec((error as Error).message)?.[1];
  }
  return undefined;
}

/** What is said of the fields of a type in a table beside it: the settings, with their defaults. */
export function fieldsOf(name: string): [label: string, text: string][] {
  if (name !== "Settings") return [];
  return Object.entries(schema).map(([field, { value, about }]) => [`\`${field}\` = ${JSON.stringify(value)}`, about]);
}
