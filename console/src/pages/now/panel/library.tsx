// The music folder: browsed by folders, or searched. Also used to pick a clip to announce.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { get, seg } from '../../../api/http';
import type { Group } from '../../../api/types';
import { number, t } from '../../../i18n';
import { Button, Empty, Field, Notice, Spinner } from '../../../ui/controls';
import { Icon } from '../../../ui/icons';
import { explain } from '../../../ui/toast';
import type { LibraryEntry, LibraryStatus } from '../types';
import { Entries } from './entries';

/** Typing rests before the search is asked (ms). */
const pauseFor = 250;
/** Results that are asked for. */
const most = 200;

export interface LibraryProps {
  /** Where chosen music goes; without it, onPick is told of a file. */
  target?: Group;
  onPick?: (e: LibraryEntry) => void;
}

export function Library(p: LibraryProps): JSX.Element {
  const [query, setQuery] = useState('');
  const [path, setPath] = useState('');
  const status = useStatus();
  if (status?.state === 'off') return <Empty icon="folder" title={t('now.library.off')}><p>{t('now.library.off_text')}</p></Empty>;
  return (
    <div class="stack">
      <div role="search"><Field label={t('now.library.search')} type="search" placeholder={t('now.library.search_hint')} value={query} onInput={setQuery} /></div>
      {status?.state === 'scanning' && <Scanning status={status} />}
      {status?.state === 'failed' && <Notice tone="bad" alert>{status.error}</Notice>}
      {query.trim() ? <Found query={query.trim()} {...p} onOpen={(f) => { setQuery(''); setPath(f); }} /> : <Folder path={path} onOpen={setPath} {...p} />}
    </div>
  );
}

/** How far the index is, asked again while it is being made. */
function useStatus(): LibraryStatus | null {
  const [status, setStatus] = useState<LibraryStatus | null>(null);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let alive = true;
    const ask = () => get<LibraryStatus>('/api/v1/library/status').then((s) => {
      if (!alive) return;
      setStatus(s);
      if (s.state === 'scanning') timer = setTimeout(ask, 1500);
    }, () => {});
    void ask();
    return () => { alive = false; clearTimeout(timer); };
  }, []);
  return status;
}

function Scanning({ status: s }: { status: LibraryStatus }): JSX.Element {
  const done = s.files_found > 0 ? Math.round((s.files_read / s.files_found) * 100) : 0;
  return (
    <div class="stack tight">
      <p class="small dim">{t('now.library.scanning', { read: s.files_read, found: s.files_found })}</p>
      <div class="progress" role="progressbar" aria-label={t('now.library.scanning_label')} aria-valuemin={0} aria-valuemax={100} aria-valuenow={done}><i style={{ width: `${done}%` }} /></div>
    </div>
  );
}

/** A question that is asked again when `of` changes; answers of former ones are dropped. */
function useAnswer<T>(of: string, wait: number): { answer: T | null; error: string; fresh: boolean } {
  const [state, set] = useState<{ of: string; answer: T | null; error: string }>({ of: '', answer: null, error: '' });
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(() => {
      get<T>(of, { signal: stop.signal }).then(
        (answer) => { if (!stop.signal.aborted) set({ of, answer, error: '' }); },
        (err) => { if (!stop.signal.aborted) set({ of, answer: null, error: explain(err) }); },
      );
    }, wait);
    return () => { clearTimeout(timer); stop.abort(); };
  }, [of]);
  return { answer: state.answer, error: state.of === of ? state.error : '', fresh: state.of === of };
}

function Found({ query, onOpen, ...p }: LibraryProps & { query: string; onOpen: (path: string) => void }): JSX.Element {
  const { answer, error, fresh } = useAnswer<{ found: number; entries: LibraryEntry[] }>(`/api/v1/library/search?q=${seg(query.slice(0, 200))}&limit=${most}`, pauseFor);
  if (error) return <Notice tone="bad" alert>{error}</Notice>;
  if (!answer) return <Spinner />;
  const kinds = {
    tracks: answer.entries.filter((e) => !e.folder && !e.playlist),
    folders: answer.entries.filter((e) => e.folder),
    playlists: answer.entries.filter((e) => e.playlist && !e.folder),
  };
  return (
    <div class={`stack ${fresh ? '' : 'now-stale'}`} aria-busy={!fresh}>
      <p class="small dim" role="status">{answer.found === 0 ? t('now.library.none', { query }) : answer.found > answer.entries.length
        ? t('now.library.found_more', { n: answer.found, shown: answer.entries.length }) : t('now.library.found', { n: answer.found })}</p>
      {(['folders', 'playlists', 'tracks'] as const).map((kind) => kinds[kind].length > 0 && (
        <section key={kind} class="stack tight">
          <h3>{t(`now.library.${kind}`)} <span class="dim small num">{number(kinds[kind].length)}</span></h3>
          <Entries key={`${kind} ${query}`} entries={kinds[kind]} onOpen={onOpen} {...p} />
        </section>
      ))}
    </div>
  );
}

function Folder({ path, onOpen, ...p }: LibraryProps & { path: string; onOpen: (path: string) => void }): JSX.Element {
  const { answer, error, fresh } = useAnswer<{ path: string; entries: LibraryEntry[] }>(`/api/v1/library?path=${seg(path)}`, 0);
  const parts = path.split('/').filter(Boolean);
  return (
    <div class="stack tight" aria-busy={!fresh}>
      {parts.length > 0 && (
        <nav class="row wrap now-crumbs" aria-label={t('now.library.where')}>
          <Button kind="quiet" icon="left" label={t('now.library.up')} onClick={() => onOpen(parts.slice(0, -1).join('/'))} />
          <button type="button" class="now-crumb" onClick={() => onOpen('')}>{t('now.tab.library')}</button>
          {parts.map((name, i) => (
            <span key={i} class="row now-crumb-part">
              <Icon name="right" size={16} />
              <button type="button" class="now-crumb ellipsis" aria-current={i === parts.length - 1 ? 'location' : undefined} onClick={() => onOpen(parts.slice(0, i + 1).join('/'))}>{name}</button>
            </span>
          ))}
        </nav>
      )}
      {error ? <Notice tone="bad" alert>{error}</Notice> : !answer || (!fresh && answer.path !== path) ? <Spinner />
        : answer.entries.length === 0 ? <Empty icon="folder" title={t('now.library.empty')} />
          : <Entries key={path} entries={answer.entries} onOpen={onOpen} {...p} />}
    </div>
  );
}
