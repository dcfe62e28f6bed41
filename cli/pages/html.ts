// HTML by tagged template: everything put in is text and escaped, unless it is markup made here.

/** Markup that needs no escaping. */
export class Html {
  constructor(readonly source: string) {}
}

type Part = Html | string | number | readonly Part[] | undefined | false;

/** html`<b>${text}</b>` escapes `text`; lists are joined, undefined and false leave nothing. */
export function html(literal: TemplateStringsArray, ...parts: Part[]): Html {
  return new Html(literal.reduce((sum, piece, i) => sum + source(parts[i - 1]) + piece));
}

function source(part: Part): string {
  if (part === undefined || part === false) return "";
  if (part instanceof Html) return part.source;
  return Array.isArray(part) ? part.map(source).join("") : escapeText(String(part));
}

/** Text for element content and quoted attributes. Control characters become the replacement character. */
export function escapeText(text: string): string {
  return text.replace(/[^\P{Cc}\t\n]/gu, "\ufffd").replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** A value as JSON inside a script element: no "<", so nothing in it can close the element. */
export function inlineJson(value: unknown): Html {
  return new Html(
    JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`),
  );
}
