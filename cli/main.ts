// The process around the command line: its streams, its signals and its one exit.
import { setTimeout as sleep } from "node:timers/promises";
import { report, runCommand } from "./cli.ts";
import { endProcess, spoken, turn } from "./terminal/speaker.ts";
import { exitCodeOfStop, listenForSignals } from "./terminal/stop.ts";
import { outliveReaders } from "./terminal/streams.ts";

/** Pipes are asynchronous on some systems: what was written goes out before the end, but a stuck reader does not hold us. */
async function finish(code: number): Promise<void> {
  const flushed = [process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write("", done)));
  const patience = new Promise((done) => setTimeout(done, 1000));
  await Promise.race([Promise.allSettled(flushed), patience]);
  endProcess(code);
}

async function fail(error: unknown): Promise<void> {
  const { text, code } = report(error);
  if (turn() > 0) await sleep(turn());
  process.stderr.write(`${spoken(text)}\n`);
  return finish(code);
}

outliveReaders();
listenForSignals(endProcess);
process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);

await runCommand(process.argv.slice(2)).then(
  () => finish(Number(process.exitCode ?? exitCodeOfStop())),
  (error) => fail(error),
);
