// Which adapter the real process shall open: a GPU's driver, else lavapipe, else the embedded SwiftShader.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { launchCacheFolder, writeWhole } from "./cache.mjs";
import { distribution, gpuCommands, lavapipeCommands, silentGpu } from "./hints.mjs";
import { cachedLavapipe, lavapipe, refuseLavapipe } from "./lavapipe.mjs";
import { swiftShader } from "./swiftshader.mjs";

/** @typedef {{ name: string, backend: string }} Adapter */
/** @typedef {{ name: string, env: Record<string, string>, notice?: string }} Choice */

const SWIFTSHADER = /swiftshader/i;
const SOFTWARE = /llvmpipe|swiftshader|basic render driver/i;
const DAY = 24 * 3600 * 1000;

/** An error that ends the launcher with "no usable GPU". */
const noAdapter = (message) => Object.assign(new Error(message), { exitCode: 4 });

/**
 * Decides by asking Dawn, in a child process, what it accepts. Where that is no GPU and no lavapipe, lavapipe is fetched, unless somebody
 * says no. `wanted` is a part of a device's name, in any case.
 * @param {string} root the project's folder
 * @param {string | undefined} wanted
 * @param {(line: string) => void} say
 * @returns {Promise<Choice>}
 */
export async function chooseAdapter(root, wanted, say) {
  const seen = await probe(root, {});
  if (wanted) return named(root, wanted, seen, say);
  const best = ranked(seen.adapters)[0];
  if (best && !SWIFTSHADER.test(best.name)) return choice(best, softwareNotice);
  const { fast, failure } = await fetchedDriver(root, wanted, say);
  if (fast) return choice(fast, softwareNotice);
  const slow = best ?? (await embeddedDriver(root));
  if (!slow) throw noAdapter([nothingFound(seen.error), failure].filter(Boolean).join("\n  "));
  return choice(slow, (name) => [failure, softwareNotice(name)].filter(Boolean).join("\n"));
}

/** Software is never used without a word. */
const choice = ({ name, env = {} }, noticeOf) => ({
  name,
  env,
  notice: SOFTWARE.test(name) ? noticeOf(name) : undefined,
});

async function named(root, wanted, seen, say) {
  const text = wanted.toLowerCase() === "lavapipe" ? "llvmpipe" : wanted.toLowerCase();
  const has = (adapter) => adapter?.name.toLowerCase().includes(text);
  const asked = (name) => `adapter: ${name}, a software adapter, as asked`;
  const match = ranked(seen.adapters).find(has);
  if (match) return choice(match, asked);
  const { fast, failure } = await fetchedDriver(root, wanted, say);
  if (has(fast)) return choice(fast, asked);
  const embedded = await embeddedDriver(root);
  if (has(embedded)) return choice(embedded, asked);
  const names = await adapterNames(root);
  const known = names.length ? `known: ${names.join("; ")}` : nothingFound(seen.error);
  throw noAdapter([`no adapter has "${wanted}" in its name; ${known}`, failure].filter(Boolean).join("\n  "));
}

/**
 * Fastest first: GPUs before software, discrete vendors before integrated ones, lavapipe before SwiftShader (4 times slower).
 * GL backends are left out: they hide the others and lack what the kernels need.
 * @param {Adapter[]} adapters
 */
export function ranked(adapters) {
  const order = [
    /nvidia|geforce|tesla/i,
    /radeon|amd/i,
    /apple/i,
    /^(?!.*(llvmpipe|swiftshader|basic render|intel))/i,
    /intel/i,
    /llvmpipe/i,
  ];
  const rank = ({ name }) => {
    if (SOFTWARE.test(name)) return /llvmpipe/i.test(name) ? 10 : 11;
    const at = order.findIndex((pattern) => pattern.test(name));
    return at < 0 ? 9 : at;
  };
  return adapters.filter(({ backend }) => !/opengl|null/i.test(backend)).sort((a, b) => rank(a) - rank(b));
}

/** Every name that `--adapter` takes here, best first. Nothing is fetched for it. */
export async function adapterNames(root) {
  const { adapters } = await probe(root, {});
  const fetched = cachedLavapipe(launchCacheFolder(root));
  const more = [fetched && (await opened(root, fetched, /llvmpipe/i)), await embeddedDriver(root)].filter(Boolean);
  return [...new Set([...ranked(adapters), ...more].map(({ name }) => name))];
}

/** Lavapipe out of the cache, fetched if need be and checked with Dawn; or why it is not there. */
async function fetchedDriver(root, wanted, say) {
  const cache = launchCacheFolder(root);
  const { env, failure } = (await lavapipe(cache, wanted, say)) ?? {};
  if (!env) return { failure };
  const fast = await opened(root, env, /llvmpipe/i);
  return fast ? { fast } : { failure: refuseLavapipe(cache, env) };
}

/** SwiftShader from the cache, checked once with Dawn. */
async function embeddedDriver(root) {
  const folder = swiftShader(root, launchCacheFolder(root));
  if (!folder) return undefined;
  const env = { LD_LIBRARY_PATH: [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter) };
  return opened(root, env, SWIFTSHADER);
}

