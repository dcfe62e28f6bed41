// A short child process of the launcher: which adapters does Dawn accept under this environment? One line of JSON.
// It is a process of its own because drivers print, can crash, and read their environment only once.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

/** No adapter has this name, so Dawn answers with the list of those it accepts. */
const NOBODY = "\u0001";

async function list() {
  const require = createRequire(pathToFileURL(process.argv[2]));
  const { create } = await import(pathToFileURL(require.resolve("webgpu")));
  try {
    await create([`adapter=${NOBODY}`]).requestAdapter();
  } catch (error) {
    const found = [...String(error.message).matchAll(/backend: '([^']*)', name: '([^\n]*)'/g)];
    return found.map(([, backend, name]) => ({ backend, name }));
  }
  return [];
}

const answer = await list().then(
  (adapters) => ({ adapters }),
  (error) => ({ adapters: [], error: String(error?.message ?? error) }),
);
process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0));
