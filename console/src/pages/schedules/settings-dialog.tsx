// What a schedule is called, by which clocks it goes, and its end.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError } from '../../api/http';
import { t } from '../../i18n';
import { Button, Field, Notice, Select } from '../../ui/controls';
import { explain } from '../../ui/toast';
import { FormDialog } from './form-dialog';
import { remove, save } from './store';
import type { Schedule } from './types';

/** Time zones that the browser knows, with the present one. */
export function timeZones(present: string): string[] {
  const all = (Intl as unknown as { supportedValuesOf?: (k: string) => string[] }).supportedValuesOf?.('timeZone') ?? [];
  return [...new Set([present, Intl.DateTimeFormat().resolvedOptions().timeZone, 'UTC', ...all].filter(Boolean))].sort();
}

export function SettingsDialog(p: { schedule: Schedule; onClose: () => void }): JSX.Element {
  const s = p.schedule;
  const [name, setName] = useState(s.name);
  const [zone, setZone] = useState(s.time_zone);
  const [sure, setSure] = useState(false);
  const [error, setError] = useState<{ name?: string; other?: string }>({});
  const submit = async () => {
    if (!name.trim()) return setError({ name: t('schedules.name.bad') });
    try {
      await save({ ...s, name: name.trim(), time_zone: zone }, s);
      p.onClose();
    } catch (err) {
      const f = err instanceof ApiError ? err.fields[0] : undefined;
      setError(f?.location === 'body.name' ? { name: f.message } : { other: f?.message ?? explain(err) });
    }
  };
  const end = async () => {
    if (!sure) return setSure(true);
    try {
      await remove(s);
      p.onClose();
    } catch (err) {
      setError({ other: explain(err) });
    }
  };
  return (
    <FormDialog title={t('schedules.settings')} dirty={name !== s.name || zone !== s.time_zone} onClose={p.onClose} onSubmit={submit} error={error.other}
      extra={<Button icon="trash" kind={sure ? 'danger' : undefined} onClick={end}>{t(sure ? 'schedules.delete.sure' : 'schedules.delete')}</Button>}>
      <Field label={t('schedules.name')} value={name} onInput={setName} error={error.name} maxLength={60} required />
      <Select label={t('schedules.zone')} hint={t('schedules.zone.text')} value={zone} onChange={setZone}
        options={[...(s.time_zone ? [] : [{ value: '', label: t('schedules.zone.server') }]), ...timeZones(s.time_zone).map((value) => ({ value, label: value.replace(/_/g, ' ') }))]} />
      {sure && <Notice tone="warn" alert>{t('schedules.delete.text')}</Notice>}
    </FormDialog>
  );
}
