/**
 * The colours of a heat grid, from little to much, and the colour of the number in each cell. The ink is computed, not
 * guessed: of near-black and white the one that stands out more, at least 4.5 : 1 at every stop.
 */

/** One hue from nearly the page's own colour: dark ends on a light page would shout. */
const LIGHT = ["#f2f7fc", "#e3eff8", "#d1e4f3", "#bcd8ed", "#a5cae6", "#8bbbde", "#6fa9d4", "#1f69a6", "#15578d", "#0d4574"];
/** Viridis, of which the low end sinks into a dark page. */
const DARK = ["#440154", "#482878", "#3e4a89", "#31688e", "#21717a", "#1f9e89", "#35b779", "#6dcd59", "#b4de2c", "#fde725"];

export const RAMPS = { light: LIGHT, dark: DARK } as const;
export type Ramp = keyof typeof RAMPS;
export const INKS = ["#111111", "#ffffff"] as const;

/** WCAG's relative luminance of `#rrggbb`. */
export function luminance(colour: string): number {
  const channel = (at: number) => {
    const share = parseInt(colour.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}

export function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

export function inkOn(colour: string): string {
  return INKS.reduce((bestInk, ink) => (contrast(colour, ink) > contrast(colour, bestInk) ? ink : bestInk));
}

/** Which stop a value has between `low` and `high`; values beyond have the outermost. */
export function stopOf(value: number, low: number, high: number, stops: number = LIGHT.length): number {
  if (!(high > low)) return 0;
  const share = (value - low) / (high - low);
  return Math.max(0, Math.min(stops - 1, Math.floor(share * stops)));
}

export interface Tint {
  background: string;
  color: string;
}

const TINTS: Record<Ramp, Tint[]> = {
  light: LIGHT.map((background) => ({ background, color: inkOn(background) })),
  dark: DARK.map((background) => ({ background, color: inkOn(background) })),
};

export function tintOf(value: number, low: number, high: number, ramp: Ramp): Tint {
  const tints = TINTS[ramp];
  return tints[stopOf(value, low, high, tints.length)] ?? tints[0]!;
}

/**
 * How strong a cell of a heat map is drawn: `least` 0, the fullest 1. The root between, so that the few slow ones are
 * seen beside the many usual ones.
 */
export const strength = (value: number, most: number, least = 0): number =>
  most <= least ? 1 : Math.sqrt(Math.max(0, value - least) / (most - least));

/** Viridis without its darkest two, which nobody sees on a dark page. */
const DARK_MAP = DARK.slice(2);

/** The colour of such a cell: on light of one hue from nearly transparent, so that nothing is nothing; on dark viridis. */
export function mapColour(share: number, isDark: boolean): string {
  if (!isDark) return `rgb(0 70 140 / ${(0.12 + 0.88 * share).toFixed(2)})`;
  return DARK_MAP[Math.min(DARK_MAP.length - 1, Math.floor(share * DARK_MAP.length))]!;
}

/** All tints, for the key. */
export const tints = (ramp: Ramp): Tint[] => TINTS[ramp];
