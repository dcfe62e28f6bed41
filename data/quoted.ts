// Text from files in messages: short, and nothing that a terminal would obey.

/** The text in quotes, at most 80 characters, control and formatting characters escaped. */
export function quoted(text: string): string {
  const cut = text.length > 80 ? `${text.slice(0, 79)}…` : text;
  return `"${cut.replace(/[\p{C}\p{Zl}\p{Zp}"\\]/gu, escaped)}"`;
}

/** A value from JSON as a message may show it. */
export function shown(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return value === null ? "null" : typeof value === "object" ? "an object" : String(value);
}

function escaped(char: string): string {
  return char === '"' || char === "\\" ? `\\${char}` : `\\u{${char.codePointAt(0)!.toString(16)}}`;
}
