// docs/api as Markdown: a page a layer and an index, from the declarations (declarations.ts, ops.ts) and the groups (groups.ts).
import { type Declarations, type Exported, layers, type Member } from "./declarations.ts";
import { inside, machinery, pages } from "./groups.ts";
import { callOf, fieldsOf, opOf, takesByCalling } from "./ops.ts";
import { namesPage } from "./names-page.ts";
import { inWords } from "./words.ts";

/** Names under one heading. */
interface Section {
  readonly title: string;
  readonly about?: string;
  readonly names: readonly Exported[];
}

const isValue = ({ kind }: Exported) => kind !== "type";
const isPath = (entry: string) => entry.includes("/");
const stands = (entry: string, { name, file }: Exported) =>
  isPath(entry) ? file === entry || (entry.endsWith("/") && file.startsWith(entry)) : name === entry;

/** The groups of a layer with the names that stand in them; types last. Each name is in one at most. */
export function sectionsOf(layer: string, all: readonly Exported[]): Section[] {
  const listed = new Set(pages[layer].groups.flatMap(({ entries }) => entries));
  const placed = new Set<string>();
  const found = pages[layer].groups.map(({ title, about, entries }) => {
    const names = entries.flatMap((entry) => {
      const here = all.filter((each) => isValue(each) && stands(entry, each) && !placed.has(each.name));
      return here.filter(({ name }) => !isPath(entry) || !listed.has(name));
    });
    for (const { name } of names) placed.add(name);
    return { title, about, names: [...new Set(names)] };
  });
  const types = all.filter((each) => !isValue(each)).sort((a, b) => (a.name < b.name ? -1 : 1));
  return [...found, { title: "Types", names: types }].filter(({ names }) => names.length > 0);
}

/** Words of what is shown of names: of their signatures and their members. */
function wordsOf(layer: string, all: readonly Exported[]): Set<string> {
  const texts = all.flatMap((each) => [...describe(layer, each).calls, ...membersOf(each).map(({ text }) => text)]);
  return new Set(texts.flatMap((text) => text.match(/\b[A-Z]\w*/g) ?? []));
}

