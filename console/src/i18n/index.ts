// One message catalogue: i18n/<language>/<area>.json, flat keys "area.key". English is in
// the bundle; the others are loaded when they are chosen. test/i18n.test.ts holds every
// language to the same keys and places.
import { signal } from '@preact/signals';
import en from './en';

export const languages = { en: 'English', de: 'Deutsch', fr: 'Français', es: 'Español' } as const;
export type Language = keyof typeof languages;

/** A message, or one for each plural category of Intl.PluralRules (chosen by {n}). */
export type Message = string | { one?: string; many?: string; other: string };
export type Catalogue = Record<string, Message>;

const load: Record<Language, () => Promise<Catalogue>> = {
  en: async () => en,
  de: async () => (await import('./de')).default,
  fr: async () => (await import('./fr')).default,
  es: async () => (await import('./es')).default,
};

export const language = signal<Language>('en');
const catalogue = signal<Catalogue>(en);

const stored = 'tutti.language';

/** What was chosen on this device, else what the browser asks for, else English. */
export function preferred(account?: string): Language {
  const wishes = [localStorage.getItem(stored), account, ...navigator.languages];
  for (const w of wishes) {
    const short = w?.slice(0, 2).toLowerCase() ?? '';
    if (short in languages) return short as Language;
  }
  return 'en';
}

/** Shows the console in a language; keep: also the next time on this device. */
export async function setLanguage(l: Language, keep = false): Promise<void> {
  catalogue.value = await load[l]();
  language.value = l;
  document.documentElement.lang = l;
  if (keep) localStorage.setItem(stored, l);
}

/** A message in the present language. Places are {name}; n also chooses the plural. */
export function t(key: string, values: Record<string, string | number> = {}): string {
  const m = catalogue.value[key] ?? en[key];
  if (m === undefined) return key;
  let text: string;
  if (typeof m === 'string') text = m;
  else {
    const rule = new Intl.PluralRules(language.value).select(Number(values.n ?? 0));
    text = (rule === 'one' ? m.one : rule === 'many' ? m.many : undefined) ?? m.other;
  }
  return text.replace(/\{(\w+)\}/g, (whole, k: string) => {
    const v = values[k];
    return v === undefined ? whole : typeof v === 'number' ? number(v) : v;
  });
}

/** Whether there is a message: for codes that a newer server may have. */
export const has = (key: string): boolean => key in catalogue.value || key in en;

/** The browser's own variety of the language (en-GB), for dates and numbers. */
const locale = (): string => (globalThis.navigator?.languages ?? []).find((l) => l.slice(0, 2).toLowerCase() === language.value) ?? language.value;

export const number = (n: number, digits = 0): string =>
  new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(n);

/** 3:07, 1:02:03. */
export function clock(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, '0');
  const h = Math.floor(s / 3600);
  return h > 0 ? `${h}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}

export const dateTime = (iso: string | Date): string =>
  new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(iso));
export const date = (iso: string | Date): string => new Intl.DateTimeFormat(locale(), { dateStyle: 'medium' }).format(new Date(iso));
export const timeOfDay = (iso: string | Date): string => new Intl.DateTimeFormat(locale(), { timeStyle: 'short' }).format(new Date(iso));

/** "5 minutes ago", "in 3 days". */
export function relative(iso: string | Date, now = Date.now()): string {
  const s = (new Date(iso).getTime() - now) / 1000;
  const f = new Intl.RelativeTimeFormat(locale(), { numeric: 'auto' });
  const a = Math.abs(s);
  if (a < 60) return f.format(Math.round(s), 'second');
  if (a < 3600) return f.format(Math.round(s / 60), 'minute');
  if (a < 86_400) return f.format(Math.round(s / 3600), 'hour');
  return f.format(Math.round(s / 86_400), 'day');
}
