// What a zone played, newest first; each can be had again.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { get, post } from '../../../api/http';
import type { Group } from '../../../api/types';
import { relative, t } from '../../../i18n';
import { may } from '../../../state/store';
import { Button, Empty, Notice, Spinner } from '../../../ui/controls';
import { attempt, explain, toast } from '../../../ui/toast';
import { groupPath } from '../actions';
import type { HistoryItem } from '../types';
import { usePaged } from './paged';
import { itemName } from './queue';

export function History({ group: g }: { group: Group }): JSX.Element {
  const [items, setItems] = useState<HistoryItem[] | null>(null);
  const [error, setError] = useState('');
  const title = g.now_playing?.title;
  useEffect(() => {
    get<{ items: HistoryItem[] }>(groupPath(g.group_id, 'history')).then((h) => setItems(h.items), (err) => setError(explain(err)));
  }, [g.group_id, title]);
  const { shown, more } = usePaged(items ?? [], g.group_id);
  if (!items) return error ? <Notice tone="bad" alert>{error}</Notice> : <Spinner />;
  if (items.length === 0) return <Empty icon="music" title={t('now.history.empty')} />;
  const again = (i: HistoryItem) => attempt(async () => {
    await post(groupPath(g.group_id, 'queue'), { uris: [i.uri], at: 'end' });
    toast('good', t('now.added', { title: itemName(i), zone: g.name }));
  }, g.name);
  return (
    <>
      <ol class="plain now-list">
        {shown.map((i, n) => (
          <li key={`${i.id} ${i.played_at} ${n}`} class="now-row">
            <div class="row">
              <div class="now-words grow">
                <span class="ellipsis now-what-title">{itemName(i)}</span>
                <span class="small dim ellipsis">{[i.artist, i.played_at && relative(i.played_at)].filter(Boolean).join(' · ')}</span>
              </div>
              {may('operator', g.group_id) && <Button kind="quiet" icon="plus" label={t('now.add_to_end', { title: itemName(i) })} onClick={() => again(i)} />}
            </div>
          </li>
        ))}
      </ol>
      {more}
    </>
  );
}
