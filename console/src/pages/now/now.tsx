// The first page: every zone, what plays there, and what one does about it.
import './now.css';
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { computed } from '@preact/signals';
import { t } from '../../i18n';
import { href, route } from '../../router';
import { clientName, groupList, groups, link, may, server } from '../../state/store';
import { Button, Empty, Spinner } from '../../ui/controls';
import { Icon } from '../../ui/icons';
import { attempt } from '../../ui/toast';
import { ZoneCard } from './card';
import { Dialogs } from './dialogs';
import { drag } from './drag';
import { byImportance } from './logic';
import { open } from './open';
import { isSingle, Singles } from './solo';
import { StopAll } from './stopall';

/** Ids as one string: equal when the same groups are there, whatever they do. */
const zoneIds = computed(() => groupList.value.filter((g) => !g.solo).map((g) => g.group_id).sort().join(' '));
const singleIds = computed(() => groupList.value.filter(isSingle).map((g) => g.group_id).join(' '));

/** Whether the one who is signed in may do something in some zone. */
const operatesAny = computed(() => groupList.value.some((g) => may('operator', g.group_id)));

const inOrder = (): string[] => groupList.value.filter((g) => !g.solo).sort(byImportance).map((g) => g.group_id);

/**
 * What plays comes first, when the page is opened, looked at again, or a zone comes or
 * goes; not while somebody taps: a card must not jump away from under a finger.
 */
function useOrder(): string[] {
  const ids = zoneIds.value;
  const [order, setOrder] = useState(inOrder);
  useEffect(() => {
    const sort = () => { if (!document.hidden) setOrder(inOrder()); };
    sort();
    document.addEventListener('visibilitychange', sort);
    return () => document.removeEventListener('visibilitychange', sort);
  }, [ids]);
  const there = new Set(ids.split(' ').filter(Boolean));
  return [...order.filter((id) => there.delete(id)), ...there];
}

export function Now(): JSX.Element {
  const order = useOrder();
  const singles = singleIds.value.split(' ').filter(Boolean);
  const operator = may('operator');
  const operates = operatesAny.value;
  const [page, zone] = route.value;
  const panel = page === 'now' && zone && groups.value.has(zone) ? zone : '';
  if (link.value === 'loading' && !server.value) return <Spinner />;
  return (
    <div class={`now ${drag.value ? 'now-dragging' : ''}`}>
      <div class="page-head now-head">
        <h1>{t('common.page.now')}</h1>
        {operator && <Button icon="plus" onClick={() => open({ kind: 'create' })}>{t('now.zone.new')}</Button>}
        {operates && <Button icon="megaphone" onClick={() => open({ kind: 'announce', groupIds: [] })}>{t('now.announce')}</Button>}
        {operates && <StopAll />}
      </div>
      {order.length === 0 && singles.length === 0 && <Nothing />}
      <div class={panel ? 'now-with-panel' : ''}>
        <div class="now-zones">
          {order.map((id) => <ZoneCard key={id} id={id} />)}
          <Singles ids={singles} />
        </div>
        {panel && <Music id={panel} tab={route.value[2] ?? ''} />}
      </div>
      {order.length === 0 && singles.length > 0 && operator && <p class="dim now-hint">{t('now.zone.none')}</p>}
      <Ghost />
      <Dialogs />
    </div>
  );
}

type PanelType = typeof import('./panel/panel').Panel;

/** The panel of a zone's music, loaded when it is first opened. */
function Music({ id, tab }: { id: string; tab: string }): JSX.Element | null {
  const [Panel, set] = useState<PanelType | null>(null);
  useEffect(() => { void attempt(async () => { const m = await import('./panel/panel'); set(() => m.Panel); }); }, []);
  return Panel && <Panel groupId={id} tab={tab} />;
}

/** Nobody is here yet: where the next step is. */
function Nothing(): JSX.Element {
  return (
    <Empty icon="speaker" title={t('now.empty.title')}>
      <p>{t('now.empty.text')}</p>
      <div class="row wrap now-center">
        <a class="btn primary" href={href('devices')}><Icon name="devices" size={20} />{t('now.empty.devices')}</a>
        <a class="btn" href={href('speaker')}><Icon name="speaker" size={20} />{t('now.empty.speaker')}</a>
      </div>
    </Empty>
  );
}

/** What is under the finger while a speaker is dragged. */
function Ghost(): JSX.Element | null {
  const d = drag.value;
  if (!d) return null;
  return <div class="now-ghost" style={{ transform: `translate(${d.x}px, ${d.y}px)` }} aria-hidden="true"><Icon name="speaker" size={20} /> {clientName(d.clientId)}</div>;
}
