// The engine, the kernels, the model and its loss in a browser: nothing of Node's is in the bundle, and where there is a
// Chromium, a step in it is that of Node.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { build } from "esbuild";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { settings } from "../../cli/launch/bundle.mjs";
import { inTemporary } from "../kit/temporary.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { type Step, step } from "./browser/step.ts";

/** As everything is built, but for a page, with nothing left out and nothing put in place of anything. */
async function pageOf(entry: string): Promise<string> {
  const { outputFiles } = await build({
    ...settings,
    entryPoints: [entry],
    platform: "browser",
    target: "es2022",
    packages: "bundle",
    splitting: false,
    sourcemap: false,
    minifyWhitespace: true, // comments go
    write: false,
    outdir: ".",
  });
  return outputFiles[0].text;
}

const page = await pageOf("test/project/browser/page.ts");

/** Every module that a bundle asks its host for. */
const asked = (code: string): string[] => [
  ...[...code.matchAll(/\b(?:from|import)\s*\(?\s*"([^"]+)"/g)].map(([, name]) => name),
  ...[...code.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name]) => name),
];

test("the public engine, the kernels and the model's core are bundled for a browser without anything of Node's", async () => {
  for (const entry of ["engine/index.ts", "kernels/index.ts", "train/learner.ts"])
    assert.equal(asked(await pageOf(entry)), [], entry);
  assert.equal(asked(page), []);
  assert.not.match(page, /node:|\bprocess\.|\bsetImmediate\b/);
  assert.equal(asked('import { a } from "node:fs"; const b = await import("webgpu"); require("os");'), [
    "node:fs",
    "webgpu",
    "os",
  ]);
});

const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const chromium = [process.env.CHROME, ...places].find((path) => path !== undefined && existsSync(path));

/** WebGPU without a window, on the browser's own rasteriser where there is no GPU. */
const flags = [
  "--headless=new",
  "--no-sandbox",
  "--no-first-run",
  "--disable-gpu-sandbox",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan",
];

/** A page with one script, which sends one answer. */
async function served(code: string): Promise<{ server: Server; url: string; answer: Promise<string> }> {
  let tell!: (answer: string) => void;
  const answer = new Promise<string>((resolve) => {
    tell = resolve;
  });
  const server = createServer(async (request, response) => {
    if (request.method === "POST") tell(await textOf(request));
    const isCode = request.url === "/page.js";
    response.setHeader("content-type", isCode ? "text/javascript" : "text/html");
    response.end(isCode ? code : '<!doctype html><script type="module" src="page.js"></script>');
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, answer };
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += chunk;
  return text;
}

/** What the page answers in a browser of its own. */
async function answerOf(browser: string, code: string, folder: string): Promise<string> {
  const { server, url, answer } = await served(code);
  const child = spawn(browser, [...flags, `--user-data-dir=${join(folder, "profile")}`, url], { stdio: "ignore" });
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  try {
    const gone = closed.then(() => "the browser ended without an answer");
    const late = new Promise<string>((resolve) => setTimeout(resolve, 120_000, "no answer in two minutes").unref());
    return await Promise.race([answer, gone, late]);
  } finally {
    child.kill();
    await closed;
    server.close();
  }
}

if (!chromium) console.log("browser.test.ts: no Chromium here (CHROME names one): the step was NOT run in a browser");

(chromium ? test : test.skip)("a step in a page has the loss and the gradients of a step in Node", async () => {
  await sharedGpu();
  const want = await step();
  await inTemporary(async (folder) => {
    const text = await answerOf(chromium!, page, folder);
    assert.match(text, /^\{"adapter"/, text.slice(0, 500));
    const got = JSON.parse(text) as Step & { adapter: string };
    // two drivers: sums in f32 in the order of their subgroups, exp and sin to some units in the last place
    const near = (a: number, b: number, most: number) => Math.abs(a - b) <= 1e-4 * (1 + most);
    assert.ok(near(got.loss, want.loss, Math.abs(want.loss)), `${got.loss} and ${want.loss} on ${got.adapter}`);
    assert.ok(want.loss > 0.1);
    const most = want.gradients.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    assert.ok(most > 0.01 && got.gradients.length === want.gradients.length);
    const far = want.gradients.findIndex((value, i) => !near(got.gradients[i], value, most));
    assert.is(far, -1, `gradient ${far}: ${got.gradients[far]} and ${want.gradients[far]}`);
  });
});

test.run();
