// Days, times and what plays, in words of the present language.
import { language, t } from '../../i18n';
import { clientName } from '../../state/store';
import { days, type Day, type Rule } from './types';
import { dayOrder, minutes, minutesPerDay } from './week';

/** A Monday to a Sunday, for their names. */
const date = (d: Day): Date => new Date(Date.UTC(2024, 0, 1 + days.indexOf(d)));

export const dayName = (d: Day, style: 'long' | 'short' = 'long'): string =>
  new Intl.DateTimeFormat(language.value, { weekday: style, timeZone: 'UTC' }).format(date(d));

/** The locale whose week and clock are shown: the browser's, with its region, where it speaks the chosen language. */
export const locale = (): string => navigator.languages.find((l) => l.toLowerCase().startsWith(language.value)) ?? language.value;

/** Days in the order of the reader's week. */
export const weekOrder = (): Day[] => dayOrder(locale());

/** Minutes since midnight as the reader writes a time. */
export const clockTime = (min: number): string =>
  new Intl.DateTimeFormat(locale(), { timeStyle: 'short', timeZone: 'UTC' }).format(new Date((min % minutesPerDay) * 60_000));

/** The beginning of an hour, short where the reader's clock has twelve. */
export function hourLabel(h: number): string {
  const f = new Intl.DateTimeFormat(locale(), { timeStyle: 'short', timeZone: 'UTC' });
  if (!f.resolvedOptions().hour12) return clockTime(h * 60);
  return new Intl.DateTimeFormat(locale(), { hour: 'numeric', timeZone: 'UTC' }).format(new Date(h * 3_600_000));
}

/** From one time of day to another: "7:00 – 11:00 AM". */
export function rangeText(from: number, to: number): string {
  const f = new Intl.DateTimeFormat(locale(), { timeStyle: 'short', timeZone: 'UTC' });
  if (from < to && to < minutesPerDay) return f.formatRange(from * 60_000, to * 60_000);
  return t('schedules.range', { from: clockTime(from), to: clockTime(to) });
}

export const timeRange = (r: { start: string; end: string }): string => rangeText(minutes(r.start), minutes(r.end));

const weekend: Day[] = ['sat', 'sun'];
const workdays: Day[] = ['mon', 'tue', 'wed', 'thu', 'fri'];
const same = (a: Day[], b: Day[]): boolean => a.length === b.length && a.every((d) => b.includes(d));

/** "every day", "Monday to Friday", "Mon, Wed". */
export function dayList(list: Day[]): string {
  if (list.length === 7) return t('schedules.every_day');
  if (same(list, workdays)) return t('schedules.range', { from: dayName('mon'), to: dayName('fri') });
  if (same(list, weekend)) return t('schedules.weekend');
  const sorted = weekOrder().filter((d) => list.includes(d));
  return sorted.map((d) => dayName(d, sorted.length > 2 ? 'short' : 'long')).join(', ');
}

/** "Mon to Fri, 11:00 to 14:00, not on holidays". */
export const ruleText = (r: Rule): string =>
  [dayList(r.days), timeRange(r), r.holidays !== 'as_usual' && t(`schedules.holidays.${r.holidays}`)].filter(Boolean).join(' · ');

/** What a uri plays, short. */
export function musicName(uri: string): string {
  if (uri.startsWith('source:')) return t('schedules.music.from', { name: clientName(uri.slice(7)) });
  if (/^https?:/.test(uri)) {
    try {
      const u = new URL(uri);
      return u.hostname.replace(/^www\./, '') + (u.pathname.length > 1 ? u.pathname : '');
    } catch {
      return uri;
    }
  }
  if (/^[a-z][a-z0-9+.-]*:/.test(uri)) return uri;
  const last = uri.replace(/\/+$/, '').split('/').pop() ?? uri;
  return last.replace(/\.(m3u8?|pls|flac|mp3|m4a|ogg|opus|wav|aac)$/i, '') || uri;
}

/** What a daypart does to the music. */
export const plays = (d: { uri?: string; stop?: boolean }): string =>
  d.stop ? t('schedules.silence') : d.uri ? musicName(d.uri) : t('schedules.goes_on');
