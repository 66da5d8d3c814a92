// One zone: what plays, and all that one does with it.
import type { JSX } from 'preact';
import { useId, useState } from 'preact/hooks';
import type { Group } from '../../api/types';
import { t } from '../../i18n';
import { href } from '../../router';
import { clientName, groups, may } from '../../state/store';
import { Badge, Button } from '../../ui/controls';
import { Icon } from '../../ui/icons';
import { Cover } from './cover';
import { drag } from './drag';
import { Announced, Facts } from './facts';
import { Grip } from './grip';
import { uriName } from './logic';
import { Members, statusOf } from './members';
import { open } from './open';
import { Progress } from './progress';
import { Transport } from './transport';
import { ZoneVolume } from './volume';

export function State({ group: g }: { group: Group }): JSX.Element {
  if (g.playback_state === 'playing') return <Badge tone="good" icon="play">{t('now.state.playing')}</Badge>;
  if (g.paused) return <Badge tone="info" icon="pause">{t('now.state.paused')}</Badge>;
  return <Badge tone="plain" icon="stop">{t('now.state.stopped')}</Badge>;
}

/** The colours of what plays, for the theme that is on; '' leaves the card as it is. */
function tint(g: Group): JSX.CSSProperties | undefined {
  const c = g.playback_state === 'playing' || g.paused ? g.now_playing?.colors : undefined;
  return c && { '--tint-dark': c.background_dark, '--tint-light': c.background_light, '--on-dark': c.on_dark, '--on-light': c.on_light };
}

export function Title({ group: g }: { group: Group }): JSX.Element {
  const np = g.now_playing;
  if (!np && !g.source) return <div class="now-title"><p class="dim">{t('now.nothing')}</p></div>;
  return (
    <div class="now-title">
      <p class="now-song">{np?.title || uriName(g.source ?? '') || t('now.untitled')}</p>
      {np?.artist && <p class="now-artist">{np.artist}</p>}
      {np?.album && <p class="small dim">{np.album}</p>}
    </div>
  );
}

export function ZoneCard({ id }: { id: string }): JSX.Element | null {
  const g = groups.value.get(id);
  const heading = useId();
  const [unfolded, setUnfolded] = useState(false);
  if (!g) return null;
  const style = tint(g);
  const d = drag.value;
  const target = d?.over === id && !g.members.includes(d.clientId);
  const operator = may('operator', id);
  return (
    <article class={`card now-card ${target ? 'now-target' : ''}`} aria-labelledby={heading} data-testid="zone" data-zone={g.name} data-drop={operator ? id : undefined}>
      <div class={`now-hero ${style ? 'now-tint' : ''}`} style={style}>
        <div class="row now-name">
          <h2 id={heading} class="grow ellipsis">{g.name}</h2>
          <State group={g} />
          {operator && <Menu group={g} />}
        </div>
        <div class="now-what">
          <Cover key={g.now_playing?.artwork ?? ''} playing={g.now_playing} />
          <Title group={g} />
        </div>
        <Progress group={g} />
        <Transport group={g} />
        <Announced group={g} />
      </div>
      <div class="now-below">
        <ZoneVolume group={g} />
        <Facts group={g} />
        <div class="row wrap now-doors">
          <a class="btn" href={href('now', id, 'queue')}><Icon name="queue" size={20} /><span>{t('now.music')}</span>{g.queue_length > 0 && <span class="now-count num">{g.queue_length}</span>}</a>
          {operator && <Button icon="megaphone" onClick={() => open({ kind: 'announce', groupIds: [id] })}>{t('now.announce')}</Button>}
        </div>
        <Speakers group={g} unfolded={unfolded} onUnfold={setUnfolded} />
      </div>
    </article>
  );
}

function Speakers({ group: g, unfolded, onUnfold }: { group: Group; unfolded: boolean; onUnfold: (u: boolean) => void }): JSX.Element {
  const list = useId();
  const operator = may('operator', g.group_id);
  const ill = g.members.filter((m) => { const s = statusOf(g, m)?.state; return s && s !== 'ok'; }).length;
  return (
    <div class="now-speakers">
      <button type="button" class="now-fold" aria-expanded={unfolded} aria-controls={list} disabled={g.members.length === 0} onClick={() => onUnfold(!unfolded)}>
        <Icon name={unfolded ? 'up' : 'down'} size={20} />
        <span>{g.members.length === 0 ? t('now.no_speakers') : t('now.speakers', { n: g.members.length })}</span>
        {ill > 0 && <Badge tone="warn" icon="warning">{t('now.ill', { n: ill })}</Badge>}
      </button>
      <div id={list}>
        {unfolded ? <Members group={g} /> : (
          <ul class="plain row wrap now-chips">
            {g.members.map((m) => <li key={m}><Chip id={m} group={g} /></li>)}
            {operator && <li><Button kind="quiet" icon="plus" onClick={() => open({ kind: 'speakers', groupId: g.group_id })}>{t('now.speakers.choose')}</Button></li>}
          </ul>
        )}
      </div>
    </div>
  );
}

/** A speaker by its name: dragged by its handle, or tapped to be moved. */
export function Chip({ id, group: g }: { id: string; group: Group }): JSX.Element {
  const name = clientName(id);
  const state = statusOf(g, id)?.state;
  const ill = state && state !== 'ok';
  const taken = drag.value?.clientId === id;
  return (
    <span class={`now-chip ${ill ? 'ill' : ''} ${taken ? 'taken' : ''}`} data-testid="chip" data-speaker={name}>
      <Grip id={id} groupId={g.group_id} />
      <button type="button" disabled={!may('operator', g.group_id)} aria-label={[t('now.move', { name }), ill ? t(`now.member.${state}`) : ''].filter(Boolean).join(', ')} onClick={() => open({ kind: 'move', clientId: id })}>
        {ill && <Icon name="warning" size={16} />}
        <span class="ellipsis">{name}</span>
      </button>
    </span>
  );
}

/** What is seldom done: rename, speakers, delete. */
function Menu({ group: g }: { group: Group }): JSX.Element {
  const [shown, setShown] = useState(false);
  const act = (o: Parameters<typeof open>[0]) => { setShown(false); open(o); };
  return (
    <span class="now-menu" onKeyDown={(e) => { if (e.key === 'Escape') setShown(false); }}
      onFocusOut={(e) => { if (!(e.currentTarget as HTMLElement).contains(e.relatedTarget as Node)) setShown(false); }}>
      <Button kind="quiet" icon="more" label={t('now.more', { zone: g.name })} expanded={shown} onClick={() => setShown(!shown)} />
      {shown && (
        <div class="now-menu-list">
          <Button kind="quiet" icon="speaker" onClick={() => act({ kind: 'speakers', groupId: g.group_id })}>{t('now.speakers.choose')}</Button>
          <Button kind="quiet" icon="edit" onClick={() => act({ kind: 'rename', groupId: g.group_id })}>{t('now.rename')}</Button>
          <Button kind="quiet" icon="trash" onClick={() => act({ kind: 'delete', groupId: g.group_id })}>{t('now.delete')}</Button>
        </div>
      )}
    </span>
  );
}
