// What happens before and around a command: set-up, the choice of the adapter, wrong words, signals, closed pipes.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { build } from "esbuild";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CheckpointError, FormatError, KernelError, UsageError } from "../../engine/errors.ts";
import { commands, loaded, report, runCommand } from "../../cli/cli.ts";
import { ranked } from "../../cli/launch/adapter.mjs";
import { settings } from "../../cli/launch/bundle.mjs";
import { debianMirror, distribution, lavapipeCommands } from "../../cli/launch/hints.mjs";
import { install, npm, whyInstall } from "../../cli/launch/install.mjs";
import { member, swiftShader } from "../../cli/launch/swiftshader.mjs";
import { overridesOf } from "../../cli/run-name.ts";
import { settingNamed } from "../../cli/settings.ts";
import { refusal } from "../kit/refusal.ts";
import { type Outcome, runProgram } from "../run/program.ts";
import { inTemporary } from "../kit/temporary.ts";

const LAUNCHER = join("cli", "launch", "launch.mjs");
const CLI = join("dist", "cli.js");

/** Runs `body` with other environment variables. */
async function withEnv(variables: Record<string, string | undefined>, body: () => unknown): Promise<void> {
  const before = Object.fromEntries(Object.keys(variables).map((key) => [key, process.env[key]]));
  const set = (all: Record<string, string | undefined>) => {
    for (const [key, value] of Object.entries(all)) {
      if (value === undefined) delete process.env[key];
      else process.env[key] = value;
    }
  };
  set(variables);
  try {
    await body();
  } finally {
    set(before);
  }
}

function isRefusal({ code, stdout, stderr }: Outcome, exit: number, text: RegExp): void {
  assert.is(code, exit, stderr);
  assert.match(stderr, text);
  assert.not.match(stderr, /^\s+at /m, "a stack is for our bugs");
  assert.is(stdout, "");
}

const words = suite();

words("an unknown command suggests the nearest", async () => {
  isRefusal(await runProgram(CLI, ["docter"]), 2, /^error: unknown command "docter" \(did you mean doctor\?\)/m);
});

words("an unknown flag suggests the nearest", async () => {
  isRefusal(await runProgram(CLI, ["doctor", "--jsom"]), 2, /^error: unknown flag --jsom \(did you mean --json\?\)/m);
});

words("a surplus argument and a flag without its value are refused", async () => {
  isRefusal(await runProgram(CLI, ["doctor", "everything"]), 2, /^error: too many arguments/m);
  isRefusal(await runProgram(CLI, ["doctor", "--adapter"]), 2, /^error: option '--adapter <name>' argument missing/m);
});

words("help is printed and is no error", async () => {
  for (const args of [[], ["--help"], ["help", "doctor"], ["doctor", "--help"]]) {
    const { code, stdout } = await runProgram(CLI, args);
    assert.is(code, 0, args.join(" "));
    assert.match(stdout, /^Usage: emotionclip/);
  }
});

words("arguments that a command has no place for are refused by name", async () => {
  isRefusal(
    await runProgram(CLI, ["doctor", "x", "a b"]),
    2,
    /too many arguments for doctor: "x", "a b"; expected none/,
  );
  isRefusal(
    await runProgram(CLI, ["eval", "stage", "bold"]),
    2,
    /too many arguments for eval: "bold"; expected <benchmark>/,
  );
  isRefusal(await runProgram(CLI, ["help", "doctor", "x"]), 2, /too many arguments for help: "x"/);
  isRefusal(await runProgram(CLI, ["version", "x"]), 2, /too many arguments for version: "x"/);
  isRefusal(await runProgram(CLI, ["help", "docter"]), 2, /unknown command "docter" \(did you mean doctor\?\)/);
});

