// `emotionclip version`, and --version: the three versions that decide what a program can do and which bits come out.
import { Command } from "commander";
import { packageName, versions } from "../../train/runs/platform.ts";
import { print } from "../terminal/streams.ts";

export const command = (): Command => new Command().action(() => print(versionText()));

export function versionText(): string {
  const { program, webgpu, node } = versions();
  return `${packageName} ${program}\nwebgpu ${webgpu}, Node ${node}, ${process.platform} ${process.arch}`;
}
