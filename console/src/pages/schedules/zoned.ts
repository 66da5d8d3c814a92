// Times of a zone's own clocks. A schedule names a time zone, and that is seldom in doubt
// but for a traveller's laptop. Pure.
import { days, type Day } from './types';

/** What clocks in a time zone show. */
export interface WallTime {
  /** "2026-11-28" */
  date: string;
  day: Day;
  /** Since midnight. */
  minute: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string): Intl.DateTimeFormat {
  let f = formats.get(zone);
  if (!f) {
    const o = { hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' } as const;
    try {
      f = new Intl.DateTimeFormat('en-US', { ...o, timeZone: zone || undefined });
    } catch {
      f = new Intl.DateTimeFormat('en-US', o); // a zone that this browser does not know
    }
    formats.set(zone, f);
  }
  return f;
}

/** What clocks in a zone show at a moment, as if it were UTC (ms). */
function shownAt(t: number, zone: string): number {
  const p = Object.fromEntries(format(zone).formatToParts(t).map((x) => [x.type, Number(x.value)]));
  return Date.UTC(p.year!, p.month! - 1, p.day!, p.hour!, p.minute!, p.second!);
}

export function wallTime(t: Date, zone: string): WallTime {
  const shown = new Date(shownAt(t.getTime(), zone));
  return {
    date: shown.toISOString().slice(0, 10),
    day: dayOf(shown.toISOString().slice(0, 10)),
    minute: shown.getUTCHours() * 60 + shown.getUTCMinutes(),
  };
}

/** The day of the week of a date. */
export const dayOf = (date: string): Day => days[(new Date(`${date}T00:00:00Z`).getUTCDay() + 6) % 7]!;

export const addDays = (date: string, n: number): string => {
  const d = new Date(`${date}T00:00:00Z`);
  d.setUTCDate(d.getUTCDate() + n);
  return d.toISOString().slice(0, 10);
};

/** The moment at which clocks in a zone show that many minutes on a date. One that is skipped is about the change; one that comes twice is one of the two. */
export function moment(date: string, minute: number, zone: string): Date {
  const wanted = Date.parse(`${date}T00:00:00Z`) + minute * 60_000;
  let t = wanted;
  for (let i = 0; i < 3; i++) t += wanted - shownAt(t, zone);
  return new Date(t);
}

/** The whole of a day in a zone. */
export const wholeDay = (date: string, zone: string): { from: Date; to: Date } =>
  ({ from: moment(date, 0, zone), to: moment(addDays(date, 1), 0, zone) });

/** The hour at which a night is over, for skipping until tomorrow and for tonight (minutes). */
export const morning = 6 * 60;

/** The next morning: of today, in the small hours. */
export function nextMorning(now: Date, zone: string): Date {
  const w = wallTime(now, zone);
  return moment(w.minute < morning ? w.date : addDays(w.date, 1), morning, zone);
}

/** "2026-11-28T19:30" of an <input type=datetime-local>, in the zone; undefined when it is none. */
export function fromInput(value: string, zone: string): Date | undefined {
  const m = /^(\d{4}-\d\d-\d\d)T(\d\d):(\d\d)/.exec(value);
  return m ? moment(m[1]!, Number(m[2]) * 60 + Number(m[3]), zone) : undefined;
}

/** A moment for such an input. */
export const toInput = (t: Date, zone: string): string => new Date(shownAt(t.getTime(), zone)).toISOString().slice(0, 16);
