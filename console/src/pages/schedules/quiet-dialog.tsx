// Quiet hours: when, and how loud at most.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError } from '../../api/http';
import { t } from '../../i18n';
import { Button, Notice } from '../../ui/controls';
import { explain } from '../../ui/toast';
import { DaysField, HolidayField, ruleProblems, TimesField, VolumeField } from './fields';
import { FormDialog } from './form-dialog';
import { save } from './store';
import { days, type QuietHours, type Schedule } from './types';
import { remove, replace } from './week';

export const newQuiet: QuietHours = { days: [...days], holidays: 'as_usual', start: '22:00', end: '07:00', max_volume: 25 };

export function QuietDialog(p: { schedule: Schedule; index: number; onClose: () => void }): JSX.Element {
  const old = p.schedule.quiet_hours[p.index];
  const [q, setQ] = useState(old ?? newQuiet);
  const [error, setError] = useState<{ days?: string; start?: string; end?: string; other?: string }>({});
  const set = (change: Partial<QuietHours>) => setQ({ ...q, ...change });
  const put = async (quiet_hours: QuietHours[]) => {
    try {
      await save({ ...p.schedule, quiet_hours }, p.schedule);
      p.onClose();
    } catch (err) {
      const f = err instanceof ApiError ? err.fields.find((x) => x.location.startsWith('body.quiet_hours')) : undefined;
      setError({ other: f?.message ?? explain(err) });
    }
  };
  const submit = async () => {
    const wrong = ruleProblems(q);
    setError(wrong);
    if (Object.keys(wrong).length === 0) await put(replace(p.schedule.quiet_hours, p.index, q));
  };
  return (
    <FormDialog title={t(old ? 'schedules.quiet' : 'schedules.quiet.new')} dirty={JSON.stringify(q) !== JSON.stringify(old ?? newQuiet)} onClose={p.onClose} onSubmit={submit} error={error.other}
      extra={old && <Button icon="trash" onClick={() => put(remove(p.schedule.quiet_hours, p.index))}>{t('common.delete')}</Button>}>
      <Notice tone="info">{t('schedules.quiet.promise')}</Notice>
      <DaysField days={q.days} onChange={(list) => set({ days: list })} error={error.days} />
      <TimesField start={q.start} end={q.end} onChange={set} error={error} />
      <VolumeField label={t('schedules.quiet.max')} value={q.max_volume} onChange={(max_volume) => set({ max_volume })} />
      <HolidayField value={q.holidays} onChange={(holidays) => set({ holidays })} />
    </FormDialog>
  );
}