words("every command refuses a word too many by name, unless it takes any number", async () => {
  const context = { gpu: () => ({}), run: runCommand };
  for (const entry of commands) {
    const command = await loaded(entry, context);
    if (command.commands.length > 0 || command.registeredArguments.some(({ variadic }) => variadic)) continue;
    const needed = command.registeredArguments.map(() => "x");
    const asked = command.options.filter(({ mandatory }) => mandatory).flatMap(({ long }) => [long!, "x"]);
    const error = await refusal(runCommand([entry.name, ...needed, ...asked, "surplus word"]));
    assert.match(error.message, /too many arguments for [\w-]+: "surplus word"/, entry.name);
  }
});

words("the version is that of the package, with those that decide what it computes", async () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  for (const args of [["--version"], ["-V"], ["version"]]) {
    const { code, stdout } = await runProgram(CLI, args);
    assert.is(code, 0);
    assert.is(stdout.split("\n")[0], `emotionclip-webgpu ${version}`);
    assert.match(stdout, /^webgpu \d+\.\d+\.\d+, Node \d+\./m);
  }
  const launched = await runProgram(LAUNCHER, ["--version"]);
  assert.is(launched.code, 0);
  assert.not.match(launched.stderr, /adapter/, "no GPU is looked for");
});

words("names of before work with one hint, those of PyTorch without", async () => {
  const old = await runProgram(CLI, ["start", "--clip", "0", "--clip", "0"]);
  isRefusal(old, 2, /^error: --grad-clip-norm is 0/m);
  assert.is(old.stderr.match(/--clip is called --grad-clip-norm now/g)?.length, 1);
  for (const [flag, name] of [
    ["--batch", "--batch-size"],
    ["--decay", "--wd"],
    ["--weight-decay", "--wd"],
  ]) {
    const outcome = await runProgram(CLI, ["start", flag, "-1"]);
    isRefusal(outcome, 2, new RegExp(`^error: ${name} is -1`, "m"));
    assert.is(outcome.stderr.includes(`${flag} is called`), flag !== "--weight-decay");
  }
  isRefusal(
    await runProgram(CLI, ["train", "--batch", "-1"]),
    2,
    /^--batch is called --batch-size now[\s\S]*error: --batch-size is -1/m,
  );
});

words("flags and commands of other programs are answered by what they mean", async () => {
  const says = async (args: string[], text: RegExp) => isRefusal(await runProgram(CLI, args), 2, text);
  await says(["start", "--epochs", "3"], /unknown flag --epochs: --steps <n> is the length of a run/);
  await says(["start", "--accum-freq=2"], /unknown flag --accum-freq: --micro <clips>/);
  await says(["start", "--save_freq", "2"], /unknown flag --save_freq: --checkpoint-every/);
  await says(["start", "--bf16"], /unknown flag --bf16: --precision <precision> is f32 or amp/);
  await says(["start", "--resume", "latest"], /unknown flag --resume: the same command goes on/);
  await says(["eval", "stage", "--num-workers", "2"], /unknown flag --num-workers: --workers <n>/);
  await says(["doctor", "--epochs", "2"], /unknown flag --epochs; /);
  await says(["classify"], /unknown command "classify" \(here it is zero-shot\)/);
});

words("a setting that is no number is refused under the name of its flag", async () => {
  for (const flag of ["--lr-end", "--batch-size", "--checkpoint-every", "--max-bad"])
    isRefusal(
      await runProgram(CLI, ["start", flag, "many"]),
      2,
      new RegExp(`^error: ${flag}: "many" is not a number`, "m"),
    );
});

words("--override takes settings as config.json and as flags call them", () => {
  assert.equal(overridesOf(undefined, settingNamed), []);
  assert.equal(overridesOf("lr, --batch-size,lrEnd,lr-end,model.head", settingNamed), [
    "lr",
    "batch",
    "lrEnd",
    "lrEnd",
    "model.head",
  ]);
  assert.throws(() => overridesOf("lr,", settingNamed), /--override: "lr," has an empty name/);
});

