// How long a passphrase would hold against somebody who has the file, roughly. Pure.

/** Words for it, the weakest first. */
export const strengths = ['short', 'weak', 'fair', 'good', 'strong'] as const;
export type Strength = (typeof strengths)[number];

/** The shortest that the server takes (characters). */
export const leastPassphrase = 10;

/** What an attacker tries first. */
const common = /(password|passwort|motdepasse|contrasen|qwert|azert|letmein|admin|tutti|musik|music|welcome|12345|00000|11111)/gi;
/** A word that is in a dictionary of that size is worth this much (bits: 2^13 words). */
const perWord = 13;

/** Bits that it takes to guess, at most: for text of chance it is about right, for a quotation too high. */
export function bits(text: string): number {
  const chars = [...text.replace(common, 'x')];
  // Runs (aaaa, abcd, 4321) are worth their beginning.
  const useful = chars.filter((c, i) => {
    if (i < 2) return true;
    const [a, b, d] = [chars[i - 2]!, chars[i - 1]!, c].map((x) => x.codePointAt(0)!) as [number, number, number];
    return !(b - a === d - b && Math.abs(d - b) <= 1);
  });
  const all = useful.join('');
  const set = [[/[a-z]/, 26], [/[A-Z]/, 26], [/\d/, 10], [/[^a-zA-Z\d]/, 20]] as const;
  const alphabet = set.reduce((n, [re, size]) => n + (re.test(all) ? size : 0), 0);
  const byChar = all.length * Math.log2(Math.max(2, alphabet));
  // Words of letters alone come from a dictionary.
  const words = all.toLowerCase().split(/[\s._-]+/).filter(Boolean);
  const plain = words.filter((w) => /^\p{L}{3,}$/u.test(w));
  if (plain.length < words.length || words.length === 0) return byChar;
  return Math.min(byChar, new Set(plain).size * perWord + words.length);
}

export function strength(text: string): Strength {
  if ([...text].length < leastPassphrase) return 'short';
  const b = bits(text);
  return b < 36 ? 'weak' : b < 52 ? 'fair' : b < 70 ? 'good' : 'strong';
}