/** The types that no layer exports and that a reader of a page comes upon, by name. */
function mentionedIn(layer: string, { names, mentioned }: Declarations): Exported[] {
  const shown = new Set(names[layer]);
  for (let size = -1; size !== shown.size; ) {
    size = shown.size;
    const words = wordsOf(layer, [...shown]);
    for (const each of mentioned[layer]) if (words.has(each.name) && !machinery.has(each.name)) shown.add(each);
  }
  const found = [...shown].filter((each) => mentioned[layer].includes(each));
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What is wrong with the grouping, in sentences that say what to do. */
export function strays(declared: Declarations): string[] {
  return layers.flatMap((layer) => {
    if (!pages[layer]) return [`package.json exports ${layer}, which has no page: describe it in test/api/groups.ts`];
    const placed = new Set(
      sectionsOf(layer, declared.names[layer]).flatMap(({ names }) => names.map(({ name }) => name)),
    );
    const lost = declared.names[layer].filter(({ name }) => !placed.has(name));
    const entries = pages[layer].groups.flatMap((group) => group.entries);
    const empty = entries.filter(
      (entry) => !isPath(entry) && !declared.names[layer].some((each) => isValue(each) && each.name === entry),
    );
    return [
      ...lost.map(
        ({ name, file }) =>
          `${layer} exports ${name} (${file}), which stands in no group: enter "${name}" or "${file}" in test/api/groups.ts, then npm run api`,
      ),
      ...empty.map((entry) => `${layer} exports nothing like "${entry}": take it out of test/api/groups.ts`),
    ];
  });
}

// ---- entries ----------------------------------------------------------------------------------------------------

const ticked = (text: string) => `\`${text}\``;
const fenced = (text: string) => `\`\`\`ts\n${text}\n\`\`\`\n`;

/** The parameters of a long call on lines of their own. */
function wrapped(call: string): string {
  const open = call.indexOf("(");
  if (call.length <= 112 || open < 0) return call;
  const parts: string[] = [""];
  let depth = 0;
  let at = open + 1;
  for (; at < call.length && !(call[at] === ")" && depth === 0); at++) {
    if ("([{<".includes(call[at])) depth++;
    if (")]}".includes(call[at]) || (call[at] === ">" && call[at - 1] !== "=")) depth--;
    if (call[at] === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += call[at];
  }
  return `${call.slice(0, open + 1)}\n${parts.map((part) => `  ${part.trim()},\n`).join("")}${call.slice(at)}`;
}

/** How an exported name is written, the sentence, and the rows below it. */
export function describe(layer: string, each: Exported) {
  const op = opOf(layer, each.name);
  const made = inside[each.name]?.includes(`new ${each.name}`) ? [] : each.signatures;
  const takes =
    each.kind === "function" ? (each.takes ?? (op ? undefined : takesByCalling(layer, each.name))) : each.takes;
  const text = each.doc.text || op?.about || "";
  const attributes = Object.entries(op?.attrs ?? {}).map(([name, value]) => {
    const words = inWords(`${name}: ${op!.takes[name]}`).replace(ticked(name), "").trim();
    return `${ticked(name)} = ${JSON.stringify(value)}${words && `, ${words}`}`;
  });
  const rows: [string, string][] = [
    ["extends", each.parent ? ticked(each.parent) : ""],
    ["computes", op && each.doc.text && !each.doc.text.includes(op.about) ? op.about : ""],
    ["types", op && op.storage.join() !== "f32,f16" ? op.storage.join(", ") : ""],
    ["shapes", op ? ticked(op.sig.text) : ""],
    ["attributes", attributes.join("; ")],
    ["takes", made.length && takes ? inWords(takes) : ""],
    ...each.doc.params.map(({ name, text }): [string, string] => [ticked(name), text]),
    ...(each.kind === "type" ? fieldsOf(each.name) : []),
    ["errors", each.doc.errors],
    ["gradient", op ? [...op.differentiable].map(ticked).join(", ") || "none" : ""],
  ];
  return { calls: op ? [callOf(op)] : made, text, rows: rows.filter(([, text]) => text !== "") };
}

function entryText(layer: string, each: Exported): string {
  const { calls, text, rows } = describe(layer, each);
  const code = calls.length
    ? `${fenced(calls.map((call) => (each.kind === "type" ? call : wrapped(call))).join("\n"))}`
    : "";
  const list = rows.map(([label, words]) => `- ${label}: ${words}\n`).join("");
  const members = membersOf(each).map(memberText).join("");
  const parts = [code, text && `${text}\n`, list, members].filter((part) => part !== "");
  return `### ${each.name}\n\n${parts.join("\n")}`;
}

/** The members of a class that are for its users. */
export function membersOf({ name, members }: Exported): Member[] {
  const hidden = inside[name] ?? [];
  return members.filter(({ name: member }) => !hidden.includes(member));
}

function memberText({ text, doc, takes }: Member): string {
  const words = takes ? inWords(takes) : "";
  const parts = [doc.text, words && `Takes ${words}.`, doc.errors && `Errors: ${doc.errors}`].filter(Boolean);
  return `- ${ticked(text)}${parts.length ? `: ${parts.join(" ")}` : ""}\n`;
}

// ---- pages ------------------------------------------------------------------------------------------------------

const generated = "<!-- Written by `npm run api` from the declarations; what to change is there. -->\n";

const slug = (title: string) =>
  title
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");

/** Anchors of headings as forges make them: a second one of the same name gets a number. */
function anchors(titles: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return titles.map((title) => {
    const base = slug(title);
    const count = seen.get(base) ?? 0;
    seen.set(base, count + 1);
    return count === 0 ? base : `${base}-${count}`;
  });
}

const unexported = "Types that these mention; the package does not export them.";

function pageOf(layer: string, declared: Declarations) {
  const beyond = { title: "Types of signatures", about: unexported, names: mentionedIn(layer, declared) };
  const own = sectionsOf(layer, declared.names[layer]);
  const sections = beyond.names.length ? [...own, beyond] : own;
  const path = layer === "engine" ? "emotionclip-webgpu" : `emotionclip-webgpu/${layer}`;
  const { example } = pages[layer];
  const titles = [layer, ...sections.flatMap(({ title, names }) => [title, ...names.map(({ name }) => name)])];
  const links = anchors(titles);
  let at = 1;
  const places = sections.map(({ names }) => ({ own: links[at++], names: names.map(() => links[at++]) }));
  const contents = sections.map(({ title, names }, s) => {
    const list = names.map(({ name }, n) => `[${name}](#${places[s].names[n]})`).join(", ");
    return `- [${title}](#${places[s].own}): ${list}\n`;
  });
  const bodies = sections.map(
    ({ title, about, names }) =>
      `\n## ${title}\n${about ? `\n${about}\n` : ""}${names.map((each) => `\n${entryText(layer, each)}`).join("")}`,
  );
  const head = `${generated}# ${layer}\n\n${pages[layer].about}\n\n${fenced(`import { ${example} } from "${path}";`)}`;
  const index = own.flatMap(({ names }, s) =>
    names.map((each, n) => ({ layer, each, link: `${layer}.md#${places[s].names[n]}` })),
  );
  return { text: `${head}\n${contents.join("")}${bodies.join("")}`, index };
}

/** The first sentence, for a cell of a table. */
const firstSentence = (text: string) => text.split(/(?<=\.)\s(?=\p{Lu}|`)|\n/u)[0].replaceAll("|", "\\|");

const intro = `# API

Every name that the package exports: ${layers.map((layer) => `[${layer}](${layer}.md)`).join(", ")}. Each page begins with what people
look for and ends with types; shapes, units and errors stand with each name. Import from \`emotionclip-webgpu/kernels\` and so on;
\`emotionclip-webgpu\` alone is the engine. Names of PyTorch and NumPy are found in [names.md](names.md); the ops behind the functions, as
the profiler names them, in [ops.md](../ops.md).

How to read it: \`x_ND\` is a tensor called x with the axes N and D, and N stands for all leading axes where it is the first; letters are those
of [DESIGN.md](../DESIGN.md#axes). "Takes" says what TypeScript's types cannot. A call with something else is refused with a \`ShapeError\` or \`UsageError\`
that names the argument; "errors" says what else may happen. Ops take f32 and f16 where no row "types" says otherwise. Functions without a row "gradient" are made of ops, and have the gradient
that follows.

| name | layer | |
|---|---|---|
`;

/** Every file of docs/api: its name and its text. */
export function apiFiles(declared: Declarations): Map<string, string> {
  const made = layers.map((layer) => ({ layer, ...pageOf(layer, declared) }));
  const order = (name: string) => `${name.toLowerCase()} ${name}`;
  const index = made.flatMap((page) => page.index);
  const links = new Map(index.filter(({ each }) => isValue(each)).map(({ each, link }) => [each.name, link]));
  const rows = index
    .sort((a, b) => (order(a.each.name) < order(b.each.name) ? -1 : 1))
    .map(({ layer, each, link }) => {
      const { text } = describe(layer, each);
      return `| [\`${each.name}\`](${link}) | ${layer} | ${firstSentence(text)} |\n`;
    });
  return new Map([
    ["README.md", `${generated}${intro}${rows.join("")}`],
    ["names.md", namesPage(declared, links)],
    ...made.map(({ layer, text }): [string, string] => [`${layer}.md`, text]),
  ]);
}
