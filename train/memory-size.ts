// Sizes of memory as a person writes them.

/** Bytes of "800M", "2.5G", "8GB" or "8GiB" (all of 1024), or of plain digits; undefined where the text is no size. */
export function bytesIn(text: string): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(?:([KMG])(?:i?B)?)?$/i.exec(text.trim()) ?? [];
  const bytes = Math.floor(Number(number) * 1024 ** " KMG".indexOf((unit || " ").toUpperCase()));
  return bytes >= 1 && Number.isSafeInteger(bytes) ? bytes : undefined;
}
