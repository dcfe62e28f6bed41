// The distribution's own package sources, as this machine's apt has them, in both formats. Other people's sources are left out.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** @typedef {{ uri: string, suite: string, text: (suite: string) => string }} Source one suite; `text` has it, or another one, as apt reads it */

/**
 * Every source of packages of section main.
 * @param {string} folder apt's
 * @returns {(Source & { ext: "list" | "sources" })[]}
 */
export function aptSources(folder = "/etc/apt") {
  const parts = list(join(folder, "sources.list.d")).map((name) => join(folder, "sources.list.d", name));
  return [join(folder, "sources.list"), ...parts].flatMap((path) => {
    if (path.endsWith(".list")) return read(path).split("\n").flatMap(ofLine);
    return path.endsWith(".sources")
      ? read(path)
          .split(/\n\s*\n/)
          .flatMap(ofStanza)
      : [];
  });
}

/** deb [options] uri suite component ... */
function ofLine(line) {
  const found = /^\s*deb\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line);
  if (!found || !words(found[4]).includes("main")) return [];
  const [, options = "", uri, suite] = found;
  return [{ ext: "list", uri, suite, text: (wanted) => `deb ${options}${uri} ${wanted} main\n` }];
}

/** Fields with their continued lines, such as a key inside of Signed-By. */
function ofStanza(stanza) {
  const text = stanza.replace(/^#.*\n?/gm, "");
  const fields = [...text.matchAll(/^([\w-]+):[ \t]*(.*(?:\n[ \t]+.*)*)/gm)].map(([, name, value]) => [name, value]);
  const field = (wanted) => fields.find(([name]) => name.toLowerCase() === wanted)?.[1] ?? "";
  const isOurs = words(field("types")).includes("deb") && words(field("components")).includes("main");
  if (!isOurs || /^(no|false|0)$/i.test(field("enabled"))) return [];
  const kept = fields.filter(([name]) => !/^(types|suites|components|enabled)$/i.test(name));
  const rest = kept.map(([name, value]) => `${name}: ${value}\n`).join("");
  const [uri = ""] = words(field("uris"));
  const of = (suite) => `Types: deb\nSuites: ${suite}\nComponents: main\n${rest}\n`;
  return words(field("suites")).map((suite) => ({ ext: "sources", uri, suite, text: of }));
}

/**
 * What apt shall read to find the packages of one release: file contents by the ending that tells apt their format. A suite that is asked
 * for and not there is taken from where the release itself comes from. Undefined where the release comes from nowhere.
 * @param {{ codename: string, suite?: string }} release
 * @param {ReturnType<typeof aptSources>} sources
 */
export function releaseSources({ codename, suite }, sources) {
  const base = sources.find((source) => source.suite === codename);
  if (!base) return undefined;
  const suites = ["", "-updates", "-security"].map((end) => codename + end).concat(suite ?? []);
  const own = sources.filter((source) => suites.includes(source.suite)).map((source) => [source, source.suite]);
  if (suite && !own.some(([, name]) => name === suite)) own.push([base, suite]);
  const of = (ext) => [...new Set(own.filter(([source]) => source.ext === ext).map(([{ text }, name]) => text(name)))];
  return { host: base.uri, list: of("list").join(""), sources: of("sources").join("") };
}

const words = (text) => text.split(/\s+/).filter(Boolean);

function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function list(folder) {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
