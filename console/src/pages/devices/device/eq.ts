// The simple equalizer: bass, middle and treble, as three bands of the parametric one.
import type { Band, Equalizer } from '../types';

export interface Simple { bass: number; middle: number; treble: number }

const shapes = {
  bass: { kind: 'low_shelf', frequency: 120, q: 0.7 },
  middle: { kind: 'peak', frequency: 1000, q: 0.7 },
  treble: { kind: 'high_shelf', frequency: 6000, q: 0.7 },
} as const;
const names = ['bass', 'middle', 'treble'] as const;

/** How far the simple sliders go (dB). */
export const simpleMost = 12;
export const mostBands = 10;

/** Bands of an equalizer and their limits, as the API has them. */
export const bounds = { frequency: [10, 22_000], gain_db: [-24, 24], q: [0.1, 20] } as const;

/** The simple form of an equalizer; null when it is more than that. */
export function simple(e: Equalizer | undefined): Simple | null {
  const out: Simple = { bass: 0, middle: 0, treble: 0 };
  if (!e) return out;
  if (e.preamp_db !== 0) return null;
  for (const b of e.bands) {
    const n = names.find((x) => shapes[x].kind === b.kind && shapes[x].frequency === b.frequency && shapes[x].q === b.q);
    if (!n || out[n] !== 0 || Math.abs(b.gain_db) > simpleMost) return null;
    out[n] = b.gain_db;
  }
  return out;
}

/** The equalizer of three sliders; null (off) when nothing is moved. */
export function full(s: Simple): Equalizer | null {
  const bands: Band[] = names.filter((n) => s[n] !== 0).map((n) => ({ ...shapes[n], gain_db: s[n] }));
  // The limiter holds what a raised band would clip.
  return bands.length === 0 ? null : { preamp_db: 0, bands, limiter: true, limiter_db: -1 };
}

/** Which fields of a band cannot be. */
export function bandProblems(b: Band): (keyof typeof bounds)[] {
  return (Object.keys(bounds) as (keyof typeof bounds)[]).filter((k) => !(b[k] >= bounds[k][0] && b[k] <= bounds[k][1]));
}
