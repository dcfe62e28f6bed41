// `emotionclip ops`: the table of all ops, taken from their declarations; docs/ops.md is its output.
import { join } from "node:path";
import { Command } from "commander";
import { replaceFile } from "../../data/formats/disk.ts";
import type { Op } from "../../engine/index.ts";
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
signature is in [DESIGN.md](DESIGN.md#axes); storage is f32 or f16 where a section does not say otherwise. A pass is one launch of one kernel; passes of the gradient are behind the bar. Names in
brackets are alternatives that compute the same; the engine chooses by sizes and device. Ops made only of other ops (\`mean\`,
\`attention\`, \`permute\` …) are plain functions and not listed.
`;

/** The document, one section per op, by name: the order of declaration depends on how modules were bundled. */
export function opsDocument(): string {
  const sorted = [...ops].sort((a, b) => (a.name < b.name ? -1 : 1));
  return `${intro}\n${sorted.map(sectionOf).join("\n")}`;
}

function sectionOf(op: Op): string {
  const attributes = Object.entries(op.attrs).map(([name, value]) => `\`${name}\` ${JSON.stringify(value)}`);
  const rows: [string, string][] = [
    ["signature", `\`${op.sig.text}\``],
    ...(op.storage.join() !== "f32,f16" ? [["storage", op.storage.join(", ")] as [string, string]] : []),
    ...(attributes.length ? [["attributes", attributes.join(", ")] as [string, string]] : []),
    ...[...op.ways].map(([way, passes]): [string, string] => {
      return [op.ways.size > 1 ? `passes, ${way}` : "passes", passesOf(passes)];
    }),
    ["gradient of", [...op.differentiable].join(", ") || "none"],
  ];
  return `## ${op.name}\n\n${op.about}\n\n${rows.map(([label, text]) => `- ${label}: ${text}\n`).join("")}`;
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
