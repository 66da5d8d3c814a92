// How far a title is: a slider where one can seek, else a bar, or that it is live.
import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import type { Group } from '../../api/types';
import { clock, t } from '../../i18n';
import { may } from '../../state/store';
import { Badge } from '../../ui/controls';
import { positionOf, seek, sought } from './actions';
import { fill, seekable, steady } from './logic';
import { Range } from './range';
import { useTick } from './tick';

/** What an arrow key moves (ms). */
const stride = 5000;

export function Progress({ group: g }: { group: Group }): JSX.Element | null {
  useTick(g.playback_state === 'playing');
  const [held, setHeld] = useState<number | null>(null);
  const last = useRef({ title: '', at: 0 });
  const np = g.now_playing;
  if (!np) return null;
  const title = `${np.title}|${np.artist}|${np.duration_ms}|${g.source}`;
  const now = positionOf(g);
  const at = last.current.title === title && !sought.value.has(g.group_id) ? steady(last.current.at, now) : now;
  last.current = { title, at };
  const length = np.duration_ms;
  if (g.live || !length) {
    return (
      <div class="now-progress row">
        <Badge tone="info" icon="now">{t('now.live')}</Badge>
        <span class="small num dim">{at > 0 ? clock(at) : ''}</span>
      </div>
    );
  }
  const shown = held ?? at;
  const key = (e: KeyboardEvent) => {
    const by = { ArrowLeft: -stride, ArrowRight: stride, ArrowDown: -stride, ArrowUp: stride }[e.key];
    if (!by || e.altKey || e.ctrlKey || e.metaKey) return;
    e.preventDefault();
    void seek(g, positionOf(g) + by);
  };
  return (
    <div class="now-progress">
      {seekable(g) && may('operator', g.group_id)
        ? <div onKeyDown={key}>
            <Range kind="seek" label={t('now.seek', { zone: g.name })} value={Math.floor(at / 1000)} min={0} max={Math.ceil(length / 1000)}
              valueText={t('now.position', { at: clock(shown), of: clock(length) })} live={false}
              onMove={(v) => setHeld(v === null ? null : v * 1000)} onSet={(v) => void seek(g, v * 1000)} />
          </div>
        : <div class="progress" role="progressbar" aria-label={t('now.progress', { zone: g.name })} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(fill(at, 0, length))}>
            <i style={{ width: `${fill(at, 0, length)}%` }} />
          </div>}
      <div class="row now-times small num"><span>{clock(shown)}</span><span class="grow" /><span>{clock(length)}</span></div>
    </div>
  );
}
