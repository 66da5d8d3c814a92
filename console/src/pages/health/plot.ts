// The mathematics of the small plots: pure, and tested (test/health-plot.test.ts).
import type { Column } from './types';

export interface Summary {
  min: number;
  median: number;
  max: number;
  /** The newest known value. */
  last: number;
  /** The sum of all. */
  sum: number;
}

/** What a column holds in numbers; null when nothing in it is known. */
export function summary(column: Column): Summary | null {
  const known = column.filter((v): v is number => v !== null);
  if (known.length === 0) return null;
  const sorted = [...known].sort((a, b) => a - b);
  const half = sorted.length / 2;
  const median = sorted.length % 2 ? sorted[Math.floor(half)]! : (sorted[half - 1]! + sorted[half]!) / 2;
  return { min: sorted[0]!, median, max: sorted[sorted.length - 1]!, last: known[known.length - 1]!, sum: known.reduce((a, b) => a + b, 0) };
}

/** The least of 1, 2 and 5 times a power of ten that is not below v: the top of a plot. */
export function niceTop(v: number, least = 1): number {
  const x = Math.max(v, least);
  const power = 10 ** Math.floor(Math.log10(x));
  for (const m of [1, 2, 5]) if (m * power >= x * (1 - 1e-9)) return m * power;
  return 10 * power;
}

/** Spans of known values: [begin, end) in steps. A gap in a line is a gap in what is known. */
export function spans(column: Column): [number, number][] {
  const out: [number, number][] = [];
  for (let i = 0; i < column.length; i++) {
    if (column[i] === null) continue;
    const from = i;
    while (i < column.length && column[i] !== null) i++;
    out.push([from, i]);
  }
  return out;
}

const round = (v: number): string => String(Math.round(v * 100) / 100);

/**
 * The paths of a plot that is one unit wide for each step and `height` high: the line, and
 * the area below it. A value stands at the middle of its step; one alone is as wide as its step.
 */
export function paths(column: Column, top: number, height: number): { line: string; area: string } {
  let line = '';
  let area = '';
  const y = (v: number) => round(height - (Math.min(Math.max(v, 0), top) / top) * height);
  for (const [from, to] of spans(column)) {
    const points: string[] = [];
    if (to - from === 1) points.push(`${from} ${y(column[from]!)}`, `${to} ${y(column[from]!)}`);
    else for (let i = from; i < to; i++) points.push(`${i + 0.5} ${y(column[i]!)}`);
    const first = points[0]!.split(' ')[0]!;
    const last = points[points.length - 1]!.split(' ')[0]!;
    line += `M${points.join('L')}`;
    area += `M${first} ${height}L${points.join('L')}L${last} ${height}Z`;
  }
  return { line, area };
}

export interface Bar {
  x: number;
  y: number;
  height: number;
}

/** Bars of the values above zero. Each can be seen, however small: a tenth of the height at least. */
export function bars(column: Column, top: number, height: number): Bar[] {
  const out: Bar[] = [];
  column.forEach((v, i) => {
    if (v === null || v <= 0) return;
    const h = Math.max(Math.min(v, top) / top, 0.1) * height;
    out.push({ x: i, y: Number(round(height - h)), height: Number(round(h)) });
  });
  return out;
}

/** Spans in which the client was away for more than half of each step: [begin, end). */
export function awaySpans(connected: Column): [number, number][] {
  return spans(connected.map((v) => (v !== null && v < 0.5 ? 1 : null)));
}

/** Steps of which something is known, as a part of all (0 to 1). */
export const knownPart = (column: Column): number =>
  column.length === 0 ? 0 : column.filter((v) => v !== null).length / column.length;