words("an adapter that is not there is exit code 4, and the one that is there opens", async () => {
  isRefusal(await runProgram(CLI, ["doctor", "--adapter", "nobody"]), 4, /^error: no adapter matches "nobody"/m);
  const { code, stdout } = await runProgram(CLI, ["doctor", "--json"]);
  assert.is(code, 0);
  assert.equal(JSON.parse(stdout).missing, []);
});

words("the launcher refuses an adapter that is not there with the names of those that are", async () => {
  isRefusal(
    await runProgram(LAUNCHER, ["doctor", "--adapter", "nobody"]),
    4,
    /no adapter has "nobody" in its name; known: \S/,
  );
  isRefusal(await runProgram(LAUNCHER, ["doctor", "--adapter"]), 2, /--adapter needs/);
});

words("the exit code of a command passes through the launcher", async () => {
  const { code, stderr } = await runProgram(LAUNCHER, ["docter"]);
  assert.is(code, 2, stderr);
});

words("the real process has a pool thread for each core, at least 4, or as many as the user says", async () => {
  const tell = "process.stderr.write('pool=' + process.env.UV_THREADPOOL_SIZE + ';')";
  const seen = async (size: string | undefined) => {
    let stderr = "";
    const hook = `--import=data:text/javascript,${encodeURIComponent(tell)}`;
    await withEnv({ NODE_OPTIONS: hook, UV_THREADPOOL_SIZE: size }, async () => {
      ({ stderr } = await runProgram(LAUNCHER, ["help"]));
    });
    const found = [...stderr.matchAll(/pool=(\w+);/g)].map(([, size]) => size);
    return [found.at(0), found.at(-1)];
  };
  const cores = String(Math.max(4, availableParallelism()));
  assert.equal(await seen(undefined), ["undefined", cores], "the launcher itself, then the real process");
  assert.equal(await seen("3"), ["3", "3"]);
});

words("empty words arrive as they were typed", async () => {
  isRefusal(await runProgram(LAUNCHER, ["convert", ""]), 2, /missing required argument|is not there|""/);
  isRefusal(await runProgram(LAUNCHER, [""]), 2, /unknown command ""/);
  isRefusal(await runProgram(LAUNCHER, ["doctor", "", "x"]), 2, /too many arguments[^\n]*got 2/);
});

words("errors that a person can mend have a message, bugs have a stack", () => {
  assert.equal(plain(report(new UsageError("no such flag"))), { text: "error: no such flag", code: 2 });
  assert.equal(plain(report(new FormatError("a.tar: cut"))), { text: "error: a.tar: cut", code: 3 });
  assert.is(report(new KernelError("x.wgsl:1:1")).code, 1);
  const { text, code } = report(new TypeError("undefined is not a function"));
  assert.is(code, 1);
  assert.match(text, /report it[\s\S]*TypeError[\s\S]*\n\s+at /);
});

words("a system that lets a process open too few files is no bug", () => {
  const error = Object.assign(new Error("EMFILE: too many open files, open 'dist/x.js'"), { code: "EMFILE" });
  const { text, code } = plain(report(error));
  assert.is(code, 6);
  assert.match(text, /^error: this process may open too few files \(EMFILE\): .*ulimit -n/);
});

words("a terminal obeys nothing that a message quotes, and a file's name breaks no line", () => {
  const name = "\u001b[2Jred\u202e\u009b\u2028.pt";
  const { text } = report(new FormatError(`${name}: cut`));
  assert.is(stripVTControlCharacters(text), "error: \\u{1b}[2Jred\\u{202e}\\u{9b}\\u{2028}.pt: cut");
  assert.is(plain(report(new FormatError("a\nb.pt: cut"))).text, "error: a\\nb.pt: cut");
  assert.is(plain(report(new CheckpointError("names\n  missing x"))).text, "error: names\n  missing x", "a list");
  assert.not.ok(report(new TypeError("\u0007")).text.includes("\u0007"));
});

