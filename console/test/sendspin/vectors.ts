// The vectors of the Go library, read from beside it.
import * as fs from 'node:fs';
import * as path from 'node:path';

/** A file of sendspin/ in the repository, parsed. */
export const vectors = <T>(file: string): T =>
  JSON.parse(fs.readFileSync(path.join(process.env.CONSOLE_ROOT!, '../sendspin', file), 'utf8')) as T;

export const hex = (s: string): Uint8Array => Uint8Array.from(s.match(/../g) ?? [], (b) => parseInt(b, 16));
export const toHex = (b: Uint8Array): string => [...b].map((x) => x.toString(16).padStart(2, '0')).join('');

/** Random numbers that are the same in every run (mulberry32). */
export function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const randomBytes = (next: () => number, n: number): Uint8Array => Uint8Array.from({ length: n }, () => Math.floor(next() * 256));
