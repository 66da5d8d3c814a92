// What a zone plays next: moved by its handle or with buttons, removed, played at once.
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { del, post, seg } from '../../../api/http';
import type { Group } from '../../../api/types';
import { clock, t } from '../../../i18n';
import { href } from '../../../router';
import { may } from '../../../state/store';
import { Button, Empty, Notice, Spinner } from '../../../ui/controls';
import { Icon } from '../../../ui/icons';
import { groupPath } from '../actions';
import { moved, movedIndex, uriName } from '../logic';
import type { Queue, QueueItem } from '../types';
import { usePaged } from './paged';
import { dragRow } from './rowdrag';
import { useQueue } from './usequeue';

export const itemName = (i: QueueItem): string => i.title || uriName(i.uri);

export function QueueList({ group: g }: { group: Group }): JSX.Element {
  const { queue, error, change } = useQueue(g);
  const [open, setOpen] = useState('');
  const [before, setBefore] = useState(false);
  const [held, setHeld] = useState<{ from: number; to: number } | null>(null);
  const [said, say] = useState('');
  const list = useRef<HTMLOListElement>(null);
  const focus = useRef('');
  const operator = may('operator', g.group_id);
  const items = queue ? (held ? moved(queue.items, held.from, held.to) : queue.items) : [];
  const index = queue ? (held ? movedIndex(queue.index, held.from, held.to) : queue.index) : -1;
  const first = before ? 0 : Math.max(0, queue?.index ?? 0);
  const { shown, more } = usePaged(items.slice(first), `${g.group_id} ${before}`);
  useEffect(() => {
    if (!focus.current) return;
    list.current?.querySelector<HTMLElement>(`[data-handle="${CSS.escape(focus.current)}"]`)?.focus();
    focus.current = '';
  });
  if (!queue) return error ? <Notice tone="bad" alert>{error}</Notice> : <Spinner />;
  if (items.length === 0) {
    return (
      <Empty icon="queue" title={t('now.queue.empty')}>
        {operator && <a class="btn primary" href={href('now', g.group_id, 'library')}><Icon name="folder" size={20} />{t('now.queue.choose')}</a>}
      </Empty>
    );
  }
  const path = (id: string, ...rest: string[]) => groupPath(g.group_id, 'queue', seg(id), ...rest);
  const place = (from: number, to: number) => {
    const item = queue.items[from];
    if (!item || to < 0 || to >= queue.items.length || from === to) return;
    say(t('now.queue.moved', { title: itemName(item), n: to + 1 }));
    void change({ ...queue, items: moved(queue.items, from, to), index: movedIndex(queue.index, from, to) }, () => post<Queue>(path(item.id, 'move'), { index: to }));
  };
  const remove = (at: number) => {
    const item = queue.items[at]!;
    const rest = queue.items.filter((_, i) => i !== at);
    say(t('now.queue.removed', { title: itemName(item) }));
    void change({ ...queue, items: rest, index: at < queue.index ? queue.index - 1 : Math.min(queue.index, rest.length - 1) }, () => del<Queue>(path(item.id)));
  };
  const jump = (at: number) => void change({ ...queue, index: at }, () => post(path(queue.items[at]!.id, 'play')));
  const clear = () => change({ ...queue, items: [], index: -1 }, () => del<Queue>(groupPath(g.group_id, 'queue')));
  return (
    <div class="stack">
      <div class="row wrap">
        <p class="small dim grow">{t('now.queue.count', { n: queue.items.length })}{length(queue)}</p>
        {operator && <Clear onClear={clear} />}
      </div>
      {first > 0 && <Button kind="quiet" icon="up" onClick={() => setBefore(true)}>{t('now.queue.before', { n: first })}</Button>}
      <p class="sr" role="status">{said}</p>
      <ol class="plain now-list" ref={list}>
        {shown.map((item, i) => {
          const at = first + i;
          const now = at === index;
          const from = queue.items.indexOf(item);
          return (
            <li key={item.id} class={`now-row ${now ? 'current' : ''} ${held && from === held.from ? 'held' : ''}`} data-index={at} aria-current={now ? 'true' : undefined} data-testid="queue-item">
              <div class="row">
                {operator && (
                  <button type="button" class="now-handle" data-handle={item.id} aria-label={t('now.queue.handle', { title: itemName(item), n: at + 1 })}
                    onPointerDown={(e) => dragRow(e, list.current!, at, setHeld, place)}
                    onKeyDown={(e) => {
                      const by = e.key === 'ArrowUp' ? -1 : e.key === 'ArrowDown' ? 1 : 0;
                      if (!by) return;
                      e.preventDefault();
                      focus.current = item.id;
                      place(at, at + by);
                    }}>
                    <svg width="18" height="18" viewBox="0 0 24 24" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" aria-hidden="true"><path d="M5 8h14M5 12h14M5 16h14" /></svg>
                  </button>
                )}
                <button type="button" class="now-words grow" aria-expanded={open === item.id} disabled={!operator} onClick={() => setOpen(open === item.id ? '' : item.id)}>
                  <span class="now-what-title">{now && <Icon name="now" size={16} />}{now && <span class="sr">{t('now.queue.current')}</span>}<span class="ellipsis">{itemName(item)}</span></span>
                  <span class="small dim ellipsis">{[item.artist, item.album].filter(Boolean).join(' · ')}</span>
                </button>
                <span class="small dim num">{item.live ? t('now.live') : item.duration_ms ? clock(item.duration_ms) : ''}</span>
              </div>
              {open === item.id && operator && (
                <div class="row wrap now-strip">
                  <Button icon="play" onClick={() => jump(at)}>{t('now.play_now')}</Button>
                  <Button icon="up" disabled={at === 0} onClick={() => place(at, at - 1)}>{t('now.queue.up')}</Button>
                  <Button icon="down" disabled={at === items.length - 1} onClick={() => place(at, at + 1)}>{t('now.queue.down')}</Button>
                  {!now && at !== index + 1 && index >= 0 && <Button icon="next" onClick={() => place(at, at < index ? index : index + 1)}>{t('now.play_next')}</Button>}
                  <Button icon="trash" onClick={() => remove(at)}>{t('now.queue.remove')}</Button>
                </div>
              )}
            </li>
          );
        })}
      </ol>
      {more}
    </div>
  );
}

/** " · 42:10" where every length is known. */
function length(q: Queue): string {
  const ms = q.items.reduce((sum, i) => sum + (i.duration_ms ?? 0), 0);
  return q.items.every((i) => i.duration_ms) ? ` · ${clock(ms)}` : '';
}

/** Two taps, as everything that cannot be taken back. */
function Clear({ onClear }: { onClear: () => Promise<boolean> }): JSX.Element {
  const [sure, setSure] = useState(false);
  return (
    <span onFocusOut={() => setSure(false)}>
      <Button icon="trash" kind={sure ? 'danger' : undefined} onClick={() => { if (sure) void onClear(); setSure(!sure); }}>{t(sure ? 'now.queue.clear_sure' : 'now.queue.clear')}</Button>
    </span>
  );
}