words("a message never exceeds 4 KB", () => {
  assert.ok(report(new FormatError("x".repeat(10_000))).text.length < 4200);
});

const plain = ({ text, code }: { text: string; code: number }) => ({ text: stripVTControlCharacters(text), code });

words("a reader that goes away ends the printing, not the command", async () => {
  const child = spawn(process.execPath, [CLI, "doctor", "--json"], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  child.stderr.destroy();
  assert.is(await new Promise((done) => child.on("exit", done)), 0);
});

words.run();

const signals = suite();
const STOPPER = join("dist", "stopper", "stopper.mjs");

signals.before(async () => {
  await build({
    ...settings,
    splitting: false,
    outfile: STOPPER,
    stdin: {
      resolveDir: process.cwd(),
      loader: "ts",
      contents: `
        import { exitCodeOfStop, gracefulStop, interruptible, listenForSignals, printStopped } from "./cli/terminal/stop.ts";
        listenForSignals((code) => process.exit(code));
        const stop = process.argv[2] === "graceful" ? gracefulStop() : undefined;
        const beat = setInterval(() => {
          if (!stop?.requested || process.argv[3] === "stuck") return;
          clearInterval(beat);
          if (process.argv[3] === "finished") console.log("all done");
          else printStopped("checkpoint");
          process.exit(exitCodeOfStop());
        }, 20);
        if (process.argv[3] === "reading") {
          const read = () => new Promise((done) => setTimeout(done, 30_000));
          interruptible(read).then(() => printStopped("read"));
        }
        console.log("ready");`,
    },
  });
});

/** Sends signals, each some ms after the one before; the exit code, what was printed, and how long it took from the first. */
function signalled(
  args: string[],
  sent: [NodeJS.Signals, number][],
): Promise<{ code: number | null; out: string; ms: number }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [STOPPER, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    let first = 0;
    child.stdout.on("data", async (text) => {
      out += text;
      if (first) return;
      first = performance.now();
      for (const [signal, pause] of sent) {
        await new Promise((done) => setTimeout(done, pause));
        child.kill(signal);
      }
    });
    child.on("close", (code) => resolve({ code, out, ms: performance.now() - first }));
  });
}

const posix = process.platform === "win32" ? signals.skip : signals;

posix("short work ends at once, with 130 or 143", async () => {
  assert.is((await signalled(["plain"], [["SIGINT", 0]])).code, 130);
  assert.is((await signalled(["plain"], [["SIGTERM", 0]])).code, 143);
});

posix("long work is told, and ends in its own time with the same codes", async () => {
  const { code, out } = await signalled(["graceful"], [["SIGINT", 0]]);
  assert.is(code, 130);
  assert.match(out, /checkpoint/);
  assert.is((await signalled(["graceful"], [["SIGTERM", 0]])).code, 143);
});

posix("a stretch of long work that leaves nothing to finish ends at once", async () => {
  const { code, out } = await signalled(["graceful", "reading"], [["SIGTERM", 0]]);
  assert.is(code, 143);
  assert.not.match(out, /read$/m);
  assert.not.match(out, /checkpoint/);
});

posix("one Ctrl-C that arrives twice is one; a second one ends the process at once", async () => {
  const { code, out } = await signalled(
    ["graceful"],
    [
      ["SIGINT", 0],
      ["SIGINT", 0],
    ],
  );
  assert.is(code, 130);
  assert.match(out, /checkpoint/);
  const twice = await signalled(
    ["graceful", "stuck"],
    [
      ["SIGINT", 0],
      ["SIGINT", 400],
    ],
  );
  assert.is(twice.code, 130);
  assert.not.match(twice.out, /checkpoint/);
  assert.ok(twice.ms < 1400, `${twice.ms} ms`);
});

