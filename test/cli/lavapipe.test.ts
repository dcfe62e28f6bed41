// The driver that the launcher fetches where there is no GPU: when it may, from where, and that nothing half or unsigned is ever used.
// apt is played by scripts on PATH.
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { complaint, networkOf, packagesOf } from "../../cli/launch/apt.mjs";
import { aptSources, releaseSources } from "../../cli/launch/apt-sources.mjs";
import { lavapipeRelease } from "../../cli/launch/hints.mjs";
import { fetchDecision, planLines } from "../../cli/launch/lavapipe.mjs";
import { inTemporary } from "../kit/temporary.ts";

const choice = suite("lavapipe: the decision");

choice("it is fetched unless somebody says no, or the machine has no apt or no release with a recent Mesa", () => {
  const free = { answer: undefined, wanted: undefined, release: { codename: "trixie" }, apt: true };
  const of = (change: object) => fetchDecision({ ...free, ...change });
  assert.is(of({}), "yes");
  assert.is(of({ answer: "" }), "yes");
  assert.is(of({ wanted: "lavapipe" }), "yes");
  assert.is(of({ wanted: "llvmpipe (LLVM 19)" }), "yes");
  assert.is(of({ answer: "1" }), "retry");
  for (const no of [{ answer: "0" }, { wanted: "swiftshader" }, { release: undefined }, { apt: false }])
    assert.is(of(no), "no", JSON.stringify(no));
  assert.throws(() => of({ answer: "maybe" }), /EMOTIONCLIP_FETCH is "maybe"; expected 0 \(fetch no driver\) or 1/);
});

choice("each release says where its lavapipe is", () => {
  const of = (id: string, version: string, codename?: string) =>
    lavapipeRelease(`ID=${id}\nVERSION_ID="${version}"\n${codename ? `VERSION_CODENAME=${codename}\n` : ""}`);
  assert.equal(of("debian", "12", "bookworm"), { codename: "bookworm", suite: "bookworm-backports" });
  assert.equal(of("debian", "13", "trixie"), { codename: "trixie" });
  assert.equal(of("ubuntu", "24.04", "noble"), { codename: "noble" });
  for (const old of [
    of("debian", "11", "bullseye"),
    of("ubuntu", "22.04", "jammy"),
    of("fedora", "41"),
    of("debian", "13"),
  ])
    assert.is(old, undefined);
});

choice("only the release's own sources are read, in both formats, with their keys", () =>
  inTemporary((folder) => {
    mkdirSync(join(folder, "sources.list.d"));
    writeFileSync(
      join(folder, "sources.list"),
      "# deb http://old bookworm main\ndeb [signed-by=/k] http://m/debian bookworm main contrib # ours\ndeb-src http://m/debian bookworm main\n" +
        "deb http://m/debian bookworm-updates main\ndeb http://tools.example bookworm stable\ndeb http://m/debian trixie main\n",
    );
    writeFileSync(
      join(folder, "sources.list.d", "s.sources"),
      "Types: deb deb-src\nURIs: http://m/security\nSuites: bookworm-security\nComponents: main non-free\nSigned-By:\n -----BEGIN\n .\n KEY\n\n" +
        "Enabled: no\nTypes: deb\nURIs: http://off\nSuites: bookworm\nComponents: main\n",
    );
    const own = releaseSources({ codename: "bookworm", suite: "bookworm-backports" }, aptSources(folder));
    assert.is(
      own?.list,
      "deb [signed-by=/k] http://m/debian bookworm main\ndeb http://m/debian bookworm-updates main\n" +
        "deb [signed-by=/k] http://m/debian bookworm-backports main\n",
    );
    assert.is(
      own?.sources,
      "Types: deb\nSuites: bookworm-security\nComponents: main\nURIs: http://m/security\nSigned-By: \n -----BEGIN\n .\n KEY\n\n",
    );
    assert.is(releaseSources({ codename: "noble" }, aptSources(folder)), undefined);
  }),
);

