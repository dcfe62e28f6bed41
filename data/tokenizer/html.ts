// HTML references as Python's html.unescape resolves them, which is what the official tokenizer calls.
import entities from "./html5-entities.json" with { type: "json" };

// Names with and without their semicolon (W3C, HTML 5). A Map, so that no name reaches a prototype.
const named = new Map(Object.entries(entities as Record<string, string>));

/** What the code points 0x80 to 0x9F stand for: Windows-1252, and themselves where that has none. */
const windows1252 = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";

const reference = /&(#\d+;?|#[xX][\da-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/gu;

/** Every reference once: `&amp;lt;` becomes `&lt;`. */
export function unescapeHtml(text: string): string {
  return text.includes("&") ? text.replace(reference, (_, name: string) => resolve(name)) : text;
}

function resolve(name: string): string {
  if (name.startsWith("#")) return codePoint(/^#[xX]/.test(name) ? `0${name.slice(1)}` : name.slice(1));
  const exact = named.get(name);
  if (exact !== undefined) return exact;
  for (let length = name.length - 1; length > 1; length--) {
    const known = named.get(name.slice(0, length));
    if (known !== undefined) return known + name.slice(length);
  }
  return `&${name}`;
}

function codePoint(digits: string): string {
  const code = Number(digits.replace(";", ""));
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return "\ufffd";
  if (code >= 0x80 && code <= 0x9f) return windows1252[code - 0x80];
  return isInvalid(code) ? "" : String.fromCodePoint(code);
}

/** Controls but tab, line feed, form feed and carriage return; and code points that will never be characters. */
const isInvalid = (code: number): boolean =>
  (code < 0x20 && code !== 9 && code !== 10 && code !== 12 && code !== 13) ||
  code === 0x7f ||
  (code >= 0xfdd0 && code <= 0xfdef) ||
  (code & 0xfffe) === 0xfffe;
