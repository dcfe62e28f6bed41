// The process around `npm run golden`: arguments, streams, exit code.
import { EngineError } from "../../engine/errors.ts";
import { outliveReaders } from "../../cli/terminal/streams.ts";
import { golden } from "./command.ts";
import { openTestGpu } from "../kit/gpu.ts";

outliveReaders();
process.exitCode = await golden(process.argv.slice(2), console.log, openTestGpu).catch((error) => {
  if (!(error instanceof EngineError)) throw error;
  console.error(`${error.name}: ${error.message}`);
  return error.exitCode;
});
