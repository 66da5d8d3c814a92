// A week of rules as blocks, and changes to it. Pure: the server has the same rules and
// decides (what starts on a day belongs to it, over midnight too).
import { days, type Day, type Rule } from './types';

export const minutesPerDay = 1440;

/** "HH:MM" as minutes since midnight; NaN when it is none. */
export function minutes(time: string): number {
  const m = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(time);
  return m ? Number(m[1]) * 60 + Number(m[2]) : NaN;
}

/** Minutes since midnight as "HH:MM"; 1440 is "00:00". */
export function time(min: number): string {
  const m = ((min % minutesPerDay) + minutesPerDay) % minutesPerDay;
  return `${String(Math.floor(m / 60)).padStart(2, '0')}:${String(m % 60).padStart(2, '0')}`;
}

/** How long a rule lasts: 1 to 1440 minutes. */
export function lasts(r: { start: string; end: string }): number {
  const n = minutes(r.end) - minutes(r.start);
  return n > 0 ? n : n + minutesPerDay;
}

/** The day after, or n days after. */
export const after = (d: Day, n = 1): Day => days[(days.indexOf(d) + n + 7 * 7) % 7]!;

/** The part of a rule that is on one day. */
export interface Block {
  /** Of the rule in the list it came from. */
  index: number;
  day: Day;
  /** The day that it belongs to: the day before, for what came over midnight. */
  startDay: Day;
  /** Minutes since midnight: from is 0 to 1439, to is 1 to 1440. */
  from: number;
  to: number;
  /** It came from the day before, or goes on into the next. */
  continued: boolean;
  continues: boolean;
  /** Where blocks are side by side (one only on holidays, one never then): which of how many. */
  lane: number;
  lanes: number;
}

/** The blocks of a day, by their start. */
export function blocksOf(day: Day, rules: Rule[]): Block[] {
  const out: Block[] = [];
  const put = (index: number, startDay: Day, from: number, to: number, continued: boolean, continues: boolean) =>
    out.push({ index, day, startDay, from, to, continued, continues, lane: 0, lanes: 1 });
  rules.forEach((r, i) => {
    const start = minutes(r.start);
    const end = start + lasts(r);
    if (Number.isNaN(end)) return;
    if (r.days.includes(day)) put(i, day, start, Math.min(end, minutesPerDay), false, end > minutesPerDay);
    const before = after(day, -1);
    if (end > minutesPerDay && r.days.includes(before)) put(i, before, 0, end - minutesPerDay, true, false);
  });
  out.sort((a, b) => a.from - b.from || a.index - b.index);
  return lanes(out);
}

/** Puts blocks that overlap side by side. */
function lanes(blocks: Block[]): Block[] {
  let bunch: Block[] = [];
  let end = 0;
  const close = () => {
    const n = Math.max(0, ...bunch.map((b) => b.lane)) + 1;
    for (const b of bunch) b.lanes = n;
    bunch = [];
  };
  for (const b of blocks) {
    if (b.from >= end) close();
    const taken = new Set(bunch.filter((x) => x.to > b.from).map((x) => x.lane));
    while (taken.has(b.lane)) b.lane++;
    bunch.push(b);
    end = Math.max(end, b.to);
  }
  close();
  return blocks;
}

/** Where in a band (of quiet hours) no block lies over it for a while: minutes, for what is written there; the band's beginning when there is none. */
export function freeAt(band: { from: number; to: number }, blocks: { from: number; to: number }[], least = 40): number {
  let at = band.from;
  for (const b of blocks) {
    if (b.from - at >= least) break;
    at = Math.max(at, b.to);
  }
  return band.to - at >= least ? at : band.from;
}

/** The day on which two rules would both be in force, whatever days become holidays; undefined when there is none. */
export function meet(a: Rule, b: Rule): Day | undefined {
  const apart = (a.holidays === 'only' && b.holidays === 'never') || (a.holidays === 'never' && b.holidays === 'only');
  const [as, bs] = [minutes(a.start), minutes(b.start)];
  const [ae, be] = [as + lasts(a), bs + lasts(b)];
  for (const d of days) {
    const next = after(d);
    if (a.days.includes(d) && b.days.includes(d) && !apart && as < be && bs < ae) return d;
    if (a.days.includes(d) && b.days.includes(next) && ae > minutesPerDay + bs) return next;
    if (b.days.includes(d) && a.days.includes(next) && be > minutesPerDay + as) return next;
  }
  return undefined;
}

