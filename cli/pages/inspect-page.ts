// The page of `emotionclip inspect`: what the file is, its tensors as a table, the rest of it as a short tree.
import { quoted } from "../../data/formats/json.ts";
import { type Content, Inert, TensorRef } from "../../data/formats/weights.ts";
import type { FileDtype } from "../../data/formats/dtypes.ts";
import type { WeightFile } from "../../data/formats/weights.ts";
import type { Description } from "../../model/family.ts";

/** Content for people and JSON: at most so deep and wide, long texts cut, tensors counted. */
export type Tree = null | boolean | number | string | Tree[] | { [key: string]: Tree };

const most = { depth: 5, members: 24, text: 120 } as const;

/** A tensor as `--json` shows it. */
export interface TensorRow {
  readonly name: string;
  readonly dtype: FileDtype;
  readonly shape: readonly number[];
  /** L2 norm of the finite numbers; undefined with --no-norms. */
  readonly norm?: number;
  /** How many numbers are NaN or infinite. */
  readonly nonFinite?: number;
}

/** What `--json` prints. */
export interface Inspection {
  readonly file: string;
  readonly format: WeightFile["format"];
  readonly kind: Description["kind"];
  /** Why the kind or its configuration is not known; empty where both are. */
  readonly reason: string;
  readonly notes: readonly string[];
  readonly config: Description["config"];
  readonly tensors: readonly TensorRow[];
  /** Numbers in all tensors. */
  readonly elements: number;
  /** Bytes of all tensors as they are stored; views that share a storage count each. */
  readonly bytes: number;
  /** Names of the tensors with numbers that are not finite. */
  readonly nonFinite: readonly string[];
  /** All else that the file holds. */
  readonly content: Tree;
}

/** A short tree of what a file holds beside its tensors. */
export function contentTree(content: Content, depth = 0): Tree {
  if (content === null || typeof content === "boolean" || typeof content === "number") return finite(content);
  if (typeof content === "bigint") return cut(String(content));
  if (typeof content === "string") return cut(content);
  if (content instanceof Uint8Array) return `<${content.length} bytes>`;
  if (content instanceof TensorRef) return `<tensor ${cut(content.name)}>`;
  if (content instanceof Inert) return object(content, depth);
  if (depth >= most.depth) return `<${isMap(content) ? content.size : content.length} values>`;
  return isMap(content) ? dictionary(content, depth) : list(content, depth);
}

const isMap = (content: Content): content is ReadonlyMap<string | number, Content> => content instanceof Map;
const cut = (text: string) => (text.length > most.text ? `${text.slice(0, most.text - 1)}…` : text);
const finite = (value: null | boolean | number) =>
  typeof value === "number" && !Number.isFinite(value) ? String(value) : value;

function dictionary(map: ReadonlyMap<string | number, Content>, depth: number): Tree {
  const tensors = tensorsAlone(map);
  if (tensors) return `<${tensors} tensors>`;
  const shown: [string, Tree][] = [];
  let single = 0;
  let left = 0;
  for (const [key, value] of map) {
    if (value instanceof TensorRef) single++;
    else if (shown.length === most.members) left++;
    else shown.push([cut(String(key)), contentTree(value, depth + 1)]);
  }
  if (single) shown.push(["<tensors>", single]);
  if (left) shown.push(["<more>", left]);
  return Object.fromEntries(shown);
}

/** The number of tensors in dicts of tensors, however nested; undefined where there is anything else, or nothing. */
function tensorsAlone(map: ReadonlyMap<string | number, Content>, depth = 0): number | undefined {
  let count = 0;
  for (const value of map.values()) {
    const inner = value instanceof TensorRef ? 1 : isMap(value) && depth < most.depth && tensorsAlone(value, depth + 1);
    if (!inner) return undefined;
    count += inner;
  }
  return count || undefined;
}

function list(items: readonly Content[], depth: number): Tree {
  const shown = items.slice(0, most.members).map((item) => contentTree(item, depth + 1));
  if (items.length > most.members) shown.push(`<${items.length - most.members} more>`);
  return shown;
}

