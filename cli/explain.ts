// Wrong words on the command line, told by what they are and what was expected.
import type { Command, CommanderError } from "commander";
import { nearest } from "../engine/errors.ts";
import { commandsElsewhere, flagsOf, meaningOf } from "./names.ts";

/** The word that names the command: the first that is neither a flag, nor the adapter's name, nor `help`. */
export const commandOf = (words: readonly string[]) =>
  words.find((word, i) => !word.startsWith("-") && word !== "help" && words[i - 1] !== "--adapter");

/** What the parser holds against `words`, in a sentence. */
export function explainWords(error: CommanderError, root: Command, words: readonly string[]): string {
  const message = error.message.replace(/^error: /, "");
  const typed = /'([^']*)'/.exec(message)?.[1] ?? "";
  const word = words[0] === "help" ? "help" : commandOf(words);
  const command = root.commands.find((each) => each.name() === word) ?? root;
  const help = `emotionclip ${command === root ? "" : `${command.name()} `}--help`;
  if (error.code === "commander.unknownCommand") return unknownCommand(typed, command);
  if (error.code === "commander.unknownOption") return unknownFlag(typed.split("=")[0], command, help);
  if (error.code === "commander.excessArguments") return surplus(command, help);
  if (error.code === "commander.help")
    return `${command.name()} needs a subcommand: ${command.commands.map((each) => each.name()).join(", ")}`;
  return `${message}; see ${help}`;
}

/** A word that names no command, and what it may stand for. */
export function unknownCommand(typed: string, command: Command): string {
  const known = command.commands.map((each) => each.name());
  const same = Object.hasOwn(commandsElsewhere, typed) ? commandsElsewhere[typed] : undefined;
  const near = same && known.includes(same) ? ` (here it is ${same})` : suggest(typed, known);
  return `unknown command "${typed}"${near}; known: ${known.join(", ")}`;
}

function unknownFlag(flag: string, command: Command, help: string): string {
  const known = flagsOf(command);
  const meaning = meaningOf(flag, known);
  return `unknown flag ${flag}${meaning ? `: ${meaning}` : suggest(flag, known)}; ${help} lists ${meaning ? "all" : "them"}`;
}

/** The words that a command has no place for, by name. */
function surplus(command: Command, help: string): string {
  const all = [command, ...command.commands];
  const { args, registeredArguments } =
    all.find((each) => each.args.length > each.registeredArguments.length) ?? command;
  const expected = registeredArguments.map((argument) => `<${argument.name()}>`).join(" ") || "none";
  const extra = args.slice(registeredArguments.length).map((word) => JSON.stringify(word));
  return `too many arguments for ${command.name()}: ${extra.join(", ")}; expected ${expected}, got ${args.length}; see ${help}`;
}

const suggest = (typed: string, known: string[]) => {
  const near = nearest(typed, known);
  return near ? ` (did you mean ${near}?)` : "";
};