posix("a launcher that is killed takes its work with it: long work ends with a checkpoint", () =>
  inTemporary(async (folder) => {
    const said = join(folder, "said");
    const parent = `
      const { openSync } = require("node:fs");
      const out = openSync(process.argv[1], "w");
      const args = [process.argv[2], "graceful"];
      require("node:child_process").spawn(process.execPath, args, { stdio: ["ignore", out, out, "ipc"] });`;
    const launcher = spawn(process.execPath, ["-e", parent, said, STOPPER], { stdio: "ignore" });
    const hears = async (word: string) => {
      for (let tries = 0; tries < 600; tries++) {
        if (existsSync(said) && readFileSync(said, "utf8").includes(word)) return;
        await new Promise((done) => setTimeout(done, 50));
      }
      throw new Error(`the child never said ${word}`);
    };
    await hears("ready");
    launcher.kill("SIGKILL");
    await hears("checkpoint");
  }),
);

posix("a signal that comes when nothing is left to stop does not make a failure of what was done", async () => {
  const { code, out } = await signalled(["graceful", "finished"], [["SIGINT", 0]]);
  assert.is(code, 0);
  assert.match(out, /all done/);
});

posix("a lost terminal does not end long work", async () => {
  const { code, out } = await signalled(
    ["graceful"],
    [
      ["SIGHUP", 0],
      ["SIGTERM", 200],
    ],
  );
  assert.is(code, 143);
  assert.match(out, /checkpoint/);
});

signals.run();

const setup = suite();

/** A project that wants one package, as npm leaves it after installing version `installed`. */
function project(folder: string, wanted: string, installed?: string): void {
  const lock = (version: string) => ({ lockfileVersion: 3, packages: { "": {}, "node_modules/a": { version } } });
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ name: "p", version: "1.0.0", dependencies: { a: wanted } }),
  );
  const manifest = { name: "p", version: "1.0.0", dependencies: { a: wanted } };
  const full = {
    name: "p",
    version: "1.0.0",
    ...lock(wanted),
    requires: true,
    packages: { ...lock(wanted).packages, "": manifest },
  };
  writeFileSync(join(folder, "package-lock.json"), JSON.stringify(full));
  if (!installed) return;
  mkdirSync(join(folder, "node_modules"));
  writeFileSync(join(folder, "node_modules", ".package-lock.json"), JSON.stringify(lock(installed)));
  utimesSync(join(folder, "node_modules", ".package-lock.json"), 1, 1); // long before the lock file
}

setup("packages are installed when they are missing or others than the lock file's", () =>
  inTemporary((folder) => {
    project(folder, "1.0.0");
    assert.match(whyInstall(folder) ?? "", /no packages yet/);
    project(folder, "1.1.0", "1.0.0");
    assert.match(whyInstall(folder) ?? "", /other packages/);
  }),
);

setup("a newer lock file with the same packages installs nothing", () =>
  inTemporary((folder) => {
    project(folder, "1.0.0", "1.0.0");
    assert.is(whyInstall(folder), undefined);
  }),
);

/** Whether npm can be started here: beside Node, or on PATH. */
const hasNpm = npm()[0] !== "npm" || spawnSync("npm", ["--version"]).error === undefined;

setup("without network, or without npm, the set-up ends with what to do, within a minute", () =>
  inTemporary(async (folder) => {
    project(folder, "1.0.0");
    const started = performance.now();
    const lines: string[] = [];
    const offline = /could not be installed[\s\S]*cannot reach its registry/;
    const noNpm = /could not be installed[\s\S]*npm, which installs them, is not there/;
    // Port 9 of this machine answers nobody, and the cache is empty.
    await withEnv(
      {
        npm_config_registry: "http://127.0.0.1:9/",
        npm_config_cache: join(folder, "cache"),
        npm_config_fetch_retries: "1",
      },
      async () => {
        const failure = await install(folder, (line: string) => lines.push(line)).then(
          () => undefined,
          (error: Error) => error,
        );
        assert.match(failure?.message ?? "it succeeded", hasNpm ? offline : noNpm);
      },
    );
    assert.ok(performance.now() - started < 60_000);
  }),
);

