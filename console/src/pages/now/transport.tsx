// Play, pause and their neighbours.
import type { JSX } from 'preact';
import type { Group } from '../../api/types';
import { t } from '../../i18n';
import { may } from '../../state/store';
import { Button } from '../../ui/controls';
import { next, pause, play, previous, repeat, shuffle, stop } from './actions';

const following = { off: 'all', all: 'one', one: 'off' } as const;

/** Whether there is something that play would start. */
export const startable = (g: Group): boolean => g.paused || !!g.now_playing || g.queue_length > 0 || !!g.source;

export function PlayButton({ group: g }: { group: Group }): JSX.Element {
  const playing = g.playback_state === 'playing';
  return (
    <span class="now-play">
      <Button icon={playing ? 'pause' : 'play'} label={t(playing ? 'now.pause' : 'now.play', { zone: g.name })}
        disabled={!playing && (!startable(g) || g.members.length === 0)} onClick={() => void (playing ? pause(g) : play(g))} testId="play-pause" />
    </span>
  );
}

export function Transport({ group: g }: { group: Group }): JSX.Element | null {
  if (!may('operator', g.group_id)) return null;
  const loaded = g.queue_length > 0 || !!g.now_playing;
  const silent = g.playback_state !== 'playing' && !g.paused;
  return (
    <div class="now-transport" role="group" aria-label={t('now.transport', { zone: g.name })}>
      <Button kind="quiet" icon="shuffle" pressed={g.shuffle} label={t(g.shuffle ? 'now.shuffle.on' : 'now.shuffle.off')} onClick={() => void shuffle(g, !g.shuffle)} />
      <Button kind="quiet" icon="previous" label={t('now.previous')} disabled={!loaded} onClick={() => void previous(g)} />
      <PlayButton group={g} />
      <Button kind="quiet" icon="next" label={t('now.next')} disabled={!loaded} onClick={() => void next(g)} />
      <span class="now-repeat">
        <Button kind="quiet" icon="repeat" pressed={g.repeat !== 'off'} label={t(`now.repeat.${g.repeat}`)} onClick={() => void repeat(g, following[g.repeat])} />
        {g.repeat === 'one' && <b aria-hidden="true">1</b>}
      </span>
      <Button kind="quiet" icon="stop" label={t('now.stop', { zone: g.name })} disabled={silent} onClick={() => void stop(g)} />
    </div>
  );
}
