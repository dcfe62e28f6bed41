// docs/api is what the declarations say, every exported name is in it, and each is said something of.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Declarations, declarations, layers } from "../api/declarations.ts";
import { lists } from "../api/names.ts";
import { knownNames, rowsOf } from "../api/names-page.ts";
import { apiFiles, membersOf, strays } from "../api/pages.ts";

const declared = declarations();
const files = apiFiles(declared);
const folder = join("docs", "api");

test("every exported name stands in a group of test/api/groups.ts", () => {
  assert.equal(strays(declared), []);
});

test("a name without a group, and a group's entry without a name, would be seen", () => {
  const own = declared.names.test.map((each) =>
    each.name === "checkOp" ? { ...each, name: "fresh", file: "test/fresh.ts" } : each,
  );
  const changed: Declarations = { ...declared, names: { ...declared.names, test: own } };
  assert.match(strays(changed)[0], /^test exports fresh \(test\/fresh\.ts\), which stands in no group: enter "fresh"/);
  assert.match(strays(changed)[1], /^test exports nothing like "checkOp"/);
});

/** Exported names and public methods that nothing is said of. */
const silent = layers.flatMap((layer) =>
  declared.names[layer].flatMap((each) => [
    ...(each.doc.text === "" ? [`${layer} ${each.name} (${each.file})`] : []),
    ...membersOf(each)
      .filter(({ kind, doc }) => kind === "method" && doc.text === "")
      .map(({ name }) => `${layer} ${each.name}.${name} (${each.file})`),
  ]),
);

test("every exported name and every public method has a docstring: a sentence, with shapes, units and errors", () => {
  assert.equal(silent, []);
});

test("docs/api is up to date (npm run api)", () => {
  for (const [name, text] of files) {
    const path = join(folder, name);
    assert.ok(existsSync(path) && readFileSync(path, "utf8") === text, `${path} is out of date: npm run api writes it`);
  }
});

test("docs/api has no other pages", () => {
  for (const name of readdirSync(folder)) assert.ok(files.has(name), join(folder, name));
});

/** Anchors that the headings of a page make, the way forges do it. */
function anchorsOf(page: string): Set<string> {
  const seen = new Map<string, number>();
  const titles = [...page.replace(/^```[\s\S]*?^```$/gm, "").matchAll(/^#+ (.*)$/gm)].map(([, title]) => title);
  return new Set(
    titles.map((title) => {
      const base = title.toLowerCase().replace(/[^\w -]/g, "").replaceAll(" ", "-"); // biome-ignore format: one step a line is longer
      const count = seen.get(base) ?? 0;
      seen.set(base, count + 1);
      return count === 0 ? base : `${base}-${count}`;
    }),
  );
}

test("every link in docs/api leads somewhere", () => {
  for (const [name, text] of files)
    for (const [, target] of text.replace(/^```[\s\S]*?^```$/gm, "").matchAll(/\]\(([^)\s]+)\)/g)) {
      const [path, anchor] = target.split("#");
      const page = path === "" ? text : path.startsWith("..") ? undefined : files.get(path);
      if (page === undefined) assert.ok(existsSync(join(folder, path)), `${name}: ${target}`);
      else if (anchor) assert.ok(anchorsOf(page).has(anchor), `${name}: ${target}`);
    }
});

test("every name of the index is that of an export, and every export is in it", () => {
  const index = files.get("README.md")!;
  for (const layer of layers)
    for (const { name } of declared.names[layer])
      assert.match(index, new RegExp(`\\| \\[\`${name}\`\\]\\(${layer}\\.md#`));
});

test("the map of PyTorch's and NumPy's names names ours as they are spelt, and each of theirs once", () => {
  const known = knownNames(declared);
  for (const list of lists) {
    const rows = rowsOf(list);
    for (const name of rows.flatMap(({ ours }) => ours))
      assert.ok(known.has(name), `${list.title}: no layer exports ${name}`);
    const theirs = rows.map((row) => row.theirs);
    assert.is(new Set(theirs).size, theirs.length, list.title);
  }
});

test.run();
