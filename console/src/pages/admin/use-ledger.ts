// The ledger as the Audit tab has it: the newest lines first, older ones as they are asked
// for, new ones as they are written.
import { useEffect, useRef, useState } from 'preact/hooks';
import { get } from '../../api/http';
import { onEvent } from '../../state/store';
import { head, older } from './audit-read';
import type { AuditEvent } from './types';

export interface Ledger {
  /** Newest first, without a hole. */
  events: AuditEvent[];
  state: 'loading' | 'ready' | 'more';
  /** Every line down to the first is here. */
  whole: boolean;
  error: unknown;
  more: () => Promise<void>;
  retry: () => void;
}

const fetchLines = async (since: number, limit: number): Promise<AuditEvent[]> =>
  (await get<{ events: AuditEvent[] }>(`/api/v1/audit?since=${since}&limit=${limit}`)).events;

export function useLedger(): Ledger {
  const [events, set] = useState<AuditEvent[]>([]);
  const [state, setState] = useState<Ledger['state']>('loading');
  const [error, setError] = useState<unknown>(null);
  const [whole, setWhole] = useState(false);
  const [turn, setTurn] = useState(0);
  const now = useRef(events);
  now.current = events;
  const alive = useRef(true);
  useEffect(() => () => { alive.current = false; }, []);

  const put = (add: AuditEvent[]) => {
    const known = new Set(now.current.map((e) => e.id));
    now.current = [...now.current, ...add.filter((e) => !known.has(e.id))].sort((a, b) => b.id - a.id);
    if (alive.current) set(now.current);
  };
  const run = async (next: Ledger['state'], work: () => Promise<void>) => {
    setState(next);
    setError(null);
    try {
      await work();
    } catch (err) {
      if (alive.current) setError(err);
    }
    if (alive.current) setState('ready');
  };
  const back = async (before: number) => {
    const lines = await older(fetchLines, before);
    put(lines);
    const first = lines[lines.length - 1];
    if (alive.current && (!first || first.id === 1)) setWhole(true);
  };

  useEffect(() => {
    void run('loading', async () => back((await head(fetchLines)) + 1));
  }, [turn]);
  useEffect(() => onEvent('audit.appended', (e) => {
    const line = e as AuditEvent;
    const newest = now.current[0]?.id;
    if (newest === undefined || line.id === newest + 1) return put([line]);
    // Lines were missed: those between are read.
    if (line.id > newest) void fetchLines(newest, 1000).then(put, () => {});
  }), []);

  return {
    events, state, whole, error,
    more: () => run('more', async () => {
      const oldest = now.current[now.current.length - 1];
      if (oldest) await back(oldest.id);
    }),
    retry: () => setTurn((n) => n + 1),
  };
}
