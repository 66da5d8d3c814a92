// What plays: from the library, from an address, from a line-in.
import type { JSX } from 'preact';
import { useEffect, useId, useState } from 'preact/hooks';
import { get } from '../../api/http';
import { t } from '../../i18n';
import { clientList, name } from '../../state/store';
import { Badge, Button, Field, Select, Spinner } from '../../ui/controls';
import { Icon } from '../../ui/icons';
import { explain } from '../../ui/toast';
import type { LibraryEntry } from './types';
import { musicName } from './words';

type From = 'library' | 'address' | 'line';

const fromOf = (uri: string): From => (uri.startsWith('source:') ? 'line' : /^[a-z][a-z0-9+.-]*:/.test(uri) ? 'address' : 'library');

export function MusicPicker(p: { uri: string; onChange: (uri: string) => void; error?: string }): JSX.Element {
  const [from, setFrom] = useState<From>(fromOf(p.uri));
  const lines = clientList.value.filter((c) => c.supported_roles.some((r) => r.startsWith('source')) && (c.trust === 'paired' || c.trust === 'approved'));
  return (
    <div class="stack picker">
      <Select<From> label={t('schedules.music.where')} value={from} onChange={(f) => { setFrom(f); if (f !== fromOf(p.uri)) p.onChange(''); }}
        options={(['library', 'address', 'line'] as const).map((value) => ({ value, label: t(`schedules.music.${value}`) }))} />
      {from === 'library' && <Library {...p} />}
      {from === 'address' && <Field label={t('schedules.music.url')} hint={t('schedules.music.url.hint')} inputMode="url" value={p.uri} onInput={(v) => p.onChange(v.trim())} placeholder="https://" error={p.error} required />}
      {from === 'line' && (lines.length === 0
        ? <p class="dim">{t('schedules.music.no_line')}</p>
        : <Select label={t('schedules.music.device')} value={p.uri} onChange={p.onChange}
            options={[{ value: '', label: t('schedules.music.choose') }, ...lines.map((c) => ({ value: `source:${c.client_id}`, label: name(c) }))]} />)}
      {from === 'line' && p.error && <span class="error" role="alert">{p.error}</span>}
    </div>
  );
}

/** Typing rests this long before it is searched for (ms). */
const settle = 250;

/** Search, and browsing where nothing is typed. */
function Library(p: { uri: string; onChange: (uri: string) => void; error?: string }): JSX.Element {
  const id = useId();
  const [text, setText] = useState('');
  const [path, setPath] = useState('');
  const [entries, setEntries] = useState<LibraryEntry[] | null>(null);
  const [problem, setProblem] = useState('');
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(async () => {
      setEntries(null);
      setProblem('');
      const query = text.trim() ? `/search?limit=40&q=${encodeURIComponent(text.trim())}` : `?path=${encodeURIComponent(path)}`;
      try {
        const answer = await get<{ entries: LibraryEntry[] }>('/api/v1/library' + query, { signal: stop.signal });
        if (!stop.signal.aborted) setEntries(answer.entries);
      } catch (err) {
        if (!stop.signal.aborted) setProblem(explain(err));
      }
    }, text ? settle : 0);
    return () => { clearTimeout(timer); stop.abort(); };
  }, [text, path]);
  return (
    <div class="stack tight">
      {p.uri
        ? <p class="row chosen-music"><Icon name="music" size={20} /><b class="grow" title={p.uri}>{musicName(p.uri)}</b><Button kind="quiet" icon="close" label={t('schedules.music.other')} onClick={() => p.onChange('')} /></p>
        : <>
            <Field label={t('schedules.music.search')} hint={t('schedules.music.search.hint')} type="search" value={text} onInput={setText} error={p.error} />
            {!text && path && <div><Button kind="quiet" icon="left" onClick={() => setPath(path.split('/').slice(0, -1).join('/'))}>{path}</Button></div>}
            {problem && <p class="dim" role="status">{problem}</p>}
            {!problem && !entries && <Spinner />}
            {entries && (
              <ul class="plain results" aria-label={t('schedules.music.results')} id={id}>
                {entries.length === 0 && <li class="dim">{t('schedules.music.nothing')}</li>}
                {entries.map((e) => <Entry key={e.path} entry={e} onPick={() => p.onChange(e.path)} onOpen={() => { setText(''); setPath(e.path); }} />)}
              </ul>
            )}
          </>}
    </div>
  );
}

function Entry({ entry: e, onPick, onOpen }: { entry: LibraryEntry; onPick: () => void; onOpen: () => void }): JSX.Element {
  const what = e.folder ? 'folder' : e.playlist ? 'queue' : 'music';
  return (
    <li class="row">
      <button type="button" class="result grow" onClick={onPick}>
        <Icon name={what} size={20} />
        <span class="stack tight grow"><span>{e.title || musicName(e.name)}</span>{(e.artist || e.path !== e.name) && <span class="dim small">{e.artist || e.path}</span>}</span>
        {e.playlist && <Badge tone="plain">{t('schedules.music.playlist')}</Badge>}
      </button>
      {e.folder && <Button kind="quiet" icon="right" label={t('schedules.music.open', { name: e.name })} onClick={onOpen} />}
    </li>
  );
}
