import type { BuildOptions } from "esbuild";

/** What each program is made of: name in dist -> source. */
export const programs: Record<"cli" | "test" | "mutants", Record<string, string>>;

/** The settings under which all code of this project is bundled. */
export const settings: BuildOptions;

/** Builds a program if a source has changed; the path of its entry. */
export function bundle(root: string, program: keyof typeof programs): Promise<string>;
