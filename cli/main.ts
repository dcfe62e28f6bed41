// The process around the command line: its streams, its signals and its one exit.
import { report, runCommand } from "./cli.ts";
import { exitCodeOfStop, listenForSignals } from "./terminal/stop.ts";
import { outliveReaders } from "./terminal/streams.ts";

/** Pipes are asynchronous on some systems: what was written goes out before the end, but a stuck reader does not hold us. */
async function finish(code: number): Promise<never> {
  const flushed = [process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write("", done)));
  const patience = new Promise((done) => setTimeout(done, 1000));
  await Promise.race([Promise.allSettled(flushed), patience]);
  process.exit(code);
}

function fail(error: unknown): Promise<never> {
  const { text, code } = report(error);
  process.stderr.write(`${text}\n`);
  return finish(code);
}

outliveReaders();
listenForSignals((code) => process.exit(code));
process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);

await runCommand(process.argv.slice(2)).then(
  () => finish(Number(process.exitCode ?? exitCodeOfStop())),
  (error) => fail(error),
);
