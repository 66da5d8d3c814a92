// The queue of a zone as it is now: asked for when the zone says that it changed, and shown
// changed before the server has confirmed it.
import { useEffect, useRef, useState } from 'preact/hooks';
import { get } from '../../../api/http';
import type { Group } from '../../../api/types';
import { attempt, explain } from '../../../ui/toast';
import { groupPath } from '../actions';
import type { Queue } from '../types';

/** Changes by others that the zone's own fields do not show are seen this often (ms). */
const lookAgain = 10_000;
/** Several changes at once are one question (ms). */
const rest = 150;

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
  const id = g.group_id;

  const load = async () => {
    const before = changes.current;
    try {
      const q = await get<Queue>(groupPath(id, 'queue'));
      if (before === changes.current && open.current === 0) setQueue(q);
      setError('');
    } catch (err) {
      setError(explain(err));
    }
  };
  const stamp = [g.queue_length, g.source, g.shuffle, g.now_playing?.title, g.playback_state].join('|');
  useEffect(() => {
    const soon = setTimeout(() => void load(), rest);
    return () => clearTimeout(soon);
  }, [id, stamp]);
  useEffect(() => {
    const again = setInterval(() => { if (!document.hidden) void load(); }, lookAgain);
    return () => clearInterval(again);
  }, [id]);

  const change = async (shown: Queue, ask: () => Promise<unknown>): Promise<boolean> => {
    const mine = ++changes.current;
    open.current++;
    setQueue(shown);
    let answer: unknown;
    const ok = await attempt(async () => { answer = await ask(); }, g.name);
    open.current--;
    if (mine === changes.current && ok && answer && typeof answer === 'object' && 'items' in answer) setQueue(answer as Queue);
    else if (open.current === 0) await load(); // the server's own word, whatever it is
    return ok;
  };
  return { queue, error, change };
}
