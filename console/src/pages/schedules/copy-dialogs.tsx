// Copies: of a day onto others, of a schedule into another zone.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { t } from '../../i18n';
import { go } from '../../router';
import { groups, may } from '../../state/store';
import { Check, Notice, Select } from '../../ui/controls';
import { explain } from '../../ui/toast';
import { DaysField } from './fields';
import { FormDialog } from './form-dialog';
import { create, save, schedules } from './store';
import type { Day, Schedule } from './types';
import { clash, copyDay } from './week';
import { dayName, timeRange } from './words';

export function CopyDayDialog(p: { schedule: Schedule; day: Day; onClose: () => void }): JSX.Element {
  const [to, setTo] = useState<Day[]>([]);
  const [quiet, setQuiet] = useState(false);
  const [error, setError] = useState('');
  const submit = async () => {
    if (to.length === 0) return setError(t('schedules.days.none'));
    const s = p.schedule;
    const dayparts = copyDay(s.dayparts, p.day, to);
    // What comes over midnight from the day before may be in the way.
    for (const [i, d] of dayparts.entries()) {
      const other = clash(d, dayparts, i);
      if (other) return setError(t('schedules.clash.two', { a: d.name, b: other.rule.name, day: dayName(other.day), range: timeRange(other.rule) }));
    }
    try {
      await save({ ...s, dayparts, ...(quiet && { quiet_hours: copyDay(s.quiet_hours, p.day, to) }) }, s);
      p.onClose();
    } catch (err) {
      setError(explain(err));
    }
  };
  return (
    <FormDialog title={t('schedules.copy_day.title', { day: dayName(p.day) })} dirty={to.length > 0} submitLabel={t('schedules.copy')} onClose={p.onClose} onSubmit={submit} error={error}>
      <p>{t('schedules.copy_day.text', { day: dayName(p.day) })}</p>
      <DaysField label={t('schedules.copy_day.to')} days={to} onChange={setTo} without={p.day} />
      <Check label={t('schedules.copy_day.quiet')} checked={quiet} onChange={setQuiet} />
    </FormDialog>
  );
}

/** Zones that the present user may give a schedule. */
export const targets = (except?: string) => [...groups.value.values()].filter((g) => !g.solo && g.group_id !== except && may('operator', g.group_id)).sort((a, b) => a.name.localeCompare(b.name));

export function CopyScheduleDialog(p: { schedule: Schedule; onClose: () => void }): JSX.Element {
  const zones = targets(p.schedule.group_id);
  const [to, setTo] = useState(zones[0]?.group_id ?? '');
  const [error, setError] = useState('');
  const there = schedules.value?.get(to);
  const submit = async () => {
    const copy = { ...p.schedule, group_id: to, skip_until: undefined, dayparts: p.schedule.dayparts.map(({ daypart_id: _, ...d }) => d) };
    try {
      if (there) await save({ ...copy, schedule_id: there.schedule_id, name: there.name }, there);
      else await create({ ...copy, name: groups.value.get(to)?.name ?? copy.name });
      p.onClose();
      go('schedules', to);
    } catch (err) {
      setError(explain(err));
    }
  };
  return (
    <FormDialog title={t('schedules.copy_zone')} dirty={false} submitLabel={t('schedules.copy')} disabled={!to} onClose={p.onClose} onSubmit={submit} error={error}>
      {zones.length === 0
        ? <p>{t('schedules.copy_zone.none')}</p>
        : <Select label={t('schedules.copy_zone.to')} value={to} onChange={setTo} options={zones.map((g) => ({ value: g.group_id, label: g.name }))} />}
      {there && <Notice tone="warn">{t('schedules.copy_zone.replaces', { zone: groups.value.get(to)?.name ?? '' })}</Notice>}
    </FormDialog>
  );
}
