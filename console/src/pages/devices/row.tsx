// One line of the list: sign, word and border tell the standing, and then the colour.
import type { JSX } from 'preact';
import { del, seg } from '../../api/http';
import type { Client } from '../../api/types';
import { dateTime, relative, t } from '../../i18n';
import { href } from '../../router';
import { groups, may, name } from '../../state/store';
import { Badge, Button } from '../../ui/controls';
import { Icon } from '../../ui/icons';
import { attempt } from '../../ui/toast';
import { Fingerprint } from './fingerprint';
import { signs, standing } from './standing';
import type { Sighting } from './types';
import { approvalEnd, maker, reasonWords, warningName } from './words';

export function StandingBadge({ client }: { client: Client }): JSX.Element {
  const s = standing(client);
  return <Badge tone={signs[s].tone} icon={signs[s].icon}>{t(`devices.standing.${s}`)}</Badge>;
}

/** Whether there is a session, said with a word. */
export function Presence({ client }: { client: Client }): JSX.Element {
  return client.connected
    ? <span class="dv-presence on">{t('devices.connected')}</span>
    : <span class="dv-presence" title={dateTime(client.last_seen_at)}>{t('devices.seen', { when: relative(client.last_seen_at) })}</span>;
}

function note(c: Client): string {
  if (c.warning) return warningName(c.warning);
  if (c.waiting) return reasonWords(c.waiting);
  const zone = c.group_id ? groups.value.get(c.group_id) : undefined;
  return [approvalEnd(c), zone && !zone.solo ? t('devices.in_zone', { zone: zone.name }) : ''].filter(Boolean).join(' · ');
}

export function Row({ client }: { client: Client }): JSX.Element {
  const s = standing(client);
  const said = client.label && client.label !== client.name ? client.name : '';
  const waits = s === 'waiting' || s === 'pretending' || s === 'mismatch';
  return (
    <li class={`dv-device ${s}`} data-standing={s}>
      <span class="dv-sign" aria-hidden="true"><Icon name={signs[s].icon} size={26} /></span>
      <div class="dv-main">
        <h3><a href={href('devices', 'd', client.client_id)}>{name(client)}</a></h3>
        {said && <p class="small dim">{t('devices.says', { name: said })}</p>}
        <p class="row wrap small"><StandingBadge client={client} /><Presence client={client} /></p>
        {note(client) && <p class="small">{note(client)}</p>}
        <p class="row wrap small dim"><Fingerprint value={client.fingerprint} /><span>{maker(client.device_info)}</span></p>
      </div>
      {waits && may('admin') && (
        <div class="dv-rowacts">
          {client.waiting
            ? <a class="btn" href={href('devices', 'inbox', client.client_id)} aria-label={t('devices.decide_for', { name: name(client) })}>{t('devices.decide')}</a>
            : <a class="btn" href={href('devices', 'd', client.client_id)} aria-label={t('devices.open_for', { name: name(client) })}>{t('devices.open')}</a>}
        </div>
      )}
    </li>
  );
}

/** An address where nothing has answered yet. */
export function SightingRow({ sighting, onGone }: { sighting: Sighting; onGone: () => void }): JSX.Element {
  const remove = () => attempt(() => del(`/api/v1/sightings/${seg(sighting.key)}`).then(onGone));
  return (
    <li class="dv-device found" data-standing="found">
      <span class="dv-sign" aria-hidden="true"><Icon name="search" size={26} /></span>
      <div class="dv-main">
        <h3>{sighting.name || sighting.url}</h3>
        <p class="row wrap small"><Badge tone="plain" icon="search">{t('devices.standing.found')}</Badge><span>{t(`devices.via.${sighting.via === 'mdns' || sighting.via === 'dns-sd' ? sighting.via : 'address'}`)}</span></p>
        {sighting.name && <p class="small dim mono">{sighting.url}</p>}
      </div>
      {sighting.via === 'api' && may('admin') && (
        <div class="dv-rowacts"><Button icon="trash" label={t('devices.address_remove', { url: sighting.url })} onClick={remove} /></div>
      )}
    </li>
  );
}
