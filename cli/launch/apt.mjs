// apt without root and without installing: its lists, packages and settings lie in a folder of ours; sources, keys, proxies and the record of
// what is installed are the system's. Whatever apt does not find signed and whole is an error.
import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** @typedef {{ name: string, version: string, bytes: number, file: string }} Package */

/**
 * A private apt.
 * @param {string} folder a new folder of ours
 * @param {{ list: string, sources: string }} sources file contents, as of `releaseSources`
 * @param {{ suite?: string, status: string }} system the suite preferred to the release's own; dpkg's record of what is installed
 * @param {AbortSignal} stop ends what runs
 */
export async function privateApt(folder, { list, sources }, { suite, status }, stop) {
  for (const each of ["state/lists/partial", "cache/archives/partial", "sources", "none", "dpkg"])
    mkdirSync(join(folder, each), { recursive: true });
  if (list) writeFileSync(join(folder, "sources", "own.list"), list);
  if (sources) writeFileSync(join(folder, "sources", "own.sources"), sources);
  copyFileSync(status, join(folder, "dpkg", "status"));
  const network = networkOf(await run("apt-config", ["dump"], process.env, stop));
  writeFileSync(join(folder, "apt.conf"), [...settingsOf(folder, suite), ...network].join("\n"));
  const env = { ...process.env, APT_CONFIG: join(folder, "apt.conf"), LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
  const apt = (...words) => run("apt-get", words, env, stop);
  return {
    /** Fetches the signed lists. */
    update: () => apt("-q", "update"),
    /** What is missing here for those packages, as apt would install them. @returns {Promise<Package[]>} */
    async plan(...names) {
      return packagesOf(await apt("-q", "install", "-o", "APT::Get::Print-URIs=true", ...names));
    },
    /** Fetches what is missing; apt holds each against the signed lists. Returns the files. */
    async download(plan, ...names) {
      await apt("-q", "install", "-d", ...names);
      return plan.map(({ file }) => join(folder, "cache", "archives", file));
    },
    /** @param {string} file @param {string} into */
    unpack: (file, into) => run("dpkg-deb", ["-x", file, into], env, stop),
  };
}

/** Nothing of the system's settings, hooks and pins is read but for what `networkOf` lets through; unsigned lists are refused. */
function settingsOf(folder, suite) {
  const at = (name) => join(folder, name);
  const settings = {
    "Dir::Etc::main": at("none/main"),
    "Dir::Etc::parts": at("none"),
    "Dir::Etc::sourcelist": at("none/list"),
    "Dir::Etc::sourceparts": at("sources"),
    "Dir::Etc::preferences": at("none/preferences"),
    "Dir::Etc::preferencesparts": at("none"),
    "Dir::State": at("state"),
    "Dir::State::status": at("dpkg/status"),
    "Dir::Cache": at("cache"),
    "Dir::Log": at("state"),
    "APT::Sandbox::User": "root", // as root: apt's own user cannot see into a home folder
    "APT::Install-Recommends": "false",
    "APT::Get::Assume-Yes": "true",
    "APT::Get::AllowUnauthenticated": "false",
    "Acquire::AllowInsecureRepositories": "false",
    "Acquire::AllowWeakRepositories": "false",
    "Acquire::Languages": "none",
    "Acquire::Retries": "1",
    "Acquire::http::Timeout": "20",
    "Acquire::https::Timeout": "20",
    "APT::Update::Error-Mode": "any",
    ...(suite && { "APT::Default-Release": suite }),
  };
  return Object.entries(settings).map(([key, value]) => `${key} "${value}";`);
}

/** Lines of `apt-config dump` that say how this network is reached: proxies, certificates, address families. */
export function networkOf(dump) {
  const network = /^(Acquire::(https?|mirror|ForceIPv[46])\b|APT::Architectures?\b)/;
  return dump.split("\n").filter((line) => network.test(line) && !/Timeout|""/.test(line));
}

/** `'uri' file bytes hash` lines, among others. @returns {Package[]} */
export function packagesOf(text) {
  return [...text.matchAll(/^'\S+' ((\S+?)_(\S+)_[^_\s]+\.deb) (\d+)\b/gm)].map(([, file, name, version, bytes]) => ({
    name,
    version: decodeURIComponent(version),
    bytes: Number(bytes),
    file,
  }));
}

/** Whether this machine has what a private apt needs. */
export const hasApt = (status) =>
  existsSync(status) &&
  ["apt-get", "apt-config", "dpkg-deb"].every((name) => programs().some((path) => existsSync(join(path, name))));

const programs = () => (process.env.PATH ?? "").split(":").filter(Boolean);

/** What a program printed; where it fails, its first complaint. One that is stopped has ended before this says so. */
function run(program, args, env, signal) {
  const what = `${program} ${args.find((word) => /^[a-z]/.test(word)) ?? ""}`.trim();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, signal, stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let log = "";
    child.stdout.on("data", (text) => (out += text));
    child.stderr.on("data", (text) => (log = (log + text).slice(-8000)));
    child.on("error", (error) => error.name !== "AbortError" && reject(new Error(`${what}: ${error.message}`)));
    child.on("close", (code) => (code === 0 ? resolve(out) : reject(new Error(`${what}: ${complaint(log, code)}`))));
  });
}

/** The line that tells most: of a bad signature, else the first error, else the first warning. */
export function complaint(log, code) {
  const lines = log.split("\n").filter((line) => /^[EW]: /.test(line));
  const found =
    lines.find((line) => /signature|NO_PUBKEY|not signed|BADSIG|Hash Sum/i.test(line)) ??
    lines.find((line) => line.startsWith("E: ") && !/Some index files|Unable to fetch some/.test(line)) ??
    lines[0];
  return found ? found.slice(3, 260) : `exit ${code} ${log.trim().split("\n")[0].slice(0, 200)}`.trim();
}
