// `npm run api`: writes docs/api from the declarations.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { declarations } from "./declarations.ts";
import { apiFiles, strays } from "./pages.ts";

const declared = declarations();
for (const line of strays(declared)) process.stderr.write(`${line}\n`);
const folder = join("docs", "api");
mkdirSync(folder, { recursive: true });
const files = apiFiles(declared);
for (const [name, text] of files) writeFileSync(join(folder, name), text);
console.log(`${Object.values(declared.names).flat().length} names in ${files.size} files of ${folder}`);
process.exit(strays(declared).length > 0 ? 1 : 0);
