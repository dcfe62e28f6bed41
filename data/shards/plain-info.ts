// What a sample of a plain WebDataset tar says: a caption, and as much of a clip's JSON as there is.
import { FormatError } from "../../engine/errors.ts";
import { Fields } from "../formats/fields.ts";
import { parseJson } from "../formats/json.ts";
import { captionIn, type CheckedInfo, checkBoxes, clipLimits, logitsOf, SENTIMENTS, UNSAID_SENTIMENT } from "./clip.ts";

/** Frames a second where nobody says; training does not ask. */
const FPS = 8;
const strict = new TextDecoder("utf-8", { fatal: true });

/** Fields that are read; others are kept as `meta`, untouched. */
const KNOWN = ["caption", "sentiment", "boxes", "fps", "width", "height"];

/** The bytes of a sample's `.json` and of its `.txt`, which is the caption where it is there. */
export interface PlainWords {
  readonly json?: Uint8Array;
  readonly text?: Uint8Array;
}

/** Without a sentiment seven logits of 0, without boxes nobody is seen; `name` and the member begin every message. */
export function parsePlainInfo({ json, text }: PlainWords, name: string, frames: number): CheckedInfo {
  const value = json ? parseJson(json, `${name}.json`, clipLimits.jsonBytes) : {};
  const fields = new Fields(value, `${name}.json`, "");
  const told = (key: string) => fields.has(key) && fields.get(key) !== null;
  const others = Object.entries(value as object).filter(([key]) => !KNOWN.includes(key));
  const size = told("width") && told("height");
  return {
    caption: text ? captionOf(text, `${name}.txt`) : captionIn(fields),
    sentiment: told("sentiment") ? sentimentIn(fields) : [...UNSAID_SENTIMENT],
    boxes: told("boxes")
      ? fields.list("boxes", frames, frames).map((list, frame) => checkBoxes(list, frame, fields))
      : Array.from({ length: frames }, () => []),
    fps: told("fps") ? fields.real("fps", 0.01, 1000) : FPS,
    width: size ? fields.whole("width", 1, clipLimits.side) : 0,
    height: size ? fields.whole("height", 1, clipLimits.side) : 0,
    ...(others.length > 0 && { meta: Object.fromEntries(others) }),
  };
}

function captionOf(bytes: Uint8Array, name: string): string {
  let text: string;
  try {
    text = strict.decode(bytes).trim();
  } catch {
    throw new FormatError(`${name}: is not UTF-8`);
  }
  return captionIn(new Fields({ caption: text }, name, ""));
}

/** Seven logits, or the name of one of the sentiments. */
function sentimentIn(fields: Fields): number[] {
  const value = fields.get("sentiment");
  if (typeof value !== "string") return fields.numbers("sentiment", SENTIMENTS.length, clipLimits.logit);
  const at = (SENTIMENTS as readonly string[]).indexOf(value);
  return at >= 0 ? logitsOf(at) : fields.refuse("sentiment", value, `seven logits, or one of ${SENTIMENTS.join(", ")}`);
}
