// Places that outlive hardware (personas): the list, and the way to one of them.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Persona } from '../../../api/types';
import { t } from '../../../i18n';
import { go, href, route } from '../../../router';
import { clients, groups, may, personas } from '../../../state/store';
import { Badge, Button, Empty } from '../../../ui/controls';
import { Icon } from '../../../ui/icons';
import { Presence } from '../row';
import { Create } from './create';
import { Import } from './import';
import { PersonaPage } from './persona';
import { Swap } from './swap';
import { ownName } from './swapping';

export function Personas(): JSX.Element {
  const [, , id, sub] = route.value;
  if (id === 'import' && may('admin')) return <Import />;
  if (id === 'swap' && may('admin')) return <Swap key={sub} chosen={sub} />;
  if (id) return <PersonaPage key={id} id={id} />;
  return <Overview />;
}

function Overview(): JSX.Element {
  const [creating, setCreating] = useState(false);
  const all = [...personas.value.values()].filter((p) => !p.retired).sort((a, b) => a.name.localeCompare(b.name));
  const admin = may('admin');
  const places = all.filter((p) => p.kind === 'endpoint');
  const servers = all.filter((p) => p.kind === 'server');
  return (
    <div class="stack">
      <h2 class="sr">{t('devices.tab.personas')}</h2>
      <p>{t('devices.place.what')}</p>
      {admin && (
        <div class="row wrap">
          <a class="btn primary" href={href('devices', 'personas', 'swap')}><Icon name="swap" size={20} />{t('devices.swap')}</a>
          <Button icon="plus" onClick={() => setCreating(true)}>{t('devices.place.create')}</Button>
          <a class="btn" href={href('devices', 'personas', 'import')}><Icon name="upload" size={20} />{t('devices.roster.import')}</a>
        </div>
      )}
      {places.length === 0 && <Empty icon="swap" title={t('devices.place.none')}><p>{t('devices.place.none_hint')}</p></Empty>}
      <ul class="plain dv-list">{places.map((p) => <PlaceRow key={p.persona_id} persona={p} />)}</ul>
      {servers.length > 0 && admin && (
        <section class="dv-section">
          <h2><Icon name="admin" size={20} /><span>{t('devices.place.server')}</span></h2>
          <p class="small dim">{t('devices.place.server_hint')}</p>
          <ul class="plain dv-list">{servers.map((p) => <PlaceRow key={p.persona_id} persona={p} />)}</ul>
        </section>
      )}
      {creating && <Create onClose={() => setCreating(false)} onDone={(p) => { setCreating(false); go('devices', 'personas', p.persona_id); }} />}
    </div>
  );
}

function PlaceRow({ persona: p }: { persona: Persona }): JSX.Element {
  const active = p.active_device ? clients.value.get(p.active_device) : undefined;
  const zone = p.group_id ? groups.value.get(p.group_id) : undefined;
  const spares = p.devices.length - (p.active_device ? 1 : 0);
  return (
    <li class={`dv-device ${p.kind === 'server' ? '' : active?.connected ? 'approved' : ''}`} data-persona={p.persona_id}>
      <span class="dv-sign" aria-hidden="true"><Icon name={p.kind === 'server' ? 'admin' : 'speaker'} size={26} /></span>
      <div class="dv-main">
        <h3><a href={href('devices', 'personas', p.persona_id)}>{p.name}</a></h3>
        <p class="row wrap small">
          {p.imported && <Badge tone="info" icon="download">{t('devices.place.imported')}</Badge>}
          {active ? <><span>{ownName(p, active, active.client_id)}</span><Presence client={active} /></> : p.kind === 'endpoint' && <span class="dim">{t('devices.place.empty')}</span>}
        </p>
        <p class="small dim">{[p.kind === 'endpoint' ? t('devices.place.spares_n', { n: spares }) : t('devices.place.keys_n', { n: p.devices.length }), zone && !zone.solo ? t('devices.in_zone', { zone: zone.name }) : ''].filter(Boolean).join(' · ')}</p>
      </div>
    </li>
  );
}