choice("of apt's settings only the way to the network is taken over, and its worst complaint is told", () => {
  const dump = [
    'Acquire::http::Proxy "http://proxy:3128";',
    'Acquire::https::CaInfo "/ca";',
    'APT::Architecture "amd64";',
    'Acquire::http::Timeout "9";',
    'APT::Update::Post-Invoke:: "rm -rf /";',
    'Acquire::AllowInsecureRepositories "true";',
  ].join("\n");
  assert.equal(networkOf(dump), dump.split("\n").slice(0, 3));
  const bad = "W: first\nE: Some index files failed to download.\nE: The repository 'x' is not signed.\n";
  assert.is(complaint(bad, 100), "The repository 'x' is not signed.");
  assert.is(complaint("W: no route\nE: Some index files failed\n", 100), "no route");
  assert.is(complaint("Segmentation fault", 139), "exit 139 Segmentation fault");
});

choice("versions and sizes are shown before anything is fetched", () => {
  const text =
    "Reading...\n'http://m/x.deb' libz3-4_1%3a4.8-3_amd64.deb 7200123 SHA256:ab\n'http://m/y' tiny_1_all.deb 900 \n";
  const plan = packagesOf(text);
  assert.equal(plan[0], { name: "libz3-4", version: "1:4.8-3", bytes: 7200123, file: "libz3-4_1%3a4.8-3_amd64.deb" });
  assert.equal(planLines(plan, "http://m").slice(1), ["  libz3-4 1:4.8-3 7.2 MB", "  tiny 1 1 kB"]);
  assert.match(planLines(plan, "http://m")[0], /2 packages, 7\.2 MB, once, from http:\/\/m .*EMOTIONCLIP_FETCH=0/);
});

choice.run();

const triplet = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";

/** What the played apt does, by the word in $APT_PLAYS. Each update is counted. */
const apt = `
home=$(dirname "$APT_CONFIG")
case "$*" in
  *update*)
    echo update >> "$APT_LOG"
    cp "$APT_CONFIG" "$APT_LOG.conf"
    case "$APT_PLAYS" in
      signature) echo "W: GPG error: http://m: NO_PUBKEY 1234" >&2; echo "E: The repository is not signed." >&2; exit 100;;
      offline) echo "W: Failed to fetch http://m Temporary failure resolving 'm'" >&2; echo "E: Some index files failed" >&2; exit 100;;
      slow) sleep 1;;
      endless) echo ready > "$APT_LOG.ready"; exec sleep 60;;
    esac;;
  *Print-URIs*)
    [ "$APT_PLAYS" = libc ] && echo "'http://m/c' libc6_2.99_amd64.deb 9 SHA256:0"
    echo "'http://m/l' libLLVM_15_amd64.deb 23000000 SHA256:0"
    echo "'http://m/v' mesa-vulkan-drivers_25.0_amd64.deb 11000000 SHA256:0";;
  *" -d "*)
    echo 1 > "$home/cache/archives/libLLVM_15_amd64.deb"
    [ "$APT_PLAYS" = cut ] && { echo "E: Hash Sum mismatch" >&2; exit 100; }
    echo 2 > "$home/cache/archives/mesa-vulkan-drivers_25.0_amd64.deb";;
esac`;

const dpkg = `
mkdir -p "$3/usr/lib/${triplet}" "$3/usr/share/vulkan/icd.d"
case "$2" in
  */libLLVM*) echo llvm > "$3/usr/lib/${triplet}/libLLVM.so.15.0"; ln -s libLLVM.so.15.0 "$3/usr/lib/${triplet}/libLLVM.so.15";;
  *) echo lvp > "$3/usr/lib/${triplet}/libvulkan_lvp.so"; echo amd > "$3/usr/lib/${triplet}/libvulkan_radeon.so"
     ln -s /etc/passwd "$3/usr/lib/${triplet}/out.so"
     echo '{"ICD":{"api_version":"1.4.0","library_path":"/usr/lib/libvulkan_lvp.so"},"file_format_version":"1.0.0"}' > "$3/usr/share/vulkan/icd.d/lvp_icd.json";;
esac`;

