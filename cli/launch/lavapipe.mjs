// Mesa's lavapipe for machines without a GPU: fetched once from the distribution's own, signed package sources into the user's cache.
// No root is needed and nothing is installed.
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join, sep } from "node:path";
import { aptSources, releaseSources } from "./apt-sources.mjs";
import { hasApt, privateApt } from "./apt.mjs";
import { makeCacheFolder, writeWhole } from "./cache.mjs";
import { distribution, lavapipeRelease } from "./hints.mjs";
import { alone } from "./lock.mjs";
import { ticker } from "./ticker.mjs";

const PACKAGES = ["libvulkan1", "mesa-vulkan-drivers"];
const TRIPLETS = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" };
const HOUR = 3600 * 1000;

/** @typedef {{ env?: Record<string, string>, failure?: string }} Lavapipe the variables under which it is found, or why it is not there */

/**
 * Whether lavapipe may be fetched: "no" where somebody or this machine says so, "retry" where an attempt that failed is not waited for.
 * @param {{ answer: string | undefined, wanted: string | undefined, release: object | undefined, apt: boolean }} facts
 * `answer` is EMOTIONCLIP_FETCH, `wanted` the adapter asked for
 * @returns {"yes" | "no" | "retry"}
 */
export function fetchDecision({ answer = "", wanted, release, apt }) {
  if (!["", "0", "1"].includes(answer))
    throw Object.assign(new Error(`EMOTIONCLIP_FETCH is "${answer}"; expected 0 (fetch no driver) or 1`), {
      exitCode: 2,
    });
  const isAsked = wanted === undefined || /lavapipe|llvmpipe/i.test(wanted);
  if (answer === "0" || !isAsked || !release || !apt) return "no";
  return answer === "1" ? "retry" : "yes";
}

/** What of a machine decides: where its release has lavapipe, its package sources, and its record of installed packages. */
const thisMachine = () => ({ release: lavapipeRelease(), sources: aptSources(), status: "/var/lib/dpkg/status" });

/**
 * Lavapipe out of the cache, or fetched into it now; nothing where it may not be.
 * @param {string} cache the user's cache folder
 * @param {string | undefined} wanted the adapter asked for
 * @param {(line: string) => void} say
 * @returns {Promise<Lavapipe | undefined>}
 */
export async function lavapipe(cache, wanted, say, machine = thisMachine()) {
  const known = cachedLavapipe(cache);
  if (known) return { env: known };
  const apt = process.platform === "linux" && process.arch in TRIPLETS && hasApt(machine.status);
  const decision = fetchDecision({ answer: process.env.EMOTIONCLIP_FETCH, wanted, release: machine.release, apt });
  if (decision === "no") return undefined;
  const before = decision === "retry" ? undefined : recentFailure(cache);
  if (before) return { failure: before };
  try {
    return { env: await stoppable((stop) => fetched(cache, machine, say, stop)) };
  } catch (error) {
    if (error.exitCode) throw error;
    return { failure: remember(cache, error.message) };
  }
}

/**
 * The variables under which the Vulkan loader finds the lavapipe of this cache; undefined without one that is whole and of this system.
 * @param {string} cache
 * @returns {Record<string, string> | undefined}
 */
export function cachedLavapipe(cache) {
  const folder = inside(cache)
    .filter((name) => /^lavapipe-\d/.test(name))
    .sort()
    .map((name) => join(cache, name))
    .findLast(isWhole);
  if (!folder) return undefined;
  const paths = [join(folder, "lib"), process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter);
  return { VK_DRIVER_FILES: join(folder, "lavapipe.json"), LD_LIBRARY_PATH: paths };
}

/** A driver that Dawn did not accept after all: away with it, and no new attempt for an hour. Returns the sentence about it. */
export function refuseLavapipe(cache, env) {
  rmSync(dirname(env.VK_DRIVER_FILES), { recursive: true, force: true });
  return remember(cache, "Dawn does not accept what was fetched");
}

async function fetched(cache, machine, say, stop) {
  const waiting = () => say("set-up: another process is fetching lavapipe; waiting for it");
  return alone(
    join(cache, "lavapipe.lock"),
    () => cachedLavapipe(cache) ?? fetchNow(cache, machine, say, stop),
    waiting,
    stop,
  );
}

async function fetchNow(cache, machine, say, stop) {
  for (const name of inside(cache).filter((each) => each.startsWith("lavapipe-fetch-")))
    rmSync(join(cache, name), { recursive: true, force: true });
  const temporary = join(cache, `lavapipe-fetch-${process.pid}`);
  makeCacheFolder(temporary, 0o700);
  try {
    const version = await build(temporary, machine, say, stop);
    stop.throwIfAborted();
    const folder = join(cache, `lavapipe-${version.replace(/[^\w.+~-]/g, "_")}`);
    rmSync(folder, { recursive: true, force: true });
    renameSync(join(temporary, "driver"), folder);
  } finally {
    rmSync(temporary, { recursive: true, force: true, maxRetries: 5 });
  }
  rmSync(join(cache, "lavapipe-failed.json"), { force: true });
  const env = cachedLavapipe(cache);
  if (!env) throw new Error("what was fetched is not whole");
  return env;
}

