// The ways that a device offers, in words, the best first.
import type { JSX } from 'preact';
import type { Client } from '../../../api/types';
import { t } from '../../../i18n';
import { href } from '../../../router';
import { Badge, Notice } from '../../../ui/controls';
import { Icon, type IconName } from '../../../ui/icons';
import { coded } from '../words';
import { ways, type Way } from './code';

const icons: Record<Way['kind'], IconName> = { digits: 'key', qr: 'qr', token: 'link', static: 'devices' };

/** Where a code or token is to be found, as the device says. */
export function places(w: Way): string {
  const list = (w.offer.locations ?? []).map((l) => coded('pair.location', l, '')).filter(Boolean);
  return list.length ? list.join(', ') : t('devices.pair.location.unknown');
}

/** Whether the device says its code and does not show it. */
export const spoken = (w: Way): boolean => !!w.offer.out_channels?.length && !w.offer.out_channels.includes('display');

export function Methods({ client, onChoose }: { client: Client; onChoose: (w: Way) => void }): JSX.Element {
  const list = ways(client);
  if (list.length === 0) {
    return (
      <Notice tone="warn">
        <p>{t(client.connected ? 'devices.pair.nothing_offered' : 'devices.pair.nothing_known')}</p>
        {client.waiting && client.unpaired_access && <p><a href={href('devices', 'inbox', client.client_id)}>{t('devices.pair.approve_instead')}</a></p>}
      </Notice>
    );
  }
  const words = (w: Way) => (w.kind === 'digits' && spoken(w) ? 'spoken' : w.kind);
  return (
    <section class="stack" aria-labelledby="pair-ways">
      <h3 id="pair-ways">{t('devices.pair.choose')}</h3>
      <ul class="plain dv-ways">
        {list.map((w, i) => (
          <li key={w.kind}>
            <button type="button" class={`dv-way ${i === 0 ? 'first' : ''}`} onClick={() => onChoose(w)} data-testid={`way-${w.kind}`}>
              <Icon name={icons[w.kind]} size={28} />
              <span class="grow stack tight">
                <span class="row wrap"><strong>{t(`devices.pair.way.${words(w)}`)}</strong>{i === 0 && list.length > 1 && <Badge tone="good" icon="check">{t('devices.pair.recommended')}</Badge>}</span>
                <span class="small dim">{t(`devices.pair.way_hint.${words(w)}`, { where: places(w) })}</span>
              </span>
              <Icon name="right" />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
