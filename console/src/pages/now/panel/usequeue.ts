// The queue of a zone as it is now: read once, then told by the event feed, and shown
// changed before the server has confirmed it.
import { useEffect, useRef, useState } from 'preact/hooks';
import { get } from '../../../api/http';
import type { Group } from '../../../api/types';
import { feedEpoch, onEvent } from '../../../state/store';
import { attempt, explain } from '../../../ui/toast';
import { groupPath } from '../actions';
import type { Queue } from '../types';

export interface LiveQueue {
  queue: Queue | null;
  error: string;
  /** Shows `shown` at once; takes it back when ask fails. ask may answer with the queue. */
  change: (shown: Queue, ask: () => Promise<unknown>) => Promise<boolean>;
}

export function useQueue(g: Group): LiveQueue {
  const [queue, setQueue] = useState<Queue | null>(null);
  const [error, setError] = useState('');
  const changes = useRef(0);
  const open = useRef(0);
  /** How often the feed has told this queue: what was asked for before is older. */
  const told = useRef(0);
  const id = g.group_id;
  const shownId = useRef(id);
  shownId.current = id;

  const load = async () => {
    const [before, heard] = [changes.current, told.current];
    try {
      const q = await get<Queue>(groupPath(id, 'queue'));
      if (shownId.current === id && before === changes.current && heard === told.current && open.current === 0) setQueue(q);
      setError('');
    } catch (err) {
      setError(explain(err));
    }
  };
  // Read anew whenever events may have been missed.
  useEffect(() => { void load(); }, [id, feedEpoch.value]);
  useEffect(() => onEvent('queue.updated', (data) => {
    const q = data as Queue;
    if (q.group_id !== id) return;
    told.current++;
    if (open.current === 0) setQueue(q);
  }), [id]);

  const change = async (shown: Queue, ask: () => Promise<unknown>): Promise<boolean> => {
    const mine = ++changes.current;
    open.current++;
    const heard = told.current;
    setQueue(shown);
    let answer: unknown;
    const ok = await attempt(async () => { answer = await ask(); }, g.name);
    open.current--;
    const whole = ok && answer && typeof answer === 'object' && 'items' in answer;
    if (mine === changes.current && whole) setQueue(answer as Queue);
    // The server's own word, whatever it is: also when the feed told something meanwhile,
    // which may be older or newer than the answer.
    if (open.current === 0 && (!whole || mine !== changes.current || heard !== told.current)) await load();
    return ok;
  };
  return { queue, error, change };
}
