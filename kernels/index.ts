// Every op, imported once: this is the registry. Adding an op is one folder and one line here.
export { ops } from "../engine/op.ts";
import "../engine/builtin.ts";
