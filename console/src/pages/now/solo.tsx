// Speakers that are in no zone: one line each.
import type { JSX } from 'preact';
import { useId, useState } from 'preact/hooks';
import type { Group } from '../../api/types';
import { t } from '../../i18n';
import { href } from '../../router';
import { clientName, clients, groups, may } from '../../state/store';
import { Button } from '../../ui/controls';
import { Icon } from '../../ui/icons';
import { Cover } from './cover';
import { drag } from './drag';
import { Announced, Facts } from './facts';
import { Grip } from './grip';
import { uriName } from './logic';
import { MemberState, statusOf } from './members';
import { open } from './open';
import { Progress } from './progress';
import { PlayButton, Transport } from './transport';
import { SpeakerVolume, ZoneVolume } from './volume';

/** Whether a group is one that somebody wants to see here: with a device that plays. */
export const isSingle = (g: Group): boolean => g.solo && g.members.length > 0 &&
  g.members.some((m) => clients.value.get(m)?.supported_roles.some((r) => r.startsWith('player@')) ?? false);

export function Singles({ ids }: { ids: string[] }): JSX.Element | null {
  const heading = useId();
  const target = drag.value?.over === '';
  if (ids.length === 0 && !drag.value) return null;
  return (
    <section aria-labelledby={heading} class={`card now-singles ${target ? 'now-target' : ''}`} data-drop="" data-testid="singles">
      <h2 id={heading}>{t('now.singles')}</h2>
      <p class="small dim">{t('now.singles.text')}</p>
      <ul class="plain">{ids.map((id) => <Single key={id} id={id} />)}</ul>
    </section>
  );
}

function Single({ id }: { id: string }): JSX.Element | null {
  const g = groups.value.get(id);
  const list = useId();
  const [unfolded, setUnfolded] = useState(false);
  if (!g || g.members.length === 0) return null;
  const first = g.members[0]!;
  const name = g.members.map(clientName).join(', ');
  const active = g.playback_state === 'playing' || g.paused;
  const status = statusOf(g, first);
  const operator = may('operator', id);
  return (
    <li class="now-single" data-testid="single" data-speaker={name}>
      <div class="row">
        <Grip id={first} groupId={id} />
        <button type="button" class="now-fold grow" aria-expanded={unfolded} aria-controls={list} onClick={() => setUnfolded(!unfolded)}>
          <span class="grow now-single-name">
            <strong class="ellipsis">{name}</strong>
            {active && <span class="small dim ellipsis">{[t(g.paused ? 'now.state.paused' : 'now.state.playing'), g.now_playing?.title || uriName(g.source ?? ''), g.now_playing?.artist].filter(Boolean).join(' · ')}</span>}
          </span>
          {status && status.state !== 'ok' && <MemberState status={status} />}
          <Icon name={unfolded ? 'up' : 'down'} size={20} />
        </button>
        {operator && active && <PlayButton group={g} />}
        {operator && <Button kind="quiet" icon="swap" label={t('now.move', { name: clientName(first) })} onClick={() => open({ kind: 'move', clientId: first })} />}
      </div>
      <Announced group={g} />
      {unfolded && (
        <div id={list} class="stack now-single-more">
          {g.now_playing && <div class="now-what"><Cover key={g.now_playing.artwork ?? ''} playing={g.now_playing} /><span class="grow"><Progress group={g} /></span></div>}
          <Transport group={g} />
          {g.members.length === 1 ? <SpeakerVolume id={first} groupId={id} /> : <ZoneVolume group={g} />}
          <Facts group={g} />
          {status?.detail && status.state !== 'ok' && <p class="small dim" lang="en">{status.detail}</p>}
          <div class="row wrap">
            <a class="btn" href={href('now', id, 'queue')}><Icon name="queue" size={20} /><span>{t('now.music')}</span></a>
            {operator && <Button icon="megaphone" onClick={() => open({ kind: 'announce', groupIds: [id] })}>{t('now.announce')}</Button>}
          </div>
        </div>
      )}
    </li>
  );
}
