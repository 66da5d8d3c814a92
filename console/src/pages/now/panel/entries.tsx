// Rows of the library: a folder opens; a title plays, plays next, or goes to the end.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { post, seg } from '../../../api/http';
import type { Group } from '../../../api/types';
import { clock, t } from '../../../i18n';
import { Button } from '../../../ui/controls';
import { Icon } from '../../../ui/icons';
import { attempt, toast } from '../../../ui/toast';
import { groupPath, playUri } from '../actions';
import type { LibraryEntry } from '../types';
import type { LibraryProps } from './library';
import { usePaged } from './paged';

/** The picture of a row, asked for in twice its size (pixels). */
const thumb = 88;

export const entryName = (e: LibraryEntry): string => e.title || e.name;

/** Adds uris to a queue and says so. */
export const add = (g: Group, title: string, uri: string, at: 'next' | 'end') => attempt(async () => {
  await post(groupPath(g.group_id, 'queue'), { uris: [uri], at });
  toast('good', t(at === 'next' ? 'now.added_next' : 'now.added', { title, zone: g.name }));
}, g.name);

export function Entries({ entries, onOpen, target, onPick }: LibraryProps & { entries: LibraryEntry[]; onOpen: (path: string) => void }): JSX.Element {
  const [open, setOpen] = useState('');
  const { shown, more } = usePaged(entries, entries);
  return (
    <>
      <ul class="plain now-list">
        {shown.map((e) => {
          const name = entryName(e);
          const unfolded = open === e.path;
          const tap = () => (e.folder ? onOpen(e.path) : onPick ? onPick(e) : setOpen(unfolded ? '' : e.path));
          return (
            <li key={e.path} class="now-row" data-testid="library-entry">
              <div class="row">
                <Thumb entry={e} />
                <button type="button" class="now-words grow" disabled={!!e.error || (!!onPick && e.playlist)} aria-expanded={e.folder || onPick ? undefined : unfolded} onClick={tap}>
                  <span class="ellipsis now-what-title">{name}</span>
                  <span class="small dim ellipsis">{e.error ? <span lang="en">{e.error}</span> : [e.artist, e.album, e.duration_ms ? clock(e.duration_ms) : ''].filter(Boolean).join(' · ')}</span>
                </button>
                {target && !e.error && <Button kind="quiet" icon="play" label={t('now.play_title', { title: name })} onClick={() => playUri(target, e.path)} />}
                {target && !e.error && <Button kind="quiet" icon="plus" label={t('now.add_to_end', { title: name })} onClick={() => add(target, name, e.path, 'end')} />}
                {e.folder && !target && <Icon name="right" size={20} />}
              </div>
              {unfolded && target && (
                <div class="row wrap now-strip">
                  <Button icon="play" onClick={() => playUri(target, e.path)}>{t('now.play_now')}</Button>
                  <Button icon="next" onClick={() => add(target, name, e.path, 'next')}>{t('now.play_next')}</Button>
                  <Button icon="plus" onClick={() => add(target, name, e.path, 'end')}>{t('now.play_last')}</Button>
                </div>
              )}
            </li>
          );
        })}
      </ul>
      {more}
    </>
  );
}

function Thumb({ entry: e }: { entry: LibraryEntry }): JSX.Element {
  const [failed, setFailed] = useState(false);
  const pictured = (e.cover || e.folder) && !failed;
  return (
    <span class="now-thumb">
      {pictured
        ? <img src={`/api/v1/library/artwork?path=${seg(e.path)}&size=${thumb}`} alt="" loading="lazy" decoding="async" width={44} height={44} onError={() => setFailed(true)} />
        : <Icon name={e.folder ? 'folder' : e.playlist ? 'queue' : 'music'} size={22} />}
    </span>
  );
}