function object({ name, args, state }: Inert, depth: number): Tree {
  const parts: Tree[] = args.slice(0, most.members).map((arg) => contentTree(arg, depth + 1));
  if (state === null && parts.length === 0) return `<${cut(name)}>`;
  const inner = state === null ? {} : contentTree(state, depth + 1);
  return {
    "<class>": cut(name),
    ...(parts.length && { "<made of>": parts }),
    ...(isObject(inner) ? inner : { "<state>": inner }),
  };
}

const isObject = (tree: Tree): tree is { [key: string]: Tree } =>
  typeof tree === "object" && tree !== null && !Array.isArray(tree);

/** The page as text. Names come from the file, so they are quoted where they are not plain. */
export function pageOf(inspection: Inspection): string {
  const { file, format, kind, reason, notes, tensors, elements, bytes, nonFinite } = inspection;
  const lines = [
    `${file}: ${kind === "unknown" ? `weights of an unknown kind (${reason})` : kind}, ${format}`,
    `${number(tensors.length)} tensors, ${number(elements)} numbers, ${number(bytes)} bytes`,
    ...configLines(inspection),
    ...(kind !== "unknown" && reason ? [`configuration not complete: ${reason}`] : []),
    ...notes,
    "",
    ...table(tensors),
    ...treeLines(inspection.content),
  ];
  if (nonFinite.length) {
    const named = nonFinite.slice(0, 20).map(plain).join(", ");
    const left = nonFinite.length > 20 ? ` and ${nonFinite.length - 20} more` : "";
    lines.push("", `Not finite: ${nonFinite.length} tensors hold NaN or infinity: ${named}${left}`);
  }
  return `${lines.join("\n")}\n`;
}

const number = (value: number) => value.toLocaleString("en-US");

/** A name as it is, if a terminal can show it and no one could mistake its end. */
const plain = (name: string) => (/^[\w.:/-]{1,120}$/.test(name) ? name : quoted(name));

/** Heads that shapes do not tell are 0 in a description. */
const isOpen = (name: string, value: unknown) => name === "heads" && value === 0;

function configLines({ config }: Inspection): string[] {
  if (!config) return [];
  const scalars = Object.entries(config).filter(([, value]) => typeof value !== "object");
  const parts = Object.entries(config).filter(([, value]) => typeof value === "object");
  const flat = (fields: [string, unknown][]) =>
    fields.map(([name, value]) => `${name} ${isOpen(name, value) ? "?" : JSON.stringify(value)}`).join(", ");
  return [
    `  ${flat(scalars).replaceAll('"', "")}`,
    ...parts.map(([name, part]) => `  ${name}: ${flat(Object.entries(part)).replaceAll('"', "")}`),
  ];
}

function table(tensors: readonly TensorRow[]): string[] {
  const rows = tensors.map(({ name, dtype, shape, norm, nonFinite }) => [
    plain(name),
    dtype,
    `[${shape.join(", ")}]`,
    norm === undefined ? "" : norm.toPrecision(6),
    nonFinite ? `${nonFinite} not finite` : "",
  ]);
  if (rows.length === 0) return [];
  const withHead = [["name", "dtype", "shape", tensors[0].norm === undefined ? "" : "norm", ""], ...rows];
  const widths = withHead[0].map((_, i) => withHead.reduce((width, row) => Math.max(width, row[i].length), 0));
  return withHead.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]))
      .join("  ")
      .trimEnd(),
  );
}

function treeLines(tree: Tree): string[] {
  if (isObject(tree)) return Object.keys(tree).length ? ["", "content", ...members(tree, 1)] : [];
  return typeof tree === "string" && tree.endsWith(" tensors>") ? [] : ["", `content  ${leaf(tree)}`];
}

function members(tree: { [key: string]: Tree }, depth: number): string[] {
  return Object.entries(tree).flatMap(([key, value]) => {
    const label = `${"  ".repeat(depth)}${key.startsWith("<") ? key : plain(key)}`;
    if (isObject(value) && Object.keys(value).length) return [label, ...members(value, depth + 1)];
    return [`${label}  ${leaf(value)}`];
  });
}

/** On one line. */
function leaf(tree: Tree): string {
  const isOurs = typeof tree === "string" && tree.startsWith("<");
  const text = isOurs ? tree : typeof tree === "string" ? quoted(tree) : JSON.stringify(tree);
  const short = text.length > 160 ? `${text.slice(0, 159)}…` : text;
  return short.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
}
