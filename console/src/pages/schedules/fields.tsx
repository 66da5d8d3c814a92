// Fields that dayparts and quiet hours share: days, times, holidays, a volume.
import type { JSX } from 'preact';
import { useId } from 'preact/hooks';
import { number, t } from '../../i18n';
import { Field, Select, Slider } from '../../ui/controls';
import { holidayRules, type Day, type HolidayRule, type Rule } from './types';
import { lasts, minutes } from './week';
import { dayName, weekOrder } from './words';

export function DaysField(p: { days: Day[]; onChange: (days: Day[]) => void; error?: string; label?: string; without?: Day }): JSX.Element {
  const id = useId();
  const order = weekOrder().filter((d) => d !== p.without);
  const quick: [string, Day[]][] = [
    ['schedules.every_day', order],
    ['schedules.workdays', order.filter((d) => d !== 'sat' && d !== 'sun')],
    ['schedules.weekend', order.filter((d) => d === 'sat' || d === 'sun')],
  ];
  const toggle = (d: Day) => p.onChange(order.filter((x) => (x === d ? !p.days.includes(d) : p.days.includes(x))));
  return (
    <fieldset class="days" aria-describedby={p.error ? `${id}-e` : undefined}>
      <legend>{p.label ?? t('schedules.days')}</legend>
      <div class="day-row">
        {order.map((d) => (
          <label key={d} class={p.days.includes(d) ? 'chosen' : ''}>
            <input type="checkbox" class="sr" checked={p.days.includes(d)} aria-label={dayName(d)} onChange={() => toggle(d)} />
            <span aria-hidden="true">{dayName(d, 'short')}</span>
          </label>
        ))}
      </div>
      <div class="row wrap">
        {quick.map(([key, set]) => (
          <button key={key} type="button" class="btn quiet small" aria-pressed={set.length === p.days.length && set.every((d) => p.days.includes(d))} onClick={() => p.onChange(set)}>{t(key)}</button>
        ))}
      </div>
      {p.error && <span class="error" id={`${id}-e`} role="alert">{p.error}</span>}
    </fieldset>
  );
}

export function TimesField(p: { start: string; end: string; onChange: (c: { start?: string; end?: string }) => void; error?: { start?: string; end?: string } }): JSX.Element {
  const [s, e] = [minutes(p.start), minutes(p.end)];
  const known = !Number.isNaN(s) && !Number.isNaN(e);
  const h = lasts(p) / 60;
  return (
    <div class="stack tight">
      <div class="times">
        <Field label={t('schedules.start')} type="time" value={p.start} onInput={(start) => p.onChange({ start: start.slice(0, 5) })} error={p.error?.start} required />
        <Field label={t('schedules.end')} type="time" value={p.end} onInput={(end) => p.onChange({ end: end.slice(0, 5) })} error={p.error?.end} required />
      </div>
      {known && (
        <p class="dim small" role="status">
          {s === e ? t('schedules.lasts.day') : t(e < s ? 'schedules.lasts.over' : 'schedules.lasts', { hours: number(h, 2) })}
        </p>
      )}
    </div>
  );
}

export function HolidayField(p: { value: HolidayRule; onChange: (v: HolidayRule) => void; label?: string }): JSX.Element {
  return (
    <Select<HolidayRule> label={p.label ?? t('schedules.holidays')} value={p.value} onChange={p.onChange}
      options={holidayRules.map((value) => ({ value, label: t(`schedules.holidays.${value}.choice`) }))} />
  );
}

export function VolumeField(p: { label: string; value: number; onChange: (v: number) => void }): JSX.Element {
  return (
    <div class="field">
      <span class="label">{p.label}</span>
      <div class="row">
        <div class="grow"><Slider label={p.label} value={p.value} onMove={p.onChange} onSet={p.onChange} live={false} /></div>
        <output class="num volume-number">{number(p.value)}</output>
      </div>
    </div>
  );
}

/** What is wrong with a rule by itself; empty when nothing is. */
export function ruleProblems(r: Rule): { days?: string; start?: string; end?: string } {
  return {
    ...(r.days.length === 0 && { days: t('schedules.days.none') }),
    ...(Number.isNaN(minutes(r.start)) && { start: t('schedules.time.bad') }),
    ...(Number.isNaN(minutes(r.end)) && { end: t('schedules.time.bad') }),
  };
}
