// The tokens that wait for their devices, and what became of the others.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { del, get, seg } from '../../../api/http';
import { relative, t } from '../../../i18n';
import { href } from '../../../router';
import { clients, onEvent } from '../../../state/store';
import { Badge, Button, Empty, type Tone } from '../../../ui/controls';
import type { IconName } from '../../../ui/icons';
import { attempt, toast } from '../../../ui/toast';
import { Fingerprint } from '../fingerprint';
import type { Enrolment } from '../types';

const signs: Record<Enrolment['state'], { icon: IconName; tone: Tone }> = {
  waiting: { icon: 'schedules', tone: 'info' },
  pairing: { icon: 'link', tone: 'warn' },
  paired: { icon: 'check', tone: 'good' },
  failed: { icon: 'warning', tone: 'bad' },
};
const order: Enrolment['state'][] = ['failed', 'pairing', 'waiting', 'paired'];

/** The feed tells of attempts; tokens of devices that never come change nothing (ms). */
const pollEvery = 15_000;

export function Waiting({ turn }: { turn: number }): JSX.Element {
  const [list, set] = useState<Enrolment[]>([]);
  const [again, next] = useState(0);
  useEffect(() => {
    let stop = false;
    let soon: ReturnType<typeof setTimeout> | undefined;
    const read = () => get<{ tokens: Enrolment[] }>('/api/v1/pairing/tokens').then((a) => { if (!stop) set(a.tokens); }, () => {});
    const later = () => { clearTimeout(soon); soon = setTimeout(read, 200); };
    void read();
    const off = [onEvent('pairing.updated', later), onEvent('client.updated', (d) => { if ((d as { waiting?: string }).waiting) later(); })];
    const timer = setInterval(read, pollEvery);
    return () => { stop = true; off.forEach((f) => f()); clearInterval(timer); clearTimeout(soon); };
  }, [turn, again]);
  const sorted = [...list].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  const count = (s: Enrolment['state']) => list.filter((e) => e.state === s).length;
  const remove = (e: Enrolment) => attempt(async () => {
    await del(`/api/v1/pairing/tokens/${seg(e.client_id)}`);
    toast('info', t('devices.enrol.removed'));
    next((n) => n + 1);
  });
  const title = (e: Enrolment) => e.name || t('devices.enrol.unseen');
  return (
    <section class="card stack" aria-labelledby="enrolled">
      <h2 id="enrolled">{t('devices.enrol.list')}</h2>
      <p class="row wrap" role="status">{order.filter((s) => count(s) > 0).map((s) => <Badge key={s} tone={signs[s].tone} icon={signs[s].icon}>{`${count(s)} ${t(`devices.enrol.state.${s}`)}`}</Badge>)}</p>
      {list.length === 0 && <Empty icon="check" title={t('devices.enrol.none')}><p>{t('devices.enrol.none_hint')}</p></Empty>}
      <ul class="plain dv-lines">
        {sorted.map((e) => (
          <li key={e.client_id} data-state={e.state} class="row">
            <div class="grow stack tight">
              <strong>{clients.value.has(e.client_id) ? <a href={href('devices', 'd', e.client_id)}>{title(e)}</a> : title(e)}</strong>
              <span class="row wrap small"><Badge tone={signs[e.state].tone} icon={signs[e.state].icon}>{t(`devices.enrol.state.${e.state}`)}</Badge><span class="dim">{relative(e.updated_at ?? e.added_at)}</span></span>
              <span class="small dim"><Fingerprint value={e.fingerprint} /></span>
              {e.detail && <span class="small">{e.detail}</span>}
            </div>
            <Button icon="trash" kind="quiet" label={t('devices.enrol.remove', { name: e.name || e.fingerprint || '' })} onClick={() => remove(e)} />
          </li>
        ))}
      </ul>
    </section>
  );
}
