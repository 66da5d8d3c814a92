// Holidays of the house, and how each daypart of the zone takes them.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { date, language, t } from '../../i18n';
import { may } from '../../state/store';
import { Button, Field } from '../../ui/controls';
import { explain } from '../../ui/toast';
import { HolidayField } from './fields';
import { FormDialog } from './form-dialog';
import { holidays, save, saveHolidays } from './store';
import type { Daypart, Holiday, HolidayRule, Schedule } from './types';
import { dayOf } from './zoned';
import { dayName } from './words';

const shown = (iso: string): string => `${dayName(dayOf(iso), 'short')}, ${date(`${iso}T12:00`)}`;

export function HolidaysDialog(p: { schedule?: Schedule; onClose: () => void }): JSX.Element {
  const [list, setList] = useState<Holiday[]>(holidays.value);
  const [parts, setParts] = useState<Daypart[]>(p.schedule?.dayparts ?? []);
  const [day, setDay] = useState('');
  const [name, setName] = useState('');
  const [wrong, setWrong] = useState('');
  const [error, setError] = useState('');
  const everywhere = may('operator');
  const changed = JSON.stringify(list) !== JSON.stringify(holidays.value);
  const partsChanged = JSON.stringify(parts) !== JSON.stringify(p.schedule?.dayparts ?? []);

  const add = (): Holiday[] | undefined => {
    setWrong('');
    if (!/^\d{4}-\d\d-\d\d$/.test(day)) return void setWrong(t('schedules.holiday.bad'));
    if (list.some((h) => h.date === day)) return void setWrong(t('schedules.holiday.twice'));
    const next = [...list, { date: day, name: name.trim() || t('schedules.holiday') }].sort((a, b) => a.date.localeCompare(b.date));
    setList(next);
    setDay('');
    setName('');
    return next;
  };
  const submit = async () => {
    // What stands in the fields is meant, also without a tap on Add.
    const all = day ? add() : list;
    if (!all) return;
    setError('');
    try {
      if (changed || all !== list) await saveHolidays(all);
      if (partsChanged && p.schedule) await save({ ...p.schedule, dayparts: parts }, p.schedule);
      p.onClose();
    } catch (err) {
      setError(explain(err));
    }
  };
  const treat = (i: number, rule: HolidayRule) => setParts(parts.map((d, k) => (k === i ? { ...d, holidays: rule } : d)));
  const today = new Date().toISOString().slice(0, 10);
  return (
    <FormDialog title={t('schedules.holidays.title')} dirty={changed || partsChanged || day !== ''} onClose={p.onClose} onSubmit={submit} error={error}>
      <p class="dim">{t('schedules.holidays.text')}</p>
      {list.length === 0 && <p>{t('schedules.holidays.none')}</p>}
      <ul class="plain" lang={language.value} aria-label={t('schedules.holidays.title')}>
        {list.map((h) => (
          <li key={h.date} class={`row ${h.date < today ? 'dim' : ''}`} data-testid="holiday">
            <time class="num" dateTime={h.date}>{shown(h.date)}</time>
            <span class="grow">{h.name}</span>
            {everywhere && <Button icon="trash" kind="quiet" label={t('schedules.holiday.remove', { name: h.name })} onClick={() => setList(list.filter((x) => x !== h))} />}
          </li>
        ))}
      </ul>
      {everywhere ? (
        <div class="times">
          <Field label={t('schedules.holiday.date')} type="date" value={day} onInput={setDay} error={wrong} />
          <Field label={t('schedules.holiday.name')} value={name} onInput={setName} maxLength={60} placeholder={t('schedules.holiday.example')} />
          <div class="row end"><Button icon="plus" onClick={add}>{t('schedules.holiday.add')}</Button></div>
        </div>
      ) : <p class="dim small">{t('schedules.holidays.everywhere')}</p>}
      {parts.length > 0 && (
        <fieldset class="choices">
          <legend>{t('schedules.holidays.parts', { name: p.schedule?.name ?? '' })}</legend>
          {parts.map((d, i) => <HolidayField key={d.daypart_id ?? i} label={d.name} value={d.holidays} onChange={(v) => treat(i, v)} />)}
        </fieldset>
      )}
    </FormDialog>
  );
}