/** Fetches and unpacks into `driver` of the temporary folder; the driver's version. */
async function build(temporary, { release, sources, status }, say, stop) {
  const own = releaseSources(release, sources);
  if (!own) throw new Error(`apt has no source of ${release.codename} main`);
  const apt = await privateApt(join(temporary, "apt"), own, { suite: release.suite, status }, stop);
  const lists = ticker(
    `set-up: no driver of a GPU here; reading the package lists of ${own.host} for lavapipe, four times as fast as the embedded driver`,
    say,
  );
  const plan = await apt
    .update()
    .then(() => apt.plan(...PACKAGES))
    .finally(() => lists.end());
  const version = versionIn(plan);
  for (const line of planLines(plan, own.host)) say(line);
  const fetching = ticker("set-up: fetching lavapipe", say);
  try {
    for (const file of await apt.download(plan, ...PACKAGES)) await apt.unpack(file, join(temporary, "tree"));
  } finally {
    fetching.end();
  }
  assemble(join(temporary, "tree"), join(temporary, "driver"), plan);
  return version;
}

/** What a plan is refused for; else the driver's version. */
function versionIn(plan) {
  const driver = plan.find(({ name }) => name === "mesa-vulkan-drivers");
  if (!driver) throw new Error("mesa-vulkan-drivers is installed, and yet Dawn accepts no driver of it");
  if (plan.some(({ name }) => name === "libc6"))
    throw new Error("it needs a newer C library than this system has: upgrade the system");
  return driver.version;
}

/** What will be fetched, for the user: versions, sizes, from where, and how to say no. */
export function planLines(plan, host) {
  const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
  const total = plan.reduce((sum, { bytes }) => sum + bytes, 0);
  const each = [...plan]
    .sort((a, b) => b.bytes - a.bytes)
    .map(({ name, version, bytes }) => `${name} ${version} ${size(bytes)}`);
  return [
    `set-up: ${plan.length} packages, ${size(total)}, once, from ${host} into your cache; nothing is installed (EMOTIONCLIP_FETCH=0 says no):`,
    ...each.map((line) => `  ${line}`),
  ];
}

/** The driver's folder: shared libraries flat in lib, other drivers left out, a manifest for the loader, and a seal. */
function assemble(tree, folder, plan) {
  const lib = join(folder, "lib");
  mkdirSync(lib, { recursive: true });
  for (const [name, path] of librariesOf(tree)) linkSync(path, join(lib, name));
  const manifest = inside(join(tree, "usr/share/vulkan/icd.d")).find((name) => name.startsWith("lvp_icd"));
  if (!manifest) throw new Error("mesa-vulkan-drivers has no lavapipe on this machine");
  const { ICD, file_format_version } = JSON.parse(readFileSync(join(tree, "usr/share/vulkan/icd.d", manifest), "utf8"));
  const found = ICD.library_path.split("/").pop();
  if (!existsSync(join(lib, found))) throw new Error(`mesa-vulkan-drivers names ${found}, which is not in it`);
  writeFileSync(
    join(folder, "lavapipe.json"),
    JSON.stringify({ ICD: { ...ICD, library_path: `./lib/${found}` }, file_format_version }),
  );
  writeFileSync(join(folder, "seal.json"), JSON.stringify({ system: systemNow(), plan, files: sizesOf(lib) }));
}

/** Shared libraries by name, links followed inside of the tree. */
function librariesOf(tree) {
  const others = /^libvulkan_(?!lvp)|^libVkLayer/;
  const root = realpathSync(tree) + sep;
  return ["usr/lib", "lib"].flatMap((base) => {
    const folder = join(tree, base, TRIPLETS[process.arch]);
    const names = inside(folder).filter((name) => /\.so(\.|$)/.test(name) && !others.test(name));
    return names.flatMap((name) => {
      const path = existsSync(join(folder, name)) ? realpathSync(join(folder, name)) : "";
      return path.startsWith(root) && statSync(path).isFile() ? [[name, path]] : [];
    });
  });
}

const sizesOf = (lib) => Object.fromEntries(inside(lib).map((name) => [name, statSync(join(lib, name)).size]));

/** Another release or processor has other libraries. */
const systemNow = () => `${distribution()} ${process.arch}`;

function isWhole(folder) {
  try {
    const { system, files } = JSON.parse(readFileSync(join(folder, "seal.json"), "utf8"));
    const has = sizesOf(join(folder, "lib"));
    return (
      system === systemNow() &&
      existsSync(join(folder, "lavapipe.json")) &&
      Object.keys(files).every((name) => has[name] === files[name])
    );
  } catch {
    return false;
  }
}

/** Notes a failure; the sentence that tells it. */
function remember(cache, reason) {
  writeWhole(join(cache, "lavapipe-failed.json"), JSON.stringify({ at: Date.now(), reason }));
  return `lavapipe could not be fetched (${reason}); the next try is in an hour, or now with EMOTIONCLIP_FETCH=1`;
}

function recentFailure(cache) {
  try {
    const { at, reason } = JSON.parse(readFileSync(join(cache, "lavapipe-failed.json"), "utf8"));
    const minutes = Math.floor((Date.now() - at) / 60_000);
    if (minutes < 0 || minutes >= HOUR / 60_000) return undefined;
    return `lavapipe could not be fetched ${minutes} min ago (${reason}); EMOTIONCLIP_FETCH=1 tries again now`;
  } catch {
    return undefined;
  }
}

/** A signal ends the work, which clears up after itself, and then the process with 128 + n. */
async function stoppable(work) {
  const stop = new AbortController();
  const codes = ["SIGINT", "SIGTERM", "SIGHUP"].map((name) => [name, () => stop.abort(128 + constants.signals[name])]);
  for (const [name, handler] of codes) process.on(name, handler);
  try {
    return await work(stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    throw Object.assign(new Error("stopped while fetching lavapipe; nothing of it is left"), {
      exitCode: stop.signal.reason,
    });
  } finally {
    for (const [name, handler] of codes) process.off(name, handler);
  }
}

function inside(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
