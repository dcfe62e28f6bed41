// An empty value is a variable that was not set: every flag of every command refuses it by name, and so does every argument.
import { test } from "uvu";
import type { Command } from "commander";
import * as assert from "uvu/assert";
import { commands, loaded, runCommand } from "../../cli/cli.ts";
import { gpuOptions } from "../../cli/gpu.ts";
import { UsageError } from "../../engine/errors.ts";
import { refusal } from "../kit/refusal.ts";

const context = { gpu: () => gpuOptions({}), run: runCommand };

/** Flags with a value, of a command and of those below it. */
function valued(command: Command, words: readonly string[]): { words: readonly string[]; flag: string }[] {
  const own = command.options
    .filter(({ required, optional }) => required || optional)
    .map(({ long }) => ({ words, flag: long! }));
  return [...own, ...command.commands.flatMap((child) => valued(child, [...words, child.name()]))];
}

for (const entry of commands) {
  test(`${entry.name}: every flag refuses an empty value by name`, async () => {
    for (const { words, flag } of valued(await loaded(entry, context), [entry.name]))
      for (const given of [[flag, ""], [`${flag}=`]]) {
        const error = await refusal(runCommand([...words, ...given]), `${words.join(" ")} ${given.join(" ")}`);
        assert.instance(error, UsageError);
        assert.match(error.message, new RegExp(`^${flag}\\b.*empty`), `${words.join(" ")} ${given.join(" ")}`);
      }
  });
  if (entry.name === "sentiment") continue; // a text may be empty, as those of `encode texts`
  test(`${entry.name}: an empty argument is refused where it stands`, async () => {
    const words: Record<string, string[]> = {
      encode: ["video", "a.mp4"],
      "zero-shot": ["video", "a.mp4"],
      profile: ["doctor"],
      data: ["check"],
    };
    const rest = ["convert", "shards"].includes(entry.name) ? ["out"] : []; // what a command lacks is told first
    const needed = (await loaded(entry, context)).options.filter(({ mandatory }) => mandatory);
    const flags = needed.flatMap(({ long }) => [long!, long === "--out" ? "x.npy" : "nowhere.pt"]);
    const error = await refusal(
      runCommand([entry.name, ...flags, ...(words[entry.name] ?? []), "", ...rest]),
      entry.name,
    );
    assert.instance(error, UsageError);
    assert.match(error.message, /(argument|input) \d of \d is empty|too many arguments|unknown data set ""/);
  });
}

test("a flag before the command is refused likewise", async () => {
  assert.match((await refusal(runCommand(["--adapter", "", "ops"]))).message, /^--adapter is given an empty value/);
});

test.run();