/** The first rule of a list that would be in force together with r, and when. skip is r's own place in the list. */
export function clash<R extends Rule>(r: Rule, rules: R[], skip = -1): { rule: R; day: Day } | undefined {
  for (const [i, other] of rules.entries()) {
    const day = i === skip ? undefined : meet(r, other);
    if (day) return { rule: other, day };
  }
  return undefined;
}

const inOrder = (list: Iterable<Day>): Day[] => {
  const set = new Set(list);
  return days.filter((d) => set.has(d));
};

/** The rules with the days of `to` as the day `from` is; rules without a day are gone. */
export function copyDay<R extends Rule>(rules: R[], from: Day, to: Day[]): R[] {
  return rules
    .map((r) => ({ ...r, days: inOrder([...r.days.filter((d) => !to.includes(d) || d === from), ...(r.days.includes(from) ? to : [])]) }))
    .filter((r) => r.days.length > 0);
}

/** The rules with rule i replaced: on all its days, or (only) for that day alone, so that the others keep what was. */
export function replace<R extends Rule & { daypart_id?: string }>(rules: R[], i: number, now: R, only?: Day): R[] {
  const old = rules[i];
  if (!old) return [...rules, now];
  if (!only || old.days.length < 2) return rules.map((r, k) => (k === i ? now : r));
  const { daypart_id: _, ...rest } = now;
  return [...rules.map((r, k) => (k === i ? { ...r, days: r.days.filter((d) => d !== only) } : r)), { ...rest, days: [only] } as unknown as R];
}

/** The rules without rule i: at all, or (only) on that day. */
export function remove<R extends Rule>(rules: R[], i: number, only?: Day): R[] {
  return rules
    .map((r, k) => (k !== i ? r : { ...r, days: only ? r.days.filter((d) => d !== only) : [] }))
    .filter((r) => r.days.length > 0);
}

/** The days in the order of a locale: weeks begin on Sunday, Monday or Saturday. */
export function dayOrder(locale: string): Day[] {
  const first = firstDay(locale);
  return days.map((_, i) => days[(first - 1 + i) % 7]!);
}

/** 1 Monday to 7 Sunday, as CLDR has it; Monday where the browser does not know. */
function firstDay(locale: string): number {
  try {
    const l = new Intl.Locale(locale) as Intl.Locale & { weekInfo?: { firstDay: number }; getWeekInfo?: () => { firstDay: number } };
    return (l.getWeekInfo?.() ?? l.weekInfo)?.firstDay ?? 1;
  } catch {
    return 1;
  }
}

/** A stretch that was drawn, from and to in any order: snapped, at least `least`, inside the day. */
export function drawn(a: number, b: number, snap = 15, least = 30): { from: number; to: number } {
  let from = Math.floor(Math.min(a, b) / snap) * snap;
  let to = Math.ceil(Math.max(a, b) / snap) * snap;
  from = Math.max(0, Math.min(from, minutesPerDay - least));
  to = Math.min(minutesPerDay, Math.max(to, from + least));
  return { from, to };
}

/** What is moved: the whole of a rule, or its end. */
export type Adjust = 'both' | 'end';
/** The shortest that an end can be moved to (minutes). */
const shortest = 15;

/** A rule moved by minutes on its days, or made longer or shorter; undefined when it would leave its day, or change by nothing. */
export function adjusted<R extends Rule>(r: R, how: Adjust, by: number): R | undefined {
  const start = minutes(r.start);
  if (how === 'end') {
    const n = Math.max(shortest, Math.min(minutesPerDay, lasts(r) + by));
    return n === lasts(r) && by !== 0 ? undefined : { ...r, end: time(start + n) };
  }
  const at = start + by;
  if (at < 0 || at >= minutesPerDay) return undefined;
  return { ...r, start: time(at), end: time(at + lasts(r)) };
}
