// Colours for shares between 0 and 1.

// Inferno (van der Walt & Smith 2015) at six places: equal steps of weight look like equal steps of light.
const inferno = [
  [0, 0, 4],
  [66, 10, 104],
  [147, 38, 103],
  [221, 81, 58],
  [252, 165, 10],
  [252, 255, 164],
];

/** Red, green and blue, 0 … 255, of a share between 0 and 1. */
export function heatRgb(share: number): [red: number, green: number, blue: number] {
  const at = share * (inferno.length - 1);
  const low = Math.min(Math.floor(at), inferno.length - 2);
  const [red, green, blue] = inferno[low].map((c, i) => Math.round(c + (inferno[low + 1][i] - c) * (at - low)));
  return [red, green, blue];
}