/** The adapter of that name that Dawn accepts under `env`. */
async function opened(root, env, pattern) {
  const { adapters } = await probe(root, env);
  const found = adapters.find(({ name }) => pattern.test(name));
  return found && { name: found.name, env };
}

function softwareNotice(name) {
  const gpu = silentGpu();
  const what = `adapter: ${name}, in software`;
  if (gpu) return `${what}. There is a GPU of ${gpu} without a Vulkan driver that Dawn accepts: ${gpuCommands(gpu)}`;
  if (/llvmpipe/i.test(name))
    return `${what}; the fastest without a GPU (a GPU with its Vulkan driver is used by itself)`;
  const commands = lavapipeCommands();
  if (!/swiftshader/i.test(name) || !commands)
    return `${what}; a GPU's Vulkan driver, or Mesa's lavapipe >= 24, would be faster`;
  return `${what}, the embedded default. About 4 times faster on ${titled(distribution())}: ${commands}`;
}

const titled = (text) => text.replace(/^./, (letter) => letter.toUpperCase());

function nothingFound(error) {
  const lines = ["no GPU adapter: Dawn accepts no driver of this machine, and the embedded SwiftShader "];
  const { platform, arch } = process;
  lines[0] +=
    platform === "linux" && arch === "x64"
      ? "is missing (npm ci installs it, unless optional packages are omitted)"
      : `exists for Linux x64 only (this is ${platform} ${arch})`;
  if (error) lines.push(`  Dawn: ${error.split("\n")[0].slice(0, 300)}`);
  if (/GLIBC/.test(error ?? ""))
    lines.push("  Dawn needs glibc >= 2.34 and libstdc++ of GCC 12: Debian 12, Ubuntu 22.04 or later");
  const gpu = silentGpu();
  const commands = gpu ? gpuCommands(gpu) : lavapipeCommands();
  if (commands) lines.push(`  to install a driver on ${titled(distribution())}: ${commands}`);
  else if (platform === "linux")
    lines.push("  install your GPU's Vulkan driver, or Mesa's lavapipe >= 24, and the loader libvulkan.so.1");
  return lines.join("\n");
}

/**
 * What Dawn accepts under `env`. Kept for a day, since the child costs half a second; a changed driver, package or variable
 * asks again, and so does a run that ended without its adapter (`forgetAdapters`).
 * @returns {Promise<{ adapters: Adapter[], error?: string }>}
 */
async function probe(root, env) {
  const file = join(launchCacheFolder(root), "adapters.json");
  const key = fingerprint(root, env);
  const known = load(file);
  if (known[key] && Date.now() - known[key].at < DAY) return known[key];
  const answer = await ask(root, env);
  if (!answer.error) {
    const recent = Object.entries(load(file)).filter(([, { at }]) => Date.now() - at < DAY);
    writeWhole(file, JSON.stringify({ ...Object.fromEntries(recent), [key]: { ...answer, at: Date.now() } }));
  }
  return answer;
}

/** After a run that could not open its adapter: look again next time. */
export function forgetAdapters(root) {
  rmSync(join(launchCacheFolder(root), "adapters.json"), { force: true });
}

function load(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return {};
  }
}

function ask(root, env) {
  const script = fileURLToPath(new URL("./probe.mjs", import.meta.url));
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [script, join(root, "package.json")], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 60_000,
    });
    let out = "";
    let log = "";
    child.stdout.on("data", (text) => (out += text));
    child.stderr.on("data", (text) => (log += text));
    child.on("error", (error) => resolve({ adapters: [], error: error.message }));
    child.on("close", (code, signal) => {
      try {
        resolve(JSON.parse(out));
      } catch {
        resolve({
          adapters: [],
          error: `the driver ended the process (${signal ?? `exit ${code}`}) ${log.trim().split("\n").pop()}`,
        });
      }
    });
  });
}

/** Everything that decides what Dawn will see: the package, the driver files and their dates, the variables drivers read. */
function fingerprint(root, env) {
  const all = { ...process.env, ...env };
  const variables = Object.keys(all)
    .filter((key) => /^(VK_|LD_LIBRARY_PATH|DAWN|LVP_|LP_|GALLIUM|NVIDIA_|__NV)/.test(key))
    .sort();
  const manifests = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];
  const files = [
    join(root, "node_modules", "webgpu", "package.json"),
    ...manifests.flatMap((folder) => inside(folder)),
    ...inside("/dev/dri"),
    "/dev/nvidia0",
    "/dev/dxg",
    ...["x86_64-linux-gnu", "aarch64-linux-gnu"].flatMap((name) => [
      `/usr/lib/${name}/libvulkan.so.1`,
      `/usr/lib/${name}/libvulkan_lvp.so`,
    ]),
  ];
  const parts = [
    process.version,
    ...variables.map((key) => `${key}=${all[key]}`),
    ...files.filter(existsSync).map((path) => `${path} ${statSync(path).mtimeMs}`),
  ];
  return createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 32);
}

function inside(folder) {
  try {
    return readdirSync(folder)
      .sort()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}
