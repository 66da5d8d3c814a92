// One device: what it is, how far it may go, how it sounds, where it plays.
import type { JSX } from 'preact';
import { t } from '../../../i18n';
import { href, route } from '../../../router';
import { clients, may, name } from '../../../state/store';
import { Empty, Notice } from '../../../ui/controls';
import { Icon } from '../../../ui/icons';
import { Presence, StandingBadge } from '../row';
import { signs, standing } from '../standing';
import { EqualizerCard } from './equalizer';
import { Facts } from './facts';
import { Label } from './label';
import { SoundCard } from './sound';
import { TrustCard } from './trust';
import { ZoneCard } from './zone';

export function Device(): JSX.Element {
  const c = clients.value.get(route.value[2] ?? '');
  if (!c) {
    return <Empty icon="question" title={t('devices.unknown')}><p>{t('devices.unknown_hint')}</p><a class="btn" href={href('devices')}>{t('devices.all')}</a></Empty>;
  }
  const s = standing(c);
  const newer = [...(c.unknown_roles ?? []), ...(c.ignored ?? [])];
  const operator = may('operator', c.group_id);
  return (
    <div class="stack" key={c.client_id}>
      <p><a class="btn quiet" href={href('devices')}><Icon name="left" size={20} />{t('devices.all')}</a></p>
      <div class={`dv-head dv-device ${s}`}>
        <span class="dv-sign" aria-hidden="true"><Icon name={signs[s].icon} size={26} /></span>
        <div class="dv-main">
          <h2>{name(c)}</h2>
          <p class="row wrap small"><StandingBadge client={c} /><Presence client={c} /></p>
          {c.label && c.label !== c.name && <p class="small dim">{t('devices.says', { name: c.name })}</p>}
        </div>
      </div>
      {c.connected && c.available === false && <Notice tone="warn">{t('devices.unavailable')}</Notice>}
      {c.last_error && !c.connected && <Notice tone="warn"><strong>{t('devices.last_error')}</strong><p>{c.last_error}</p></Notice>}
      {newer.length > 0 && <Notice tone="info"><p>{t('devices.newer')}</p><p class="small mono">{newer.join(', ')}</p></Notice>}
      <div class="dv-cards">
        <div class="stack">
          <TrustCard client={c} />
          {operator && <Label client={c} />}
          {c.group_id !== undefined && operator && <ZoneCard client={c} />}
        </div>
        {c.player && operator && <div class="stack"><SoundCard client={c} /><EqualizerCard client={c} /></div>}
        <Facts client={c} />
      </div>
    </div>
  );
}
