// What must not be in the code, and that the list of packages is the documented one.
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { layers, sources, walk } from "../run/sources.ts";

/** Ways to run text as code or to start a shell. `RegExp#exec` is not one of them. */
const forbidden: readonly { name: string; pattern: RegExp; caught: string; fine: string }[] = [
  { name: "eval", pattern: /(?<![\w.$])eval\s*\(/, caught: "x = eval(text)", fine: "model.eval()" },
  { name: "new Function", pattern: /\bnew\s+Function\s*\(/, caught: 'new Function("x")', fine: "isFunction(x)" },
  { name: "node:vm", pattern: /["'](node:)?vm["']/, caught: 'from "node:vm"', fine: '"evm"' },
  {
    name: "child_process.exec",
    pattern:
      /\bexecSync\b|\bchild_process\b.*\bexec\b|\bexec\b[^;\n]*\bfrom\s+["']node:child_process|(?<![.\w])exec\s*\(/,
    caught: 'import { exec } from "node:child_process"',
    fine: "/a/.exec(text)",
  },
  { name: "shell: true", pattern: /\bshell\s*:\s*(true|["'`])/, caught: "{ shell: true }", fine: "{ shell: false }" },
];

/** This file quotes what it forbids. */
const code = () => sources().filter((path) => path !== "test/project/hygiene.test.ts");

for (const { name, pattern, caught, fine } of forbidden) {
  test(`${name} is nowhere`, () => {
    for (const file of code()) assert.not.match(readFileSync(file, "utf8"), pattern, file);
  });
  test(`${name} would be seen`, () => {
    assert.match(caught, pattern);
    assert.not.match(fine, pattern);
  });
}

const top = [
  "README.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "SECURITY.md",
  "package.json",
  "package-lock.json",
  ".npmrc",
  ".ci/run",
  "LICENSE",
];
const read = (path: string) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
};

test("no text names a package registry or the folders of one machine", () => {
  const hosts =
    /registry\.[a-z]+js|[^a-z](npm|yarn)[j]s\.|pypi\.org|crates\.io|\/work\/(main|shared)|shared\/[r]eference/;
  const texts = [...top, ...layers.flatMap((layer) => walk(layer))].filter(
    (path) => !/\.(png|jpe?g|gz|tar|bin|safetensors)$/.test(path),
  );
  for (const path of texts) assert.not.match(read(path), hosts, path);
  assert.match(" https://www.npm" + "js.com", hosts);
});

interface Manifest {
  dependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}
const manifest: Manifest = JSON.parse(readFileSync("package.json", "utf8"));
const wanted = { ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.devDependencies };

/** The rows `| `name` | version | reason | licence |` of docs/DEPENDENCIES.md. */
function documented(): { name: string; version: string; reason: string; licence: string }[] {
  const rows = read("docs/DEPENDENCIES.md").matchAll(/^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm);
  return [...rows].map(([, name, version, reason, licence]) => ({
    name,
    version: version.trim(),
    reason: reason.trim(),
    licence: licence.trim(),
  }));
}

test("docs/DEPENDENCIES.md lists exactly the packages of package.json", () => {
  const listed = Object.fromEntries(documented().map(({ name, version }) => [name, version]));
  assert.equal(Object.fromEntries(Object.entries(listed).sort()), Object.fromEntries(Object.entries(wanted).sort()));
});

test("every package has a reason and the licence of its own manifest", () => {
  for (const { name, reason, licence } of documented()) {
    assert.ok(reason.length > 20, `${name}: the reason is short`);
    const own = JSON.parse(read(`node_modules/${name}/package.json`) || "{}");
    if (own.license) assert.ok(licence.startsWith(own.license), `${name}: ${own.license}, documented as ${licence}`);
  }
});

test("versions are exact, and the lock file has a hash for every download", () => {
  for (const [name, version] of Object.entries(wanted)) {
    const isException = name === "@types/node" || version === "file:test/stub-gl"; // follows Node's own releases; our stub
    if (!isException) assert.match(version, /^(npm:typescript@)?\d+\.\d+\.\d+$/, name);
  }
  const lock: { packages: Record<string, { integrity?: string; link?: boolean }> } = JSON.parse(
    read("package-lock.json"),
  );
  for (const [path, { integrity, link }] of Object.entries(lock.packages))
    if (path.startsWith("node_modules/") && !link) assert.match(integrity ?? "", /^sha512-/, path);
});

test("install scripts are off", () => {
  assert.match(read(".npmrc"), /^ignore-scripts=true$/m);
});

test.run();
