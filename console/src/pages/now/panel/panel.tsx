// The music of one zone: queue, library, other sources, what was played. A sheet on a
// phone; beside the zones where there is room for both.
import './panel.css';
import type { JSX } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import type { Group } from '../../../api/types';
import { t } from '../../../i18n';
import { go, href } from '../../../router';
import { groups, may } from '../../../state/store';
import { Button, Dialog } from '../../../ui/controls';
import { Cover } from '../cover';
import { uriName } from '../logic';
import { PlayButton } from '../transport';
import { History } from './history';
import { Library } from './library';
import { QueueList } from './queue';
import { Sources } from './sources';

export const tabs = ['queue', 'library', 'sources', 'history'] as const;
export type Tab = (typeof tabs)[number];

/** Both fit beside each other from this width on; now.css has the same. */
const roomy = matchMedia('(min-width: 1100px)');

function useRoomy(): boolean {
  const [is, set] = useState(roomy.matches);
  useEffect(() => {
    const on = () => set(roomy.matches);
    roomy.addEventListener('change', on);
    return () => roomy.removeEventListener('change', on);
  }, []);
  return is;
}

export function Panel({ groupId, tab }: { groupId: string; tab: string }): JSX.Element | null {
  const g = groups.value.get(groupId);
  const wide = useRoomy();
  if (!g) return null;
  const shown = tabs.find((x) => x === tab) ?? 'queue';
  const title = t('now.panel.title', { zone: g.name });
  const content = <Content group={g} tab={shown} />;
  return wide ? <Aside title={title} key={groupId}>{content}</Aside> : <div class="now-sheet"><Dialog title={title} onClose={() => go('now')}>{content}</Dialog></div>;
}

function Aside({ title, children }: { title: string; children: JSX.Element }): JSX.Element {
  const id = useId();
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    head.current?.focus({ preventScroll: true });
    return () => before?.focus?.();
  }, []);
  return (
    <aside class="now-panel" aria-labelledby={id} onKeyDown={(e) => { if (e.key === 'Escape') go('now'); }}>
      <div class="row now-panel-head">
        <h2 id={id} ref={head} tabIndex={-1} class="grow ellipsis">{title}</h2>
        <Button icon="close" kind="quiet" label={t('common.close')} onClick={() => go('now')} />
      </div>
      <div class="stack">{children}</div>
    </aside>
  );
}

function Content({ group: g, tab }: { group: Group; tab: Tab }): JSX.Element {
  const np = g.now_playing;
  return (
    <>
      {(np || g.source) && (
        <div class="row now-mini">
          <Cover key={np?.artwork ?? ''} playing={np} />
          <div class="grow">
            <p class="ellipsis"><strong>{np?.title || uriName(g.source ?? '')}</strong></p>
            <p class="small dim ellipsis">{np?.artist}</p>
          </div>
          {may('operator', g.group_id) && <PlayButton group={g} />}
        </div>
      )}
      <nav class="tabs now-tabs" aria-label={t('now.panel.parts')}>
        {tabs.filter((x) => x === 'queue' || x === 'history' || may('operator', g.group_id)).map((x) => (
          <a key={x} href={href('now', g.group_id, x)} aria-current={x === tab ? 'page' : undefined} onClick={(e) => { e.preventDefault(); location.replace(href('now', g.group_id, x)); }}>
            {t(`now.tab.${x}`)}
          </a>
        ))}
      </nav>
      {tab === 'queue' && <QueueList key={g.group_id} group={g} />}
      {tab === 'library' && <Library target={g} />}
      {tab === 'sources' && <Sources group={g} />}
      {tab === 'history' && <History key={g.group_id} group={g} />}
    </>
  );
}
