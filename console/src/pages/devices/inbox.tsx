// The inbox: devices that wait for somebody's decision.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { post, seg } from '../../api/http';
import type { Client, InboxEntry } from '../../api/types';
import { dateTime, relative, t } from '../../i18n';
import { href, route } from '../../router';
import { inbox, putClient } from '../../state/store';
import { Badge, Button, Empty, Notice } from '../../ui/controls';
import { Icon } from '../../ui/icons';
import { attempt, toast } from '../../ui/toast';
import { Approve } from './approve';
import { Confirm } from './confirm';
import { Fingerprint } from './fingerprint';
import { approvable, maker, reasonWords, roleWords, warningName, warningWords } from './words';

export function Inbox(): JSX.Element {
  const [, , chosen] = route.value;
  // What must not be overlooked comes first, then who waits longest.
  const waiting = [...inbox.value].sort((a, b) => Number(!!b.warning) - Number(!!a.warning));
  useEffect(() => {
    const e = chosen ? document.getElementById(`inbox-${chosen}`) : null;
    e?.scrollIntoView({ block: 'start' });
    e?.focus({ preventScroll: true });
  }, [chosen]);
  if (waiting.length === 0) {
    return <Empty icon="check" title={t('devices.inbox_empty')}><p>{t('devices.inbox_empty_hint')}</p></Empty>;
  }
  return (
    <div class="stack">
      <Notice tone="info">{t('devices.compare')}</Notice>
      <ul class="plain dv-inbox">{waiting.map((e) => <Entry key={e.client_id} entry={e} chosen={e.client_id === chosen} />)}</ul>
    </div>
  );
}

function Entry({ entry: e, chosen }: { entry: InboxEntry; chosen: boolean }): JSX.Element {
  const [open, setOpen] = useState<'approve' | 'block' | null>(null);
  const title = e.name || e.client_id.slice(0, 8);
  const standing = e.warning ? 'pretending' : e.reason === 'credential_mismatch' ? 'mismatch' : 'waiting';
  const icon = ({ pretending: 'mask', mismatch: 'key', waiting: 'question' } as const)[standing];
  const decide = (what: 'deny' | 'block') => attempt(async () => {
    putClient(await post<Client>(`/api/v1/clients/${seg(e.client_id)}/${what}`));
    inbox.value = inbox.value.filter((x) => x.client_id !== e.client_id);
    toast('info', t(`devices.done.${what}`, { name: title }));
  });
  const hope = approvable({ ...e, trust: e.reason === 'credential_mismatch' ? e.reason : undefined });
  return (
    <li id={`inbox-${e.client_id}`} tabIndex={-1} class={`card dv-card ${standing} ${chosen ? 'chosen' : ''}`} aria-label={title} data-standing={standing}>
      <div class="row">
        <span class="dv-sign" aria-hidden="true"><Icon name={icon} size={26} /></span>
        <h2 class="grow">{title}</h2>
        <Badge tone={standing === 'pretending' ? 'bad' : standing === 'mismatch' ? 'warn' : 'info'}>{t(`devices.standing.${standing}`)}</Badge>
      </div>
      {e.warning
        ? <Notice tone="bad"><strong>{warningName(e.warning)}</strong><p>{warningWords(e.warning)}</p></Notice>
        : <p>{reasonWords(e.reason, e.detail)}</p>}
      <div class="stack tight"><span class="small dim">{t('devices.fingerprint')}</span><Fingerprint value={e.fingerprint} big /></div>
      <dl class="dv-facts">
        <Fact label={t('devices.maker')} value={maker(e)} />
        <Fact label={t('devices.address')} value={e.address} mono />
        <Fact label={t('devices.mac')} value={e.mac_address} mono />
        <Fact label={t('devices.wants')} value={e.supported_roles.filter((r) => !r.startsWith('_')).map(roleWords).join(', ')} wide />
        <Fact label={t('devices.first_seen')} value={dateTime(e.first_seen_at)} />
        <Fact label={t('devices.here_now')} value={e.connected ? t('devices.connected') : t('devices.away')} />
        {e.expires_at && <Fact label={t('devices.entry_goes')} value={relative(e.expires_at)} />}
      </dl>
      <p class="small dim">{t('devices.says_itself')}</p>
      <div class="dv-acts">
        {e.pair_methods.length > 0 && <a class={`btn ${hope && !e.warning ? '' : 'primary'}`} href={href('devices', 'pair', e.client_id)}><Icon name="link" size={20} />{t('devices.pair')}</a>}
        {hope && <Button kind={e.warning ? undefined : 'primary'} icon="check" onClick={() => setOpen('approve')}>{t('devices.approve')}</Button>}
        <Button icon="close" onClick={() => decide('deny')}>{t('devices.deny')}</Button>
        <Button icon="block" onClick={() => setOpen('block')}>{t('devices.block')}</Button>
      </div>
      {open === 'approve' && <Approve device={{ ...e, label: '' }} onClose={() => setOpen(null)} />}
      {open === 'block' && (
        <Confirm title={t('devices.block_title', { name: title })} text={t('devices.block_text')} action={t('devices.block')} onClose={() => setOpen(null)} run={() => decide('block')} />
      )}
    </li>
  );
}

export function Fact({ label, value, mono, wide }: { label: string; value?: string; mono?: boolean; wide?: boolean }): JSX.Element | null {
  if (!value) return null;
  return <div class={wide ? 'wide' : ''}><dt>{label}</dt><dd class={mono ? 'mono' : ''}>{value}</dd></div>;
}
