// How far a device may go, and the ways out of it, each with what will follow.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { del, post, seg } from '../../../api/http';
import type { Client } from '../../../api/types';
import { dateTime, t } from '../../../i18n';
import { go, href } from '../../../router';
import { clients, may, name, personas, putClient } from '../../../state/store';
import { Button, Notice } from '../../../ui/controls';
import { Icon } from '../../../ui/icons';
import { attempt, toast } from '../../../ui/toast';
import { Approve } from '../approve';
import { Confirm } from '../confirm';
import { standing, type Standing } from '../standing';
import { approvable, approvalEnd, reasonWords, warningName, warningWords } from '../words';

type Act = 'unpair' | 'revoke' | 'block' | 'forget' | 'deny';

/** What may be done from each standing, beside approving and pairing. */
export const acts: Record<Standing, Act[]> = {
  pretending: ['deny', 'block', 'forget'],
  waiting: ['deny', 'block', 'forget'],
  mismatch: ['block', 'forget'],
  found: ['block', 'forget'],
  paired: ['unpair', 'block', 'forget'],
  approved: ['revoke', 'block', 'forget'],
  unpairing: ['forget'],
  denied: ['block', 'forget'],
  blocked: ['forget'],
};

const icons = { unpair: 'out', revoke: 'out', block: 'block', forget: 'trash', deny: 'close' } as const;

async function run(c: Client, what: Act): Promise<void> {
  const path = `/api/v1/clients/${seg(c.client_id)}`;
  const n = name(c);
  if (what === 'forget') {
    await del(path);
    go('devices');
    const left = new Map(clients.value);
    left.delete(c.client_id);
    clients.value = left;
  } else {
    putClient(what === 'revoke' ? await del<Client>(`${path}/approval`) : await post<Client>(`${path}/${what}`));
  }
  toast('info', t(`devices.done.${what}`, { name: n }));
}

export function TrustCard({ client: c }: { client: Client }): JSX.Element {
  const [open, setOpen] = useState<Act | 'approve' | null>(null);
  const s = standing(c);
  const admin = may('admin');
  const until = s === 'approved' ? approvalEnd(c) : '';
  const persona = c.persona_id ? personas.value.get(c.persona_id) : undefined;
  const scopes = [c.controller_allowed && t('devices.scope.controller'), c.source_allowed && t('devices.scope.source')].filter(Boolean) as string[];
  const canApprove = approvable(c) && s !== 'paired' && s !== 'unpairing';
  return (
    <section class="card stack" aria-labelledby="trust-card">
      <h3 id="trust-card">{t('devices.card.trust')}</h3>
      {c.warning && <Notice tone="bad"><strong>{warningName(c.warning)}</strong><p>{warningWords(c.warning)}</p></Notice>}
      <p>{t(`devices.standing_means.${s}`)}</p>
      {c.waiting && !c.warning && <p>{reasonWords(c.waiting)}</p>}
      {until && <p><strong>{t('devices.approval_holds', { until })}</strong></p>}
      {c.paired_at && s === 'paired' && <p class="small dim">{t('devices.paired_since', { when: dateTime(c.paired_at) })}</p>}
      {scopes.length > 0 && <p class="small">{t('devices.scopes_have', { list: scopes.join('; ') })}</p>}
      {persona && <p class="small">{t('devices.in_persona')} <a href={href('devices', 'personas', persona.persona_id)}>{persona.name}</a></p>}
      {admin && (
        <div class="dv-acts">
          {s !== 'blocked' && s !== 'paired' && c.pair_methods.length > 0 && <a class="btn primary" href={href('devices', 'pair', c.client_id)}><Icon name="link" size={20} />{t('devices.pair')}</a>}
          {s === 'paired' && <a class="btn" href={href('devices', 'pair', c.client_id)}><Icon name="link" size={20} />{t('devices.pair_again')}</a>}
          {canApprove && <Button icon="check" onClick={() => setOpen('approve')}>{t(s === 'approved' ? 'devices.approve_change' : 'devices.approve')}</Button>}
          {acts[s].map((a) => <Button key={a} icon={icons[a]} onClick={() => setOpen(a)}>{t(`devices.${a}`)}</Button>)}
        </div>
      )}
      {open === 'approve' && <Approve device={c} onClose={() => setOpen(null)} />}
      {open && open !== 'approve' && (
        <Confirm title={t(`devices.${open}_title`, { name: name(c) })} text={t(`devices.${open}_text`)} action={t(`devices.${open}`)}
          run={() => attempt(() => run(c, open))} onClose={() => setOpen(null)} />
      )}
    </section>
  );
}
