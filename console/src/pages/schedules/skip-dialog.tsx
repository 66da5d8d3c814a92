// Doing without the schedule for a while: a private party, a long evening.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { dateTime, t } from '../../i18n';
import { attempt, explain, toast } from '../../ui/toast';
import { Field } from '../../ui/controls';
import { FormDialog } from './form-dialog';
import { skip, unskip } from './store';
import type { Schedule } from './types';
import { fromInput, nextMorning, toInput } from './zoned';

export async function skipUntil(s: Schedule, until: Date): Promise<void> {
  await skip(s, until);
  toast('good', t('schedules.skipped', { when: dateTime(until) }), { label: t('schedules.undo'), run: () => attempt(() => unskip(s)) });
}

export function SkipDialog(p: { schedule: Schedule; onClose: () => void }): JSX.Element {
  const zone = p.schedule.time_zone;
  const [value, setValue] = useState(toInput(nextMorning(new Date(), zone), zone));
  const [error, setError] = useState('');
  const submit = async () => {
    const until = fromInput(value, zone);
    if (!until || until.getTime() <= Date.now()) return setError(t('schedules.skip.bad'));
    try {
      await skipUntil(p.schedule, until);
      p.onClose();
    } catch (err) {
      setError(explain(err));
    }
  };
  return (
    <FormDialog title={t('schedules.skip.title')} dirty={false} submitLabel={t('schedules.skip.do')} onClose={p.onClose} onSubmit={submit}>
      <p>{t('schedules.skip.text')}</p>
      <Field label={t('schedules.skip.until')} hint={t('schedules.zone_hint', { zone: zone || t('schedules.zone.server') })} type="datetime-local" value={value} onInput={setValue} error={error} required />
    </FormDialog>
  );
}
