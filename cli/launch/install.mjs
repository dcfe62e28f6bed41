// `npm ci` when the packages are missing or not those of the lock file. Install scripts stay off.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { ticker } from "./ticker.mjs";

/**
 * @param {string} root the project's folder
 * @param {(line: string) => void} say where progress goes
 */
export async function install(root, say) {
  const reason = whyInstall(root);
  if (!reason) return;
  const started = performance.now();
  const tick = ticker(`set-up: ${reason}; npm ci`, say);
  const { code, log } = await npmCi(root);
  tick.end();
  if (code !== 0) throw new Error(explain(code, log));
  say(`set-up: packages installed in ${((performance.now() - started) / 1000).toFixed(0)} s`);
}

/**
 * Why the packages must be installed, or undefined. npm writes the hidden lock file last, so its absence also means a broken
 * installation. A newer lock file with the same packages (after a checkout, say) is no reason.
 * @param {string} root
 * @returns {string | undefined}
 */
export function whyInstall(root) {
  const lock = join(root, "package-lock.json");
  const installed = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(lock)) return undefined; // we are ourselves an installed package
  if (!existsSync(installed)) return "no packages yet (about 400 MB, once)";
  if (statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return undefined;
  const have = JSON.parse(readFileSync(installed, "utf8")).packages;
  const want = JSON.parse(readFileSync(lock, "utf8")).packages;
  const differs = ([path, { version, optional }]) => {
    if (!path.startsWith("node_modules/")) return false;
    return have[path] ? have[path].version !== version : !optional;
  };
  return Object.entries(want).some(differs) ? "the lock file asks for other packages" : undefined;
}

function npmCi(root) {
  const flags = [
    "ci",
    "--ignore-scripts",
    "--include=dev",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    "--loglevel=error",
  ];
  const retries = ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]; // offline is told within seconds
  const [program, first] = npm();
  return new Promise((resolve) => {
    const child = spawn(program, [...first, ...flags, ...retries], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    let log = "";
    const keep = (text) => (log = (log + text).slice(-8000));
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", (error) => resolve({ code: -1, log: String(error.message) }));
    child.on("close", (code) => resolve({ code, log }));
  });
}

/** How to start npm without a shell: its own script under this Node where it can be found, else the program on PATH. */
export function npm() {
  const beside = dirname(process.execPath);
  const scripts = [
    process.env.npm_execpath,
    join(beside, "node_modules", "npm", "bin", "npm-cli.js"),
    join(beside, "..", "lib", "node_modules", "npm", "bin", "npm-cli.js"),
  ];
  const script = scripts.find((path) => path?.endsWith("npm-cli.js") && existsSync(path));
  return script ? [process.execPath, [script]] : ["npm", []];
}

function explain(code, log) {
  const all = log.split("\n").filter((line) => /^npm (error|ERR!) +\S/.test(line) && !/complete log/.test(line));
  const telling = all.filter((line) => /\b(code|reason|failed|invalid|missing)\b/i.test(line));
  const offline = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|ENOTCACHED|ERR_SOCKET/.test(log);
  const full = /ENOSPC/.test(log);
  const none = /spawn npm ENOENT/.test(log);
  const todo = none
    ? "npm, which installs them, is not there. It comes with Node from its own site; distributions have it in a package named npm."
    : offline
      ? "npm cannot reach its registry. Connect once, or set the registry and proxy of your network (npm config set registry …)."
      : full
        ? "The disk is full; the packages need about 400 MB."
        : "Run `npm ci` by itself to see all of its output.";
  const shown = (telling.length ? telling : all.length ? all : log.trim().split("\n")).slice(0, 4);
  return `the packages could not be installed (npm ci, exit ${code})\n${shown.map((line) => `  ${line.slice(0, 200)}`).join("\n")}\n${todo}`;
}
