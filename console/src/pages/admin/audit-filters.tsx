// The form above the ledger.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { t } from '../../i18n';
import { clientName } from '../../state/store';
import { Button, Field, Select } from '../../ui/controls';
import { isFiltered, noFilter, values, type AuditFilter } from './audit-filter';
import { kindName, kindFamily } from './audit-kind';
import type { AuditEvent } from './types';

export function AuditFilters(p: { filter: AuditFilter; events: AuditEvent[]; onChange: (f: AuditFilter) => void }): JSX.Element {
  const f = p.filter;
  const [open, setOpen] = useState(false);
  const set = (change: Partial<AuditFilter>) => p.onChange({ ...f, ...change });
  const all = { value: '', label: t('admin.audit.any') };
  const kinds = values(p.events, (e) => e.kind);
  const families = [...new Set(kinds.map(kindFamily))];
  // What was chosen stays a choice, wherever it came from.
  const devices = [...new Set([...values(p.events, (e) => e.client_id), ...(f.clientId ? [f.clientId] : [])])];
  return (
    <search class="stack">
      <div class="row end">
        <div class="grow"><Field label={t('admin.audit.search')} type="search" value={f.text} onInput={(text) => set({ text })} placeholder={t('admin.audit.search.example')} /></div>
        <Button expanded={open} onClick={() => setOpen(!open)} icon={open ? 'up' : 'down'}>{t('admin.audit.filters')}</Button>
      </div>
      {(open || (isFiltered(f) && f.text === '')) && (
        <div class="filters">
          <Select label={t('admin.audit.actor')} value={f.actor} onChange={(actor) => set({ actor })} options={[all, ...values(p.events, (e) => e.actor).map((value) => ({ value, label: value }))]} />
          <Select label={t('admin.audit.kind')} value={f.kind} onChange={(kind) => set({ kind })}
            options={[all, ...families.flatMap((x) => [{ value: x, label: kindName(x) }, ...kinds.filter((k) => kindFamily(k) === x).map((value) => ({ value, label: `\u2003${kindName(value)}` }))])]} />
          <Select label={t('admin.audit.device')} value={f.clientId} onChange={(clientId) => set({ clientId })} options={[all, ...devices.map((value) => ({ value, label: clientName(value) }))]} />
          <Field label={t('admin.audit.from')} type="datetime-local" value={f.from} onInput={(from) => set({ from })} />
          <Field label={t('admin.audit.to')} type="datetime-local" value={f.to} onInput={(to) => set({ to })} />
          <div class="row end"><Button icon="close" disabled={!isFiltered(f)} onClick={() => p.onChange(noFilter)}>{t('admin.audit.clear')}</Button></div>
        </div>
      )}
    </search>
  );
}
