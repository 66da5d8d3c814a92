// Devices: who may play and who may not. The list, the inbox, pairing, tokens of many
// devices, and the personas that outlive hardware.
import type { JSX } from 'preact';
import { t } from '../../i18n';
import { href, route } from '../../router';
import { inbox, may } from '../../state/store';
import { Icon, type IconName } from '../../ui/icons';
import { Device } from './device/device';
import { Enrol } from './enrol/enrol';
import { List } from './list';
import { Inbox } from './inbox';
import { Pair } from './pair/pair';
import { Personas } from './personas/personas';
import './devices.css';

interface Tab { name: string; icon: IconName; admin?: boolean; count?: () => number }

const tabs: Tab[] = [
  { name: 'all', icon: 'devices' },
  { name: 'inbox', icon: 'question', admin: true, count: () => inbox.value.length },
  { name: 'enrol', icon: 'qr', admin: true },
  { name: 'personas', icon: 'swap' },
];

export function Devices(): JSX.Element {
  const [, sub = 'all'] = route.value;
  const seen = tabs.filter((x) => !x.admin || may('admin'));
  const current = seen.find((x) => x.name === (sub === 'd' || sub === 'pair' ? 'all' : sub));
  return (
    <div class="dv-page">
      <div class="page-head"><h1>{t('common.page.devices')}</h1></div>
      <nav class="tabs" aria-label={t('devices.tabs')}>
        {seen.map((x) => (
          <a key={x.name} href={x.name === 'all' ? href('devices') : href('devices', x.name)} aria-current={x === current ? 'page' : undefined}>
            <Icon name={x.icon} size={18} /><span>{t(`devices.tab.${x.name}`)}</span>
            {x.count && x.count() > 0 && <b class="dv-pill">{x.count()}</b>}
          </a>
        ))}
      </nav>
      <Part name={sub} />
    </div>
  );
}

/** The part that the address names; the list when the user may not see it. */
function Part({ name }: { name: string }): JSX.Element {
  const admin = may('admin');
  switch (name) {
    case 'd': return <Device />;
    case 'personas': return <Personas />;
    case 'inbox': return admin ? <Inbox /> : <List />;
    case 'pair': return admin ? <Pair /> : <List />;
    case 'enrol': return admin ? <Enrol /> : <List />;
    default: return <List />;
  }
}
