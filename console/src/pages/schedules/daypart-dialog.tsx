// A daypart: when, and what plays then.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError } from '../../api/http';
import { t } from '../../i18n';
import { Button, Check, Field, Select } from '../../ui/controls';
import { explain } from '../../ui/toast';
import { DaysField, HolidayField, ruleProblems, TimesField, VolumeField } from './fields';
import { FormDialog } from './form-dialog';
import { MusicPicker } from './picker';
import { save } from './store';
import type { Day, Daypart, Schedule } from './types';
import { clash, remove, replace } from './week';
import { dayName, timeRange } from './words';

type What = 'music' | 'silence' | 'on';
type Problems = { name?: string; days?: string; start?: string; end?: string; music?: string; other?: string };

const whatOf = (d: Daypart): What => (d.stop ? 'silence' : d.uri || !d.daypart_id ? 'music' : 'on');

export interface DaypartDialogProps {
  schedule: Schedule;
  /** Its place in the schedule; -1 for a new one. */
  index: number;
  daypart: Daypart;
  /** The day on which it was opened. */
  day?: Day;
  onClose: () => void;
}

export function DaypartDialog(p: DaypartDialogProps): JSX.Element {
  const [d, setD] = useState(p.daypart);
  const [what, setWhat] = useState<What>(whatOf(p.daypart));
  const [only, setOnly] = useState(false);
  const [error, setError] = useState<Problems>({});
  const set = (change: Partial<Daypart>) => setD({ ...d, ...change });
  const old = p.schedule.dayparts[p.index];
  const several = p.day !== undefined && (old?.days.length ?? 0) > 1;
  const single = several && only ? p.day : undefined;
  const dirty = JSON.stringify([d, what, only]) !== JSON.stringify([p.daypart, whatOf(p.daypart), false]);

  const submit = async () => {
    const next = finished(d, what, single);
    const dayparts = replace(p.schedule.dayparts, p.index, next, single);
    const wrong: Problems = { ...ruleProblems(next) };
    if (!next.name) wrong.name = t('schedules.name.bad');
    if (what === 'music' && !next.uri) wrong.music = t('schedules.music.missing');
    if (Object.keys(wrong).length === 0) {
      const other = clash(next, remove(p.schedule.dayparts, p.index, single));
      if (other) wrong.start = t('schedules.clash', { name: other.rule.name, day: dayName(other.day), range: timeRange(other.rule) });
    }
    setError(wrong);
    if (Object.keys(wrong).length > 0) return;
    try {
      await save({ ...p.schedule, dayparts }, p.schedule);
      p.onClose();
    } catch (err) {
      setError(blame(err));
    }
  };
  const leave = async () => {
    try {
      await save({ ...p.schedule, dayparts: remove(p.schedule.dayparts, p.index, single) }, p.schedule);
      p.onClose();
    } catch (err) {
      setError({ other: explain(err) });
    }
  };
  return (
    <FormDialog title={old ? old.name : t('schedules.daypart.new')} dirty={dirty} onClose={p.onClose} onSubmit={submit} error={error.other}
      extra={old && <Button icon="trash" onClick={leave}>{single ? t('schedules.delete.day', { day: dayName(single) }) : t('common.delete')}</Button>}>
      <Field label={t('schedules.name')} value={d.name} onInput={(name) => set({ name })} error={error.name} placeholder={t('schedules.name.example')} maxLength={60} required autofocus={!old} />
      {several && (
        <Select<'all' | 'only'> label={t('schedules.scope')} value={only ? 'only' : 'all'} onChange={(v) => setOnly(v === 'only')}
          options={[{ value: 'all', label: t('schedules.scope.all') }, { value: 'only', label: t('schedules.scope.only', { day: dayName(p.day!) }) }]} />
      )}
      {!single && <DaysField days={d.days} onChange={(days) => set({ days })} error={error.days} />}
      <TimesField start={d.start} end={d.end} onChange={set} error={error} />
      <Select<What> label={t('schedules.what')} value={what} onChange={setWhat}
        options={(['music', 'silence', 'on'] as const).map((value) => ({ value, label: t(`schedules.what.${value}`) }))} />
      {what === 'music' && <MusicPicker uri={d.uri ?? ''} onChange={(uri) => set({ uri })} error={error.music} />}
      {what === 'music' && <Order daypart={d} onChange={set} />}
      {what !== 'silence' && <>
        <Check label={t('schedules.volume.set')} checked={d.volume !== undefined} onChange={(on) => set({ volume: on ? 35 : undefined })} />
        {d.volume !== undefined && <VolumeField label={t('schedules.volume')} value={d.volume} onChange={(volume) => set({ volume })} />}
      </>}
      <HolidayField value={d.holidays} onChange={(holidays) => set({ holidays })} />
    </FormDialog>
  );
}

function Order({ daypart: d, onChange }: { daypart: Daypart; onChange: (c: Partial<Daypart>) => void }): JSX.Element {
  return (
    <div class="times">
      <Select label={t('schedules.shuffle')} value={d.shuffle === undefined ? '' : d.shuffle ? 'on' : 'off'} onChange={(v) => onChange({ shuffle: v === '' ? undefined : v === 'on' })}
        options={[{ value: '', label: t('schedules.as_is') }, { value: 'on', label: t('schedules.shuffle.on') }, { value: 'off', label: t('schedules.shuffle.off') }]} />
      <Select label={t('schedules.repeat')} value={d.repeat ?? ''} onChange={(v) => onChange({ repeat: (v || undefined) as Daypart['repeat'] })}
        options={[{ value: '', label: t('schedules.as_is') }, ...(['all', 'one', 'off'] as const).map((value) => ({ value: value as string, label: t(`schedules.repeat.${value}`) }))]} />
    </div>
  );
}

/** The daypart as it is sent: without what its kind does not have. */
function finished(d: Daypart, what: What, single?: Day): Daypart {
  const { uri, stop: _, shuffle, repeat, volume, ...rest } = d;
  return {
    ...rest,
    name: d.name.trim(),
    days: single ? [single] : [...d.days],
    ...(what === 'music' && { uri: uri?.trim(), ...(shuffle !== undefined && { shuffle }), ...(repeat && { repeat }) }),
    ...(what === 'silence' ? { stop: true } : volume !== undefined && { volume }),
  };
}

/** Puts what the server refused at its field. */
function blame(err: unknown): Problems {
  const f = err instanceof ApiError ? err.fields.find((x) => /^body\.dayparts\[\d+\]/.test(x.location)) : undefined;
  if (!f) return { other: explain(err) };
  const field = f.location.split('.').pop()!;
  if (field === 'name' || field === 'days' || field === 'start' || field === 'end') return { [field]: f.message };
  if (field === 'uri' || field === 'stop') return { music: f.message };
  return f.location.endsWith(']') ? { start: f.message } : { other: f.message };
}
