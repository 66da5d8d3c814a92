// How an announcement does: per zone and per speaker, until it is over.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { get, seg } from '../../../api/http';
import type { Announcement, Group } from '../../../api/types';
import { has, t } from '../../../i18n';
import { clientName, groups, may, onEvent } from '../../../state/store';
import { Badge, Button, Notice, type Tone } from '../../../ui/controls';
import type { IconName } from '../../../ui/icons';
import { cancelAnnouncement, groupPath } from '../actions';

const looks: Record<Announcement['state'], { tone: Tone; icon: IconName }> = {
  queued: { tone: 'info', icon: 'queue' },
  playing: { tone: 'info', icon: 'megaphone' },
  done: { tone: 'good', icon: 'check' },
  failed: { tone: 'bad', icon: 'warning' },
  cancelled: { tone: 'warn', icon: 'close' },
};
const speakerLooks: Record<string, { tone: Tone; icon: IconName }> = {
  pending: { tone: 'plain', icon: 'more' },
  played: { tone: 'good', icon: 'check' },
  partly: { tone: 'warn', icon: 'warning' },
  missed: { tone: 'bad', icon: 'close' },
};

/** What speakers received is complete some seconds after the end: asked again so often (ms). */
const askEvery = 1500;
const open = (a: Announcement | undefined): boolean => !a || a.state === 'queued' || a.state === 'playing' || a.players.some((p) => p.state === 'pending');

/** The announcement in one zone, by the feed and by asking while something is open. */
function useAnnouncement(groupId: string, id: string): Announcement | undefined {
  const [a, set] = useState<Announcement>();
  const ask = open(a);
  useEffect(() => onEvent('group.updated', (d) => {
    const g = d as Group;
    if (g.group_id === groupId && g.announcement?.announcement_id === id) set(g.announcement);
  }), [groupId, id]);
  useEffect(() => {
    if (!ask) return;
    const once = () => get<Announcement>(groupPath(groupId, 'announcements', seg(id))).then(set, () => {});
    void once();
    const timer = setInterval(once, askEvery);
    return () => clearInterval(timer);
  }, [groupId, id, ask]);
  return a;
}

export function Live({ id, groupIds }: { id: string; groupIds: string[] }): JSX.Element {
  return <div class="stack">{groupIds.map((g) => <Zone key={g} groupId={g} id={id} />)}</div>;
}

function Zone({ groupId, id }: { groupId: string; id: string }): JSX.Element | null {
  const a = useAnnouncement(groupId, id);
  const g = groups.value.get(groupId);
  if (!g) return null;
  const look = looks[a?.state ?? 'queued'];
  const running = !a || a.state === 'queued' || a.state === 'playing';
  const done = a?.duration_ms ? Math.min(100, Math.round(((a.state === 'done' ? a.duration_ms : a.position_ms ?? 0) / a.duration_ms) * 100)) : 0;
  return (
    <section class="now-live" aria-label={g.name} data-testid="announced">
      <div class="row">
        <h3 class="grow ellipsis">{g.name}</h3>
        <span role="status"><Badge tone={look.tone} icon={look.icon}>{t(`now.live.${a?.state ?? 'queued'}`)}</Badge></span>
        {running && may('operator', groupId) && <Button onClick={() => cancelAnnouncement(g, id)}>{t('common.cancel')}</Button>}
      </div>
      {a?.state === 'playing' && <div class="progress" role="progressbar" aria-label={t('now.progress', { zone: g.name })} aria-valuemin={0} aria-valuemax={100} aria-valuenow={done}><i style={{ width: `${done}%` }} /></div>}
      {a?.error && a.state !== 'cancelled' && <Notice tone="bad"><span lang="en">{a.error}</span></Notice>}
      <ul class="plain">
        {(a?.players ?? []).map((p) => {
          const s = speakerLooks[p.state] ?? speakerLooks.pending!;
          const key = `now.heard.${p.state}`;
          return (
            <li key={p.client_id} class="row now-heard">
              <span class="grow"><span class="ellipsis now-block">{clientName(p.client_id)}</span>{p.reason && <span class="small dim" lang="en">{p.reason}</span>}</span>
              <Badge tone={s.tone} icon={s.icon}>{has(key) ? t(key) : p.state}</Badge>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
