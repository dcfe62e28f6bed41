// What must be true of the installed package, whatever Node runs it: it is imported and required, its types hold, and what the guides and
// examples say can be typed.
import { join } from "node:path";
import type { PageProgram } from "../run/markdown.ts";
import type { Project } from "./user.ts";

export const compilers = ["typescript-5", "typescript"] as const;
export type Compiler = (typeof compilers)[number];

/** Entries of package.json's "exports" as they are imported: "emotionclip-webgpu/kernels". */
export const entriesOf = (exports: Readonly<Record<string, unknown>>): string[] =>
  Object.keys(exports)
    .filter((entry) => !entry.endsWith(".json"))
    .map((entry) => `emotionclip-webgpu${entry.slice(1)}`);

const sum = `
  const gpu = await openGpu();
  const [y] = await compute(() => [matmul(tensor([1, 2], [1, 2]), tensor([3, 4], [2, 1]))]);
  console.log("computed", [...y].join(), "with", entries.length, "entries,", entries.every((each) => Object.keys(each).length > 0));
  gpu.close();
  process.exit(0);
`;
const wanted = (entries: readonly string[]) => `computed 11 with ${entries.length} entries, true`;

/** An ES module that imports every entry and computes on the one engine that they share. */
export function importsAll(project: Project, entries: readonly string[]): void {
  const imports = entries.map((entry, i) => `import * as e${i} from ${JSON.stringify(entry)};\n`).join("");
  const names = entries.map((_, i) => `e${i}`).join(", ");
  project.write(
    "all.mjs",
    `${imports}const entries = [${names}];\nconst { openGpu, compute, tensor, matmul } = Object.assign({}, ...entries);${sum}`,
  );
  expect(project.run("all.mjs"), wanted(entries));
}

/** CommonJS: `require` where Node can load modules with it (20.19, 22.12 and later), else `await import`. */
export function requiresAll(project: Project, entries: readonly string[], version: string): string {
  const [major, minor] = version.split(".").map(Number);
  const canRequire = major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19);
  const load = canRequire ? "require" : "await import";
  const loaded = entries.map((entry) => `${load}(${JSON.stringify(entry)})`).join(", ");
  const body = `const entries = [${loaded}];\nconst { openGpu, compute, tensor, matmul } = Object.assign({}, ...entries);${sum}`;
  project.write("all.cjs", `(async () => {\n${body}})();\n`);
  expect(project.run("all.cjs"), wanted(entries));
  return load;
}

function expect(printed: string, text: string): void {
  if (!printed.includes(text)) throw new Error(`expected "${text}", and it printed\n${printed}`);
}

// ---- types ------------------------------------------------------------------------------------------------------

const flags = [
  "--noEmit",
  "--strict",
  "--target",
  "es2022",
  "--module",
  "nodenext",
  "--lib",
  "es2023,esnext.disposable",
  "--types",
  "node",
];

/** What a compiler says of files, strict and without skipLibCheck. */
export function said(project: Project, tsc: string, compiler: Compiler, files: readonly string[]): string {
  const own = compiler === "typescript" ? ["--ignoreConfig"] : [];
  const { status, text } = project.try(tsc, ...own, ...flags, ...files);
  return status === 0 ? "" : text.trim() || `tsc ended with ${status}`;
}

const right = `
import { compute, openGpu, tensor } from "emotionclip-webgpu";
import { matmul } from "emotionclip-webgpu/kernels";
export async function product(): Promise<number> {
  const gpu = await openGpu();
  const y = await compute(() => matmul(tensor([1, 2], [1, 2]), tensor([3, 4], [2, 1])));
  gpu.close();
  return y[0];
}
`;

/** A right program of each kind of module compiles, and wrong ones do not. */
export function typesHold(project: Project, tsc: string, compiler: Compiler, entries: readonly string[]): void {
  const all = entries.map((entry, i) => `export * as e${i} from ${JSON.stringify(entry)};\n`).join("");
  const wrong = right.replace("tensor([3, 4], [2, 1])", '"no tensor"');
  const kinds = ["mts", "cts"];
  for (const kind of kinds)
    for (const [name, text] of Object.entries({ all, right, wrong })) project.write(`${name}.${kind}`, text);
  compiles(
    project,
    tsc,
    compiler,
    kinds.flatMap((kind) => [`all.${kind}`, `right.${kind}`]),
  );
  const complaint = said(
    project,
    tsc,
    compiler,
    kinds.map((kind) => `wrong.${kind}`),
  );
  for (const kind of kinds) expect(complaint, `wrong.${kind}`);
  expect(complaint, "not assignable to parameter of type 'Tensor");
}

/** Files of the project compile: the programs of the guides, the examples. */
export function compiles(project: Project, tsc: string, compiler: Compiler, files: readonly string[]): void {
  const complaint = said(project, tsc, compiler, files);
  if (complaint !== "") throw new Error(complaint);
}

/** Where a program of a guide lies in a project: "guide/docs-guide-tensors-md-10.mts". */
export const placeOf = ({ file, line }: PageProgram): string =>
  join("guide", `${file.replace(/\W/g, "-")}-${line}.mts`);
