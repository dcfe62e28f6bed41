// What would make this machine faster, as commands for its distribution. Reads the system, changes nothing.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { aptSources } from "./apt-sources.mjs";

const read = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
};

const list = (folder) => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

/** `ID` and `VERSION_ID` of /etc/os-release, as `debian 12`; `darwin` or `win32` elsewhere. */
export function distribution(text = read("/etc/os-release")) {
  const field = (key) => new RegExp(`^${key}="?([^"\\n]*)`, "m").exec(text)?.[1] ?? "";
  return process.platform === "linux" || text ? `${field("ID")} ${field("VERSION_ID")}`.trim() : process.platform;
}

/**
 * The commands that install lavapipe, Mesa's software driver.
 * @param {string} system as of `distribution`
 * @param {string} mirror of this machine's package sources, as of `debianMirror`
 */
export function lavapipeCommands(system = distribution(), mirror = debianMirror()) {
  const [id, version] = system.split(" ");
  const root = process.getuid?.() === 0 ? "" : "sudo ";
  const apt = `${root}apt install -y libvulkan1 mesa-vulkan-drivers`;
  if (id === "debian" && Number(version) === 12) {
    const source = `deb ${mirror || "<your Debian mirror>"} bookworm-backports main`;
    return (
      `echo '${source}' | ${root}tee /etc/apt/sources.list.d/bookworm-backports.list && ${root}apt update && ` +
      `${root}apt install -y -t bookworm-backports libvulkan1 mesa-vulkan-drivers`
    );
  }
  if (hasRecentMesa(id, version)) return `${root}apt update && ${apt}`;
  if (id === "fedora") return `${root}dnf install -y vulkan-loader mesa-vulkan-drivers`;
  if (id === "arch") return `${root}pacman -S vulkan-icd-loader vulkan-swrast`;
  return "";
}

/** Whether Dawn accepts the Mesa of that release, which is 24 or later. */
const hasRecentMesa = (id, version) =>
  (id === "debian" && (Number(version) >= 13 || !version)) || (id === "ubuntu" && Number(version) >= 24.04);

/**
 * Where apt finds a lavapipe that Dawn accepts: the release's codename, and the suite to prefer, or undefined where it finds none.
 * @param {string} text of /etc/os-release
 * @returns {{ codename: string, suite?: string } | undefined}
 */
export function lavapipeRelease(text = read("/etc/os-release")) {
  const [id, version] = distribution(text).split(" ");
  const codename = /^VERSION_CODENAME="?([\w-]+)/m.exec(text)?.[1];
  if (!codename) return undefined;
  if (id === "debian" && Number(version) === 12) return { codename, suite: `${codename}-backports` };
  return hasRecentMesa(id, version) ? { codename } : undefined;
}

/** The first mirror that has the suite bookworm, from apt's sources in either format. */
export const debianMirror = (folder = "/etc/apt") =>
  aptSources(folder).find(({ suite }) => suite === "bookworm")?.uri ?? "";

/** The GPU on the PCI bus that no driver shows to Vulkan, by vendor; undefined if there is none. */
export function silentGpu(bus = "/sys/bus/pci/devices") {
  const vendors = { "0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel" };
  for (const device of list(bus)) {
    const isDisplay = read(join(bus, device, "class")).startsWith("0x03");
    const vendor = vendors[read(join(bus, device, "vendor")).trim()];
    if (isDisplay && vendor) return vendor;
  }
  return undefined;
}

/** The commands that make a GPU visible which has no working Vulkan driver. */
export function gpuCommands(vendor, system = distribution()) {
  if (vendor !== "NVIDIA") return lavapipeCommands(system); // the same package carries the drivers for AMD and Intel
  const root = process.getuid?.() === 0 ? "" : "sudo ";
  if (system.startsWith("ubuntu")) return `${root}ubuntu-drivers install`;
  if (system.startsWith("debian")) return `${root}apt install -y nvidia-driver nvidia-vulkan-icd (section non-free)`;
  return "install NVIDIA's driver with its Vulkan library (in a container: NVIDIA_DRIVER_CAPABILITIES=all)";
}
