// A new key for the server: what follows is said before it is done.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { post } from '../../api/http';
import type { Server } from '../../api/types';
import { t } from '../../i18n';
import { server } from '../../state/store';
import { Check, Notice } from '../../ui/controls';
import { toast } from '../../ui/toast';
import { Confirm } from './parts';

export function RotateKey(p: { paired: number; others: number; onClose: () => void }): JSX.Element {
  const [sure, setSure] = useState(false);
  const [key] = useState(() => Math.random().toString(36).slice(2)); // one per dialog: a repeated tap rotates once
  const run = async () => {
    server.value = await post<Server>('/api/v1/server/rotate-key', undefined, { idempotencyKey: `rotate-${key}` });
    toast('good', t('admin.rotate.done'));
  };
  return (
    <Confirm title={t('admin.rotate')} action={t('admin.rotate.do')} disabled={!sure} onClose={p.onClose} run={run}>
      <p>{t('admin.rotate.why')}</p>
      <ul>
        <li>{t('admin.rotate.paired', { n: p.paired })}</li>
        <li>{t('admin.rotate.others', { n: p.others })}</li>
        <li>{t('admin.rotate.rosters')}</li>
      </ul>
      <Notice tone="warn">{t('admin.rotate.backup')}</Notice>
      <Check label={t('admin.rotate.sure')} checked={sure} onChange={setSure} />
    </Confirm>
  );
}
