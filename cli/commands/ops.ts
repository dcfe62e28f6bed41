// `emotionclip ops`: the table of all ops, taken from their declarations; docs/ops.md is its output.
import { join } from "node:path";
import { Command } from "commander";
import { replaceFile } from "../../data/formats/disk.ts";
import * as engine from "../../engine/index.ts";
import type { Op } from "../../engine/index.ts";
import * as kernels from "../../kernels/index.ts";
import { ops } from "../../kernels/index.ts";
import { print } from "../terminal/streams.ts";

const file = join("docs", "ops.md");

export function command(): Command {
  return new Command().option("--write", `write ${file} instead of printing`).action(show);
}

async function show({ write }: { write?: boolean }): Promise<void> {
  if (!write) return void print(opsDocument());
  await replaceFile(file, opsDocument());
  print(`${ops.length} ops in ${file}`);
}

const intro = `# Ops

Every op of the registry: \`emotionclip ops --write\` writes this file from the declarations, and a test compares them. How to read a
signature is in [DESIGN.md](DESIGN.md#axes); storage is f32 or f16 where a section does not say otherwise. A pass is one launch of one
kernel; passes of the gradient are behind the bar. Names in brackets are alternatives that compute the same; the engine chooses by sizes
and device. These are the names that the profiler and errors use. What a program calls is in [api/kernels.md](api/kernels.md): most ops themselves, and functions that are made of ops.
`;

/** Where each op can be imported from; functions call the others. */
const exported = new Map<unknown, string>([
  ...Object.values(engine).map((value) => [(value as Partial<Op>)?.id, "emotionclip-webgpu"] as const),
  ...Object.values(kernels).map((value) => [(value as Partial<Op>)?.id, "emotionclip-webgpu/kernels"] as const),
]);

/** The document, one section per op, by name: the order of declaration depends on how modules were bundled. */
export function opsDocument(): string {
  const sorted = [...ops].sort((a, b) => (a.name < b.name ? -1 : 1));
  return `${intro}\n${sorted.map(sectionOf).join("\n")}`;
}

function sectionOf(op: Op): string {
  const attributes = Object.entries(op.attrs).map(([name, value]) => `\`${name}\` ${JSON.stringify(value)}`);
  const rows: [string, string][] = [
    ["signature", `\`${op.sig.text}\``],
    ["import", importOf(op)],
    ...(op.storage.join() !== "f32,f16" ? [["storage", op.storage.join(", ")] as [string, string]] : []),
    ...(attributes.length ? [["attributes", attributes.join(", ")] as [string, string]] : []),
    ...[...op.ways].map(([way, passes]): [string, string] => {
      return [op.ways.size > 1 ? `passes, ${way}` : "passes", passesOf(passes)];
    }),
    ["gradient of", [...op.differentiable].join(", ") || "none"],
  ];
  return `## ${op.name}\n\n${op.about}\n\n${rows.map(([label, text]) => `- ${label}: ${text}\n`).join("")}`;
}

/** An op that is exported, one that a function of its name calls, or one that is only a part of others. */
function importOf({ id, name }: Op): string {
  const path = exported.get(id) ?? (name in kernels ? "emotionclip-webgpu/kernels" : undefined);
  if (path === undefined) return "none, it is a part of functions";
  return `\`import { ${name} } from "${path}"\`${exported.has(id) ? "" : ", a function that calls it"}`;
}

type Passes = Op["ways"] extends ReadonlyMap<string, infer Way> ? Way : never;

function passesOf({ forward, backward }: Passes): string {
  const list = (passes: Passes["forward"]) =>
    passes.map(({ pass }) => {
      const variants = pass.variants.size > 1 ? ` [${[...pass.variants.keys()].join(", ")}]` : "";
      return `\`${pass.sig.text}\`${variants}`;
    });
  const sides = [list(forward).join("; "), list(backward).join("; ")].filter((side) => side !== "");
  return sides.join(" **|** ");
}
