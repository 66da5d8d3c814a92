import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Client } from '../../../api/types';
import { t } from '../../../i18n';
import { Button, Field } from '../../../ui/controls';
import { save } from './save';

/** The operator's name for a device. */
export function Label({ client: c }: { client: Client }): JSX.Element {
  const [label, setLabel] = useState(c.label ?? '');
  useEffect(() => setLabel(c.label ?? ''), [c.label]);
  const submit = () => save(c.client_id, { label: label.trim() }, { label: label.trim() });
  return (
    <form class="card stack" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
      <h3>{t('devices.card.name')}</h3>
      <Field label={t('devices.label')} hint={t('devices.label_hint', { name: c.name })} value={label} onInput={setLabel} maxLength={64} placeholder={c.name} />
      <div><Button type="submit" disabled={label.trim() === (c.label ?? '')}>{t('common.save')}</Button></div>
    </form>
  );
}
