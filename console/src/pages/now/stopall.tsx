// "Stop everything" in two taps: the first arms the button, the second stops.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { del, post, seg } from '../../api/http';
import type { Group } from '../../api/types';
import { t } from '../../i18n';
import { groupList, may, optimistic } from '../../state/store';
import { explain, toast } from '../../ui/toast';
import { Button } from '../../ui/controls';
import { groupPath } from './actions';

/** How long the button stays armed (ms). */
const armedFor = 8000;
/** A second tap that comes sooner is the bounce of the first (ms). */
const bounce = 350;

const announcing = (g: Group): boolean => g.announcement?.state === 'playing' || g.announcement?.state === 'queued';

/** What sounds, and may be stopped by the one who is signed in. */
export const sounding = (all: Group[]): Group[] =>
  all.filter((g) => (g.playback_state === 'playing' || announcing(g)) && may('operator', g.group_id));

async function stopOne(g: Group): Promise<void> {
  if (announcing(g)) await del(groupPath(g.group_id, 'announcements', seg(g.announcement!.announcement_id)));
  await optimistic('group', g.group_id, { playback_state: 'stopped', paused: false }, () => post<Group>(groupPath(g.group_id, 'stop')));
}

async function stopAll(): Promise<void> {
  const all = sounding(groupList.value);
  const done: string[] = [];
  await Promise.all(all.map((g) => stopOne(g).then(
    () => done.push(g.name),
    (err) => toast('bad', t('now.stop_all.failed', { zone: g.name, reason: explain(err) })),
  )));
  if (done.length > 0) toast('good', t('now.stop_all.done', { n: done.length, zones: done.sort().join(', ') }));
}

export function StopAll(): JSX.Element {
  const n = sounding(groupList.value).length;
  const [armed, setArmed] = useState(0);
  const root = useRef<HTMLSpanElement>(null);
  const disarm = () => setArmed(0);
  useEffect(() => {
    if (!armed) return;
    const timer = setTimeout(disarm, armedFor);
    const elsewhere = (e: Event) => { if (!root.current?.contains(e.target as Node)) disarm(); };
    const key = (e: KeyboardEvent) => { if (e.key === 'Escape') disarm(); };
    addEventListener('pointerdown', elsewhere);
    addEventListener('keydown', key);
    return () => {
      clearTimeout(timer);
      removeEventListener('pointerdown', elsewhere);
      removeEventListener('keydown', key);
    };
  }, [armed]);
  const tap = () => {
    if (!armed) return setArmed(performance.now());
    if (performance.now() - armed < bounce) return;
    disarm();
    return stopAll();
  };
  return (
    <span class="now-stop-all" ref={root}>
      <Button icon="stop" kind={armed ? 'danger' : undefined} disabled={n === 0 && !armed} onClick={tap} testId="stop-all">
        {armed ? t('now.stop_all.sure', { n }) : t('now.stop_all')}
      </Button>
      <span class="sr" role="status">{armed ? t('now.stop_all.again', { n }) : ''}</span>
    </span>
  );
}
