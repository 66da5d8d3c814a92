// WCAG 2.2 contrast of the colours that tokens.css defines: 4.5:1 for text, 3:1 for the
// borders of controls and the focus ring (success criteria 1.4.3 and 1.4.11).
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';

const css = fs.readFileSync(path.join(process.env.CONSOLE_ROOT!, 'src/ui/tokens.css'), 'utf8');

function tokens(selector: string): Record<string, string> {
  const block = css.slice(css.indexOf(selector + ' {'));
  const out: Record<string, string> = {};
  for (const m of block.slice(0, block.indexOf('}')).matchAll(/--([\w-]+):\s*(#[0-9a-f]{6})/g)) out[m[1]!] = m[2]!;
  return out;
}

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((i) => {
    const c = parseInt(hex.slice(i, i + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function ratio(a: string, b: string): number {
  const [hi, lo] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (hi + 0.05) / (lo + 0.05);
}

const text: [string, string][] = [
  ...['bg', 'surface', 'surface-2'].flatMap((b): [string, string][] => [['text', b], ['text-2', b]]),
  ...['bg', 'surface'].flatMap((b): [string, string][] => [['accent', b], ['bad', b]]),
  ['accent-text', 'accent'], ['accent-on-soft', 'accent-soft'], ['bad-text', 'bad'],
  ...['good', 'warn', 'bad', 'info'].flatMap((c): [string, string][] => [[c, `${c}-soft`], ['text', `${c}-soft`]]),
];
const shape: [string, string][] = [['edge', 'bg'], ['edge', 'surface'], ['focus', 'bg'], ['focus', 'surface'], ['accent', 'surface']];

for (const [theme, selector] of [['light', ':root'], ['dark', ":root[data-theme='dark']"]] as const) {
  test(`the ${theme} theme has enough contrast`, () => {
    const c = tokens(selector);
    for (const [pairs, least] of [[text, 4.5], [shape, 3]] as const) {
      for (const [a, b] of pairs) {
        assert.ok(c[a] && c[b], `${a} or ${b} is not in tokens.css`);
        const r = ratio(c[a]!, c[b]!);
        assert.ok(r >= least, `${a} on ${b}: ${r.toFixed(2)}:1, needs ${least}:1`);
      }
    }
  });
}
