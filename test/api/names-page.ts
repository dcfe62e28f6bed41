// docs/api/names.md: the lists of names.ts with what the exports have of them, and the shares, counted.
import type { Declarations } from "./declarations.ts";
import { layers } from "./declarations.ts";
import { lists, type NameList } from "./names.ts";

/** One name of a list. */
export interface NameRow {
  readonly theirs: string;
  /** Names that do it here, together; none where nothing is meant to. */
  readonly ours: readonly string[];
  readonly isPart: boolean;
  readonly remark: string;
}

export function rowsOf({ rows }: NameList): NameRow[] {
  const lines = rows
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/ {2,}/));
  return lines.map(([theirs, ours, remark = ""]) => ({
    theirs,
    ours: ours === "-" ? [] : ours.replace(/^~/, "").split("+"),
    isPart: ours.startsWith("~"),
    remark,
  }));
}

/** Every exported value, and each member of a class as "Tensor.item". */
export function knownNames(declared: Declarations): Set<string> {
  const values = layers.flatMap((layer) => declared.names[layer]).filter(({ kind }) => kind !== "type");
  return new Set(values.flatMap(({ name, members }) => [name, ...members.map((each) => `${name}.${each.name}`)]));
}

type Standing = "here" | "in part" | "missing";

const standingOf = ({ ours, isPart }: NameRow, known: ReadonlySet<string>): Standing =>
  ours.length === 0 || !ours.every((name) => known.has(name)) ? "missing" : isPart ? "in part" : "here";

const percent = (part: number, of: number) => `${Math.round((100 * part) / of)} %`;

const intro = `<!-- Written by \`npm run api\` from test/api/names.ts and the exports; what to change is there. -->
# Names of PyTorch and NumPy

What is called how here, over whole published lists; whether a name is there is looked up in the exports, and the shares are counted. In general:
snake case is camel case (\`log_softmax\`, \`logSoftmax\`), \`dim\` is \`axis\`, options stand in an object at the end, masks are f32
with 1 and 0, and nothing but parameters is changed in place. What is missing and easy to write is written in the remark.
`;

/** The page; `links` lead from an exported value to where it is described. */
export function namesPage(declared: Declarations, links: ReadonlyMap<string, string>): string {
  const known = knownNames(declared);
  const parts = lists.map((list) => {
    const rows = rowsOf(list).map((row) => ({ ...row, standing: standingOf(row, known) }));
    const count = (standing: Standing) => rows.filter((row) => row.standing === standing).length;
    const [here, part] = [count("here"), count("in part")];
    const share = `| ${list.title} | ${rows.length} | ${here} (${percent(here, rows.length)}) | ${part} | ${rows.length - here - part} |\n`;
    const table = rows.map(({ theirs, ours, remark, standing }) => {
      const names = ours.map((name) => `[\`${name}\`](${links.get(name.split(".")[0])})`);
      const cell = standing === "missing" ? "–" : names.join(", ");
      const words = [standing === "in part" ? "in part" : "", remark].filter(Boolean).join(": ");
      return `| \`${theirs}\` | ${cell} | ${words} |\n`;
    });
    const text = `\n## ${list.title}\n\n${here} of ${rows.length} are here, ${part} in part. The list: ${list.from}\n\n| theirs | ours | |\n|---|---|---|\n${table.join("")}`;
    return { share, text };
  });
  const shares = `\n| list | names | here | in part | missing |\n|---|---|---|---|---|\n${parts.map(({ share }) => share).join("")}`;
  return `${intro}${shares}${parts.map(({ text }) => text).join("")}`;
}
