// Letters for pictures: the 5 x 7 dots of character displays, so that labels need no font of the system and are the same
// everywhere.
import type { Image } from "../../data/pixels/resize.ts";

/** Five columns of every printable ASCII character, a byte each, lowest bit at the top. */
const columns =
  // ␠ ! " # $ % & ' ( ) * + , - . /
  "0000000000 00005f0000 0007000700 147f147f14 242a7f2a12 2313086462 3649562050 0008070300 001c224100 0041221c00 " +
  "2a1c7f1c2a 08083e0808 0080703000 0808080808 0000606000 2010080402 " +
  // 0 … 9 : ; < = > ? @
  "3e5149453e 00427f4000 7249494946 2141494d33 1814127f10 2745454539 3c4a494931 4121110907 3649494936 464949291e " +
  "0000140000 0040340000 0008142241 1414141414 0041221408 0201590906 3e415d594e " +
  // A … Z [ \ ] ^ _ `
  "7c1211127c 7f49494936 3e41414122 7f4141413e 7f49494941 7f09090901 3e41415173 7f0808087f 00417f4100 2040413f01 " +
  "7f08142241 7f40404040 7f021c027f 7f0408107f 3e4141413e 7f09090906 3e4151215e 7f09192946 2649494932 03017f0103 " +
  "3f4040403f 1f2040201f 3f4038403f 6314081463 0304780403 6159494d43 007f414141 0204081020 004141417f 0402010204 " +
  "4040404040 0003070800 " +
  // a … z { | } ~
  "2054547840 7f28444438 3844444428 384444287f 3854545418 00087e0902 18a4a49c78 7f08040478 00447d4000 2040403d00 " +
  "7f10284400 00417f4000 7c04780478 7c08040478 3844444438 fc18242418 18242418fc 7c08040408 4854545424 04043f4424 " +
  "3c4040207c 1c2040201c 3c4030403c 4428102844 4c9090907c 4464544c44 0008364100 0000770000 0041360800 0201020402";

/** Columns of each character without those that are empty at its sides; a space has two. */
const glyphs = columns.split(" ").map((hex) => {
  const bytes = [0, 2, 4, 6, 8].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  const inked = bytes.map((byte, i) => (byte ? i : -1)).filter((i) => i >= 0);
  return inked.length ? bytes.slice(inked[0], inked.at(-1)! + 1) : [0, 0];
});

const glyphOf = (letter: string): number[] => glyphs[letter.charCodeAt(0) - 32] ?? glyphs["?".charCodeAt(0) - 32];

/** Pixels from the first to the last column of a text whose dots are `dot` pixels wide. */
export function widthOf(text: string, dot: number): number {
  return Math.max(0, [...text].reduce((sum, letter) => sum + glyphOf(letter).length + 1, 0) - 1) * dot;
}

/** Height of a line: from the top of capitals to their foot; descenders take one dot more. */
export const heightOf = (dot: number): number => 7 * dot;

/** The text without what passes `width` pixels; two dots stand for the rest. */
export function fitted(text: string, width: number, dot: number): string {
  if (widthOf(text, dot) <= width) return text;
  let end = text.length;
  while (end > 0 && widthOf(`${text.slice(0, end)}..`, dot) > width) end--;
  return `${text.slice(0, end)}..`;
}

/** Writes a line with its top left corner at (x, y); what lies outside the picture is left out. */
export function write(
  { data, width, height }: Image,
  x: number,
  y: number,
  text: string,
  dot: number,
  [red, green, blue]: readonly [number, number, number],
): void {
  let at = x;
  for (const letter of text) {
    const glyph = glyphOf(letter);
    for (const [column, bits] of glyph.entries())
      for (let row = 0; row < 8; row++) {
        if (!(bits & (1 << row))) continue;
        for (let py = y + row * dot; py < y + (row + 1) * dot; py++)
          for (let px = at + column * dot; px < at + (column + 1) * dot; px++)
            if (px >= 0 && py >= 0 && px < width && py < height) data.set([red, green, blue], 3 * (py * width + px));
      }
    at += (glyph.length + 1) * dot;
  }
}
