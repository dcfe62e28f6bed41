// The embedded software driver: SwiftShader out of the npm package @sparticuz/chromium, unpacked once into the user's cache.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { writeWhole } from "./cache.mjs";

const ARCHIVE = join("node_modules", "@sparticuz", "chromium", "bin", "swiftshader.tar.br");
const DRIVER = "libvk_swiftshader.so";

/**
 * A folder to put on LD_LIBRARY_PATH: the driver lies in it under the name of the Vulkan loader, which needs no ICD file and
 * hides every other driver. Undefined where the package is not installed or has no binary for this machine.
 * @param {string} root the project's folder
 * @param {string} cache the user's cache folder
 * @returns {string | undefined}
 */
export function swiftShader(root, cache) {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  const archive = find(root);
  if (!archive) return undefined;
  const packed = readFileSync(archive);
  const folder = join(cache, `swiftshader-${sha256(packed).slice(0, 16)}`);
  const library = join(folder, "libvulkan.so.1");
  const seal = join(folder, "sha256");
  if (!isWhole(library, seal)) {
    const bytes = member(brotliDecompressSync(packed, { maxOutputLength: 1 << 27 }), DRIVER);
    writeWhole(library, bytes);
    writeWhole(seal, `${bytes.length} ${sha256(bytes)}\n`);
  }
  return folder;
}

/** Our own node_modules, or that of the project which has installed us. */
function find(root) {
  for (let folder = root; ; folder = dirname(folder)) {
    if (existsSync(join(folder, ARCHIVE))) return join(folder, ARCHIVE);
    if (folder === dirname(folder)) return undefined;
  }
}

function isWhole(library, seal) {
  if (!existsSync(library) || !existsSync(seal)) return false;
  const [size, hash] = readFileSync(seal, "utf8").trim().split(" ");
  return statSync(library).size === Number(size) && sha256(readFileSync(library)) === hash;
}

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/**
 * One regular file of a plain ustar archive.
 * @param {Buffer} tar
 * @param {string} wanted base name
 * @returns {Buffer}
 */
export function member(tar, wanted) {
  const text = (at, length) => tar.toString("latin1", at, at + length).replace(/\0.*$/s, "");
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const start = at + 512;
    if (!(size >= 0) || start + size > tar.length) break;
    const regular = tar[at + 156] === 48 || tar[at + 156] === 0;
    if (regular && text(at, 100).split("/").pop() === wanted) return tar.subarray(start, start + size);
    at = start + Math.ceil(size / 512) * 512;
  }
  throw new Error(`swiftshader.tar.br: no whole ${wanted} in the archive; reinstall the packages with npm ci`);
}