interface Played {
  readonly code: number | null;
  readonly result: { env?: Record<string, string>; failure?: string } | undefined;
  readonly said: string;
}

/** A machine whose apt is played, with a cache of its own. */
class Machine {
  readonly cache: string;
  readonly log: string;
  readonly bin: string;

  constructor(readonly folder: string) {
    [this.cache, this.log, this.bin] = ["cache", "log", "bin"].map((name) => join(folder, name));
    mkdirSync(this.cache);
    mkdirSync(this.bin);
    writeFileSync(join(folder, "status"), "");
    for (const [name, text] of Object.entries({
      "apt-get": apt,
      "dpkg-deb": dpkg,
      "apt-config": `echo 'Acquire::http::Proxy "http://p:1";'`,
    })) {
      writeFileSync(join(this.bin, name), `#!/bin/sh${text.startsWith("\n") ? text : `\n${text}`}\n`);
      chmodSync(join(this.bin, name), 0o755);
    }
  }

  /** Asks for lavapipe in a process of its own; `during` gets its id. */
  ask(plays: string, answer = "", during = (_: () => void) => {}): Promise<Played> {
    const { folder, cache, log, bin } = this;
    const machine = {
      release: { codename: "bookworm", suite: "bookworm-backports" },
      status: join(folder, "status"),
    };
    const script = `
      import { lavapipe } from ${JSON.stringify(pathToFileURL(resolve("cli/launch/lavapipe.mjs")).href)};
      const text = (suite) => "deb http://m " + suite + " main\\n";
      const machine = { ...${JSON.stringify(machine)}, sources: [{ ext: "list", uri: "http://m", suite: "bookworm", text }] };
      lavapipe(${JSON.stringify(cache)}, undefined, (line) => process.stderr.write(line + "\\n"), machine).then(
        (result) => process.stdout.write(JSON.stringify(result ?? {})),
        (error) => { process.stderr.write(error.message); process.exit(error.exitCode ?? 1); });`;
    const env = {
      ...process.env,
      PATH: `${bin}:${process.env.PATH}`,
      APT_PLAYS: plays,
      APT_LOG: log,
      EMOTIONCLIP_FETCH: answer,
    };
    return new Promise((done) => {
      const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
        env,
        stdio: ["ignore", "pipe", "pipe"],
      });
      let [out, said] = ["", ""];
      child.stdout.on("data", (text) => (out += text));
      child.stderr.on("data", (text) => (said += text));
      child.on("close", (code) => done({ code, result: out ? JSON.parse(out) : undefined, said }));
      during(() => child.kill("SIGINT"));
    });
  }

  get updates(): number {
    return existsSync(this.log) ? readFileSync(this.log, "utf8").trim().split("\n").length : 0;
  }

  get left(): string[] {
    return readdirSync(this.cache).sort();
  }
}

const fetching = suite("lavapipe: the fetch");
const onApt = process.platform === "linux" && ["x64", "arm64"].includes(process.arch) ? fetching : fetching.skip;
const on = (name: string, body: (machine: Machine) => Promise<void>) =>
  onApt(name, () => inTemporary((folder) => body(new Machine(folder))));

