// What a person is told of a file that was taken: whatever was dropped, resized or started fresh, a sentence for each.
import { sideText } from "../../data/pixels/side.ts";
import type { LoadReport } from "./plan.ts";

/** Said once on stderr by every command that loads a model, and part of its JSON. */
export function remarksOf({ notes, fresh, resized }: LoadReport): string[] {
  const said = [...notes];
  if (fresh.length > 0)
    said.push(
      `${fresh.length} parameters are not in the file and have seeded initial values, not trained ones: ${namesOf(fresh)}`,
    );
  if (resized) said.push(`positions resized from ${sideText(resized.from)} to ${sideText(resized.to)}`);
  return said;
}

/** `visual_head.… (76), backbone.visual.hmn_embedding`: by their first part, where there are many. */
function namesOf(names: readonly string[]): string {
  if (names.length <= 3) return names.join(", ");
  const counts = new Map<string, number>();
  for (const [part] of names.map((name) => name.split("."))) counts.set(part, 1 + (counts.get(part) ?? 0));
  return Array.from(counts, ([part, count]) => `${part}.… (${count})`).join(", ");
}
