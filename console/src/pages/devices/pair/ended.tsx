// The end of an attempt: paired, or why not and what to do next.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { patch, seg } from '../../../api/http';
import type { Client, Pairing } from '../../../api/types';
import { t } from '../../../i18n';
import { href } from '../../../router';
import { name, putClient } from '../../../state/store';
import { Button, Field, Notice } from '../../../ui/controls';
import { Icon } from '../../../ui/icons';
import { attempt as tryTo, toast } from '../../../ui/toast';
import { coded } from '../words';

export function Ended({ client, attempt: a, onAgain }: { client: Client; attempt: Pairing; onAgain: () => void }): JSX.Element {
  if (a.state === 'paired') return <Paired client={client} />;
  const n = name(client);
  const reason = a.reason ?? a.state;
  return (
    <section class="card stack" data-state={a.state} data-reason={reason}>
      <Notice tone={a.state === 'cancelled' ? 'info' : 'bad'} alert>
        <strong>{coded('pair.failed', reason, t('devices.pair.failed.other'), { name: n })}</strong>
        <p>{coded('pair.next', reason, a.detail || t('devices.pair.next.other'), { name: n })}</p>
      </Notice>
      {a.detail && <details><summary>{t('devices.pair.server_says')}</summary><p class="small">{a.detail}</p></details>}
      <div class="dv-acts">
        <a class="btn" href={href('devices', 'd', client.client_id)}><Icon name="left" size={20} />{t('devices.pair.to_device')}</a>
        <Button kind="primary" icon="repeat" onClick={onAgain}>{t('devices.pair.again')}</Button>
      </div>
    </section>
  );
}

function Paired({ client }: { client: Client }): JSX.Element {
  const [label, setLabel] = useState(client.label ?? '');
  const save = () => tryTo(async () => {
    putClient(await patch<Client>(`/api/v1/clients/${seg(client.client_id)}`, { label: label.trim() }));
    toast('good', t('devices.saved'));
  });
  return (
    <section class="card stack" data-state="paired">
      <Notice tone="good" alert><strong>{t('devices.pair.paired', { name: name(client) })}</strong><p>{t('devices.pair.paired_hint')}</p></Notice>
      <form class="dv-tools" onSubmit={(e) => { e.preventDefault(); void save(); }}>
        <Field label={t('devices.label')} value={label} onInput={setLabel} maxLength={64} placeholder={client.name} />
        <Button type="submit">{t('common.save')}</Button>
      </form>
      <div class="dv-acts">
        <a class="btn" href={href('devices', 'd', client.client_id)}>{t('devices.pair.to_device')}</a>
        <a class="btn primary" href={href('devices')}>{t('devices.all')}</a>
      </div>
    </section>
  );
}
