// Approval: a person's word for a key. Its name, what it may do beyond playing, how long
// it holds, and, against a warning, that the warning was seen.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { post, seg } from '../../api/http';
import type { Client } from '../../api/types';
import { t } from '../../i18n';
import { inbox, putClient } from '../../state/store';
import { Button, Check, Dialog, Field, Notice, Select } from '../../ui/controls';
import { explain, toast } from '../../ui/toast';
import { Fingerprint } from './fingerprint';
import { warningName, warningWords } from './words';

export interface Approvable {
  client_id: string;
  name: string;
  label?: string;
  fingerprint?: string;
  warning?: string;
  connected: boolean;
  supported_roles: string[];
  source_allowed?: boolean;
  controller_allowed?: boolean;
}

type End = 'none' | 'disconnect' | 'hours' | 'date';

/** The longest approval in hours that the dialog takes: a year. */
const mostHours = 8760;

/** What the server is asked for; a string says why that cannot be. */
export function approval(end: End, hours: string, date: string, now = Date.now()): { until_disconnect?: true; ends_in_ms?: number; ends_at?: string } | 'hours' | 'date' {
  switch (end) {
    case 'disconnect': return { until_disconnect: true };
    case 'hours': {
      const n = Number(hours.replace(',', '.'));
      return n > 0 && n <= mostHours ? { ends_in_ms: Math.round(n * 3_600_000) } : 'hours';
    }
    case 'date': {
      const at = new Date(date);
      return at.getTime() > now ? { ends_at: at.toISOString() } : 'date';
    }
    default: return {};
  }
}

export function Approve({ device: d, onClose }: { device: Approvable; onClose: () => void }): JSX.Element {
  const [label, setLabel] = useState(d.label ?? '');
  const [source, setSource] = useState(!!d.source_allowed);
  const [controller, setController] = useState(!!d.controller_allowed);
  const [end, setEnd] = useState<End>('none');
  const [hours, setHours] = useState('8');
  const [date, setDate] = useState('');
  const [accepted, setAccepted] = useState(false);
  const [error, setError] = useState('');
  const offers = (role: string) => d.supported_roles.some((r) => r.startsWith(`${role}@`));
  const ends = approval(end, hours, date);
  const title = d.label || d.name || d.client_id.slice(0, 8);

  const approve = async () => {
    if (typeof ends === 'string') return setError(t(`devices.end_wrong.${ends}`));
    setError('');
    try {
      const body = { ...ends, source, controller, ...(label.trim() ? { label: label.trim() } : {}), ...(d.warning ? { accept_warning: d.warning } : {}) };
      putClient(await post<Client>(`/api/v1/clients/${seg(d.client_id)}/approve`, body));
      inbox.value = inbox.value.filter((x) => x.client_id !== d.client_id);
      toast('good', t('devices.done.approve', { name: label.trim() || title }));
      onClose();
    } catch (err) {
      setError(explain(err));
    }
  };
  const blocked = !!d.warning && !accepted;
  const ways: End[] = d.connected ? ['none', 'disconnect', 'hours', 'date'] : ['none', 'hours', 'date'];
  return (
    <Dialog title={t('devices.approve_title', { name: title })} onClose={onClose}
      foot={<><Button onClick={onClose}>{t('common.cancel')}</Button><Button kind={d.warning ? 'danger' : 'primary'} icon="check" disabled={blocked} onClick={approve}>{t('devices.approve')}</Button></>}>
      {d.warning && (
        <Notice tone="bad">
          <strong>{warningName(d.warning)}</strong>
          <p>{warningWords(d.warning)}</p>
          <Check label={<>{t('devices.accept_warning')} <code>{d.warning}</code></>} checked={accepted} onChange={setAccepted} />
        </Notice>
      )}
      <div class="stack tight">
        <span class="small dim">{t('devices.fingerprint_same')}</span>
        <Fingerprint value={d.fingerprint} big />
      </div>
      <Field label={t('devices.label')} hint={t('devices.label_hint', { name: d.name })} value={label} onInput={setLabel} maxLength={64} />
      {(offers('source') || offers('controller')) && (
        <fieldset class="dv-set">
          <legend>{t('devices.scopes')}</legend>
          {offers('controller') && <Check label={t('devices.scope.controller')} checked={controller} onChange={setController} />}
          {offers('source') && <Check label={t('devices.scope.source')} checked={source} onChange={setSource} />}
        </fieldset>
      )}
      <Select<End> label={t('devices.end')} value={end} onChange={setEnd} options={ways.map((value) => ({ value, label: t(`devices.end.${value}`) }))} />
      {end === 'hours' && <Field label={t('devices.end_hours')} type="number" inputMode="decimal" min={1} max={mostHours} value={hours} onInput={setHours} />}
      {end === 'date' && <Field label={t('devices.end_date')} type="datetime-local" value={date} onInput={setDate} />}
      {error && <Notice tone="bad" alert>{error}</Notice>}
      <p class="small dim">{t('devices.approve_pair_better')}</p>
    </Dialog>
  );
}
