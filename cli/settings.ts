// Settings of a training as flags: one for each, checked together with all others.
import type { Command } from "commander";
import { checkSettings, defaults, type Settings, schema } from "../train/settings.ts";
import { real } from "./flags.ts";

/** Settings whose flag has another name than they have in config.json and in the library. */
const renamed: Partial<Record<keyof Settings, string>> = {
  batch: "batch-size",
  clip: "grad-clip-norm",
  decay: "wd",
};

const settingNames = Object.keys(schema) as (keyof Settings)[];

/** The flag of a setting, without dashes. */
const flagOf = (name: keyof Settings) =>
  renamed[name] ?? name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** What commander calls the value of a flag. */
const attributeOf = (flag: string) => flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** Adds flags for settings: `about` says what one means where the schema's words do not fit. */
export function withSettings(command: Command, names: readonly (keyof Settings)[] = settingNames): Command {
  for (const name of names) {
    const { about, value } = schema[name];
    if (typeof value === "boolean") command.option(`--${flagOf(name)}`, about);
    else command.option(`--${flagOf(name)} <value>`, `${about} (default ${value})`);
  }
  return command;
}

/** All settings: those that a command's flags give, `other` ones, and the defaults. Errors: UsageError that names the flag. */
export function settingsOf(flags: Readonly<Record<string, unknown>>, other: Partial<Settings> = {}): Settings {
  const given = settingNames.flatMap((name) => {
    const text = flags[attributeOf(flagOf(name))];
    return text === undefined ? [] : [[name, text === true ? text : parsed(name, String(text))]];
  });
  return checkSettings({ ...other, ...Object.fromEntries(given) }, (name) => `--${flagOf(name)}`);
}

/** A value as its flag gives it; its range is checked with all the others. */
const parsed = (name: keyof Settings, text: string): string | number =>
  typeof defaults[name] === "string" ? text : real(flagOf(name), text);

/** The setting that a flag, without dashes, is for. */
export const settingNamed = (flag: string): keyof Settings | undefined =>
  settingNames.find((name) => flagOf(name) === flag);
