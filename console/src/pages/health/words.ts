// Findings, remedies and figures in the reader's words.
import { has, language, number, t, timeOfDay } from '../../i18n';
import { clientName } from '../../state/store';
import type { Finding, Remedy } from './types';

/** How many names a sentence holds. */
const mostNames = 4;

/** "A, B and C"; "A, B, C, D and 3 more". */
export function listNames(names: string[]): string {
  const shown = names.length > mostNames + 1 ? [...names.slice(0, mostNames), t('health.more', { n: names.length - mostNames })] : names;
  return new Intl.ListFormat(language.value, { type: 'conjunction' }).format(shown);
}

/** "19:00" of the venue, as the reader writes it. */
function hour(text: string | number): string {
  const [h = 0, m = 0] = String(text).split(':').map(Number);
  return timeOfDay(new Date(2000, 0, 1, h, m));
}

export const serviceName = (service: string): string => (has(`health.service.${service}`) ? t(`health.service.${service}`) : service);

function values(f: Finding): Record<string, string | number> {
  const p: Record<string, string | number> = { ...f.params };
  if (f.clients.length > 0) p.names = listNames(f.clients.map(clientName));
  p.where = p.zone && f.clients.length > 0 ? ` (${p.zone})` : '';
  if (p.zone === '') p.zone = t('health.its_zone');
  for (const k of ['from', 'to']) if (p[k] !== undefined) p[k] = hour(p[k]!);
  if (p.service !== undefined) p.service = serviceName(String(p.service));
  return p;
}

/** A finding as a sentence. A code of a newer server is shown in its English words. */
export function findingText(f: Finding): string {
  const key = `health.finding.${f.code}`;
  return has(key) ? t(key, values(f)) : f.text;
}

/** What mends it: the words of a button, or advice. */
export function remedyText(f: Finding, r: Remedy): string {
  const key = `health.remedy.${r.code}`;
  return has(key) ? t(key, values(f)) : r.text;
}

/** What the button will do, asked before it is done. */
export function remedyQuestion(f: Finding, r: Remedy): string {
  const key = `health.ask.${r.code}`;
  return has(key) ? t(key, values(f)) : r.text;
}

export const milliseconds = (us: number): string => {
  const ms = us / 1000;
  return t('health.ms', { v: number(ms, ms < 10 ? 1 : 0) });
};

export const seconds = (ms: number): string => t('health.s', { v: number(ms / 1000, ms < 100_000 ? 1 : 0) });

export const megabytes = (bytes: number): string => t('health.mb', { v: number(bytes / 1_000_000) });