/** A plain ustar archive; `size` may lie. */
function tar(files: [name: string, content: string, size?: number][]): Buffer {
  const parts = files.map(([name, content, size = content.length]) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(size.toString(8).padStart(11, "0"), 124);
    header.write("0", 156);
    return Buffer.concat([header, Buffer.from(content), Buffer.alloc((512 - (content.length % 512)) % 512)]);
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

setup("the driver is found in its archive, and a cut or foreign archive is refused", () => {
  const archive = tar([
    ["one", "x".repeat(600)],
    ["lib/two.so", "driver"],
  ]);
  assert.is(member(archive, "two.so").toString(), "driver");
  assert.throws(() => member(archive, "three.so"), /no whole three\.so/);
  assert.throws(() => member(tar([["two.so", "driver", 9999]]), "two.so"), /no whole two\.so/);
});

setup("a damaged driver in the cache is unpacked again", () =>
  inTemporary((cache) => {
    const folder = swiftShader(process.cwd(), cache);
    if (!folder)
      return assert.not.ok(process.platform === "linux" && process.arch === "x64", "the optional package is missing");
    const library = join(folder, "libvulkan.so.1");
    const whole = readFileSync(library);
    writeFileSync(library, whole.subarray(0, 1000));
    assert.is(swiftShader(process.cwd(), cache), folder);
    assert.ok(readFileSync(library).equals(whole));
  }),
);

setup("a GPU comes before software, lavapipe before SwiftShader, and GL is left out", () => {
  const of = (...names: string[]) =>
    ranked(names.map((name) => ({ name, backend: "vulkan" }))).map(({ name }: { name: string }) => name);
  assert.equal(
    of("SwiftShader Device (Subzero)", "llvmpipe (LLVM 15.0.6, 256 bits)", "Intel(R) UHD Graphics 770", "NVIDIA H200"),
    ["NVIDIA H200", "Intel(R) UHD Graphics 770", "llvmpipe (LLVM 15.0.6, 256 bits)", "SwiftShader Device (Subzero)"],
  );
  assert.equal(ranked([{ name: "NVIDIA H200", backend: "opengles" }]), []);
});

setup("the commands for a faster driver are those of the distribution", () => {
  assert.match(
    lavapipeCommands("debian 12", "http://mirror/debian"),
    /deb http:\/\/mirror\/debian bookworm-backports main.*-t bookworm-backports .*mesa-vulkan-drivers/,
  );
  assert.match(lavapipeCommands("debian 13", ""), /apt install -y libvulkan1 mesa-vulkan-drivers$/);
  assert.match(lavapipeCommands("ubuntu 24.04", ""), /apt install -y libvulkan1 mesa-vulkan-drivers$/);
  assert.is(lavapipeCommands("ubuntu 22.04", ""), "", "its Mesa is older than 24");
  assert.is(lavapipeCommands("plan9 4", ""), "");
  assert.is(distribution('PRETTY_NAME="Debian GNU/Linux 12"\nVERSION_ID="12"\nID=debian\n'), "debian 12");
});

setup("the mirror is read from both formats of apt's sources", () =>
  inTemporary((folder) => {
    assert.is(debianMirror(folder), "");
    mkdirSync(join(folder, "sources.list.d"));
    const deb822 =
      "Types: deb\nURIs: http://m.example/security\nSuites: bookworm-security\nComponents: main\n\nTypes: deb\nURIs: http://m.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n";
    writeFileSync(join(folder, "sources.list.d", "debian.sources"), deb822);
    assert.is(debianMirror(folder), "http://m.example/debian");
    writeFileSync(
      join(folder, "sources.list"),
      "# deb http://old bookworm main\ndeb [signed-by=/k] http://n.example/debian bookworm main\n",
    );
    assert.is(debianMirror(folder), "http://n.example/debian");
  }),
);

setup.run();
