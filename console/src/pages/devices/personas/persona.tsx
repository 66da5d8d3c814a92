// One place: its speaker and spares, its limits, its signed roster.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { del, post, seg } from '../../../api/http';
import type { Persona } from '../../../api/types';
import { t } from '../../../i18n';
import { go, href } from '../../../router';
import { clients, may, personas, putPersona } from '../../../state/store';
import { Badge, Button, Empty, Notice } from '../../../ui/controls';
import { Icon } from '../../../ui/icons';
import { attempt, toast } from '../../../ui/toast';
import { Confirm } from '../confirm';
import { Fingerprint } from '../fingerprint';
import { Presence, StandingBadge } from '../row';
import { AddSpare } from './addspare';
import { Export } from './export';
import { Limits } from './limits';
import { changeable, ownName, ready } from './swapping';

/** Sends a change of a place and shows the answer. */
export const change = (run: () => Promise<Persona>, said = t('devices.saved')): Promise<boolean> =>
  attempt(async () => {
    putPersona(await run());
    toast('good', said);
  });

export function PersonaPage({ id }: { id: string }): JSX.Element {
  const p = personas.value.get(id);
  const [open, setOpen] = useState<'retire' | 'rotate' | null>(null);
  if (!p || p.retired) {
    return <Empty icon="question" title={t('devices.place.unknown')}><a class="btn" href={href('devices', 'personas')}>{t('devices.tab.personas')}</a></Empty>;
  }
  const path = `/api/v1/personas/${seg(id)}`;
  const admin = may('admin');
  const mine = admin && changeable(p);
  const retire = () => attempt(async () => {
    await del(path);
    putPersona({ ...p, retired: true });
    toast('info', t('devices.place.retired', { name: p.name }));
    go('devices', 'personas');
  });
  return (
    <div class="stack">
      <p><a class="btn quiet" href={href('devices', 'personas')}><Icon name="left" size={20} />{t('devices.tab.personas')}</a></p>
      <div class="row wrap"><h2 class="grow">{p.name}</h2>
        {mine && <a class="btn primary" href={href('devices', 'personas', 'swap', id)}><Icon name="swap" size={20} />{t('devices.swap')}</a>}
      </div>
      {p.imported && <Notice tone="info">{t('devices.place.imported_hint')}</Notice>}
      <div class="dv-cards">
        <div class="stack">
          {p.kind === 'endpoint' ? <Devices persona={p} mine={mine} /> : <Keys persona={p} />}
        </div>
        <div class="stack">
          {mine && <Limits persona={p} />}
          {admin && <Export persona={p} />}
          {mine && (
            <section class="card stack">
              <h3>{t('devices.place.more')}</h3>
              <div class="dv-acts">
                <Button icon="key" onClick={() => setOpen('rotate')}>{t('devices.place.rotate')}</Button>
                <Button icon="trash" onClick={() => setOpen('retire')}>{t('devices.place.retire')}</Button>
              </div>
            </section>
          )}
        </div>
      </div>
      {open === 'rotate' && <Confirm harmless title={t('devices.place.rotate_title')} text={t('devices.place.rotate_text')} action={t('devices.place.rotate')} onClose={() => setOpen(null)}
        run={() => change(() => post<Persona>(`${path}/rotate-key`), t('devices.place.rotated'))} />}
      {open === 'retire' && <Confirm title={t('devices.place.retire_title', { name: p.name })} text={t('devices.place.retire_text')} action={t('devices.place.retire')} onClose={() => setOpen(null)} run={retire} />}
    </div>
  );
}

function Devices({ persona: p, mine }: { persona: Persona; mine: boolean }): JSX.Element {
  const [adding, setAdding] = useState(false);
  const path = `/api/v1/personas/${seg(p.persona_id)}`;
  return (
    <section class="card stack">
      <h3>{t('devices.place.devices')}</h3>
      {p.devices.length === 0 && <p class="dim">{t('devices.place.empty')}</p>}
      <ul class="plain dv-lines">
        {[...p.devices].sort((a, b) => Number(b.active) - Number(a.active)).map((d) => {
          const c = clients.value.get(d.client_id);
          const n = ownName(p, c, d.client_id);
          return (
            <li key={d.client_id} class="dv-spare" data-active={d.active}>
              <div class="stack tight grow">
                <strong>{c ? <a href={href('devices', 'd', d.client_id)}>{n}</a> : n}</strong>
                <span class="row wrap small">
                  <Badge tone={d.active ? 'good' : 'plain'} icon={d.active ? 'play' : 'pause'}>{t(d.active ? 'devices.place.active' : 'devices.place.spare')}</Badge>
                  {c ? <><StandingBadge client={c} /><Presence client={c} /></> : <span class="dim">{t('devices.place.not_here')}</span>}
                </span>
                {c && <span class="small dim"><Fingerprint value={c.fingerprint} /></span>}
              </div>
              {mine && (
                <div class="dv-acts">
                  {!d.active && <Button icon="swap" disabled={!ready(c)} onClick={() => change(() => post<Persona>(`${path}/activate`, { client_id: d.client_id }), t('devices.swap_done_short', { place: p.name, name: n }))}>{t('devices.place.activate')}</Button>}
                  {(!d.active || p.devices.length === 1) && <Button icon="trash" kind="quiet" label={t('devices.place.take_out', { name: n })} onClick={() => change(() => del<Persona>(`${path}/devices/${seg(d.client_id)}`))} />}
                </div>
              )}
            </li>
          );
        })}
      </ul>
      {mine && <div><Button icon="plus" onClick={() => setAdding(true)}>{t(p.devices.length ? 'devices.place.add_spare' : 'devices.place.add_first')}</Button></div>}
      {adding && <AddSpare persona={p} onClose={() => setAdding(false)} />}
    </section>
  );
}

/** The keys that the server has been known by. */
function Keys({ persona: p }: { persona: Persona }): JSX.Element {
  return (
    <section class="card stack">
      <h3>{t('devices.place.keys')}</h3>
      <ul class="plain dv-lines">{p.devices.map((d) => <li key={d.client_id} class="stack tight"><code class="dv-key">{d.client_id}</code>{d.active && <span><Badge tone="good" icon="check">{t('devices.place.key_now')}</Badge></span>}</li>)}</ul>
    </section>
  );
}