on("what was fetched lies whole in the cache, without other drivers, and is not fetched again", async (machine) => {
  const { code, result, said } = await machine.ask("well");
  assert.is(code, 0, said);
  const folder = join(machine.cache, "lavapipe-25.0");
  assert.is(result?.env?.VK_DRIVER_FILES, join(folder, "lavapipe.json"));
  assert.is(result?.env?.LD_LIBRARY_PATH.split(":")[0], join(folder, "lib"));
  assert.equal(readdirSync(join(folder, "lib")).sort(), ["libLLVM.so.15", "libLLVM.so.15.0", "libvulkan_lvp.so"]);
  const { ICD } = JSON.parse(readFileSync(join(folder, "lavapipe.json"), "utf8"));
  assert.is(ICD.library_path, "./lib/libvulkan_lvp.so");
  assert.match(said, /2 packages, 34\.0 MB[\s\S]*libLLVM 15 23\.0 MB[\s\S]*mesa-vulkan-drivers 25\.0 11\.0 MB/);
  assert.equal(machine.left, ["lavapipe-25.0"]);
  assert.equal(
    (await machine.ask("offline", "0")).result,
    result,
    "what is there is used, whatever is said of fetching",
  );
  assert.is(machine.updates, 1);
  truncateSync(join(folder, "lib", "libLLVM.so.15.0"), 1);
  assert.equal((await machine.ask("well")).result, result, "a damaged one is fetched again");
  assert.is(machine.updates, 2);
});

on("apt reads nothing of the system but its network, and takes nothing unsigned", async (machine) => {
  await machine.ask("well");
  const conf = readFileSync(`${machine.log}.conf`, "utf8");
  assert.match(conf, /^Acquire::http::Proxy "http:\/\/p:1";$/m);
  assert.match(conf, /^Acquire::AllowInsecureRepositories "false";$/m);
  assert.match(conf, /^APT::Default-Release "bookworm-backports";$/m);
  const paths = [...conf.matchAll(/^Dir::\S+ "([^"]+)";$/gm)].map(([, path]) => path);
  assert.ok(paths.length >= 10 && paths.every((path) => path.startsWith(machine.cache)), conf);
});

for (const [plays, reason] of [
  ["signature", /could not be fetched \(apt-get update: GPG error: http:\/\/m: NO_PUBKEY 1234\)/],
  ["offline", /could not be fetched \(apt-get update: .*Temporary failure resolving 'm'\)/],
  ["cut", /could not be fetched \(apt-get install: Hash Sum mismatch\)/],
  ["libc", /could not be fetched \(it needs a newer C library/],
] as const)
  on(`${plays}: one sentence, nothing of it is left or used, and the next try is in an hour`, async (machine) => {
    const { code, result } = await machine.ask(plays);
    assert.is(code, 0);
    assert.is(result?.env, undefined);
    assert.match(result?.failure ?? "", reason);
    assert.equal(machine.left, ["lavapipe-failed.json"]);
    assert.match(
      (await machine.ask("well")).result?.failure ?? "",
      /could not be fetched 0 min ago .*EMOTIONCLIP_FETCH=1/,
    );
    assert.is(machine.updates, 1);
    assert.ok((await machine.ask("well", "1")).result?.env, "EMOTIONCLIP_FETCH=1 tries at once");
    assert.equal(machine.left, ["lavapipe-25.0"]);
  });

on("Ctrl-C in the middle leaves nothing, not even a failure to wait for", async (machine) => {
  const { code, said } = await machine.ask("endless", "", (interrupt) => {
    const look = setInterval(() => {
      if (!existsSync(`${machine.log}.ready`)) return;
      clearInterval(look);
      interrupt();
    }, 20);
  });
  assert.is(code, 130);
  assert.match(said, /stopped while fetching lavapipe; nothing of it is left/);
  assert.equal(machine.left, []);
});

on("two processes at once fetch once", async (machine) => {
  const [a, b] = await Promise.all([machine.ask("slow"), machine.ask("slow")]);
  assert.ok(a.result?.env);
  assert.equal(a.result, b.result);
  assert.is(machine.updates, 1);
  assert.match(a.said + b.said, /another process is fetching lavapipe; waiting for it/);
  assert.equal(machine.left, ["lavapipe-25.0"]);
});

on("what a killed process left is cleared away", async (machine) => {
  mkdirSync(join(machine.cache, "lavapipe-fetch-1", "apt"), { recursive: true });
  await machine.ask("well");
  assert.equal(machine.left, ["lavapipe-25.0"]);
});

fetching.run();
