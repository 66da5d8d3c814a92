// One attempt to pair, as this page follows it: the feed tells of it, and a GET does where
// the feed is away.
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, del, get, post, seg } from '../../../api/http';
import type { Pairing } from '../../../api/types';
import { t } from '../../../i18n';
import { link, pairings, putPairing } from '../../../state/store';
import { explain } from '../../../ui/toast';
import { ended } from './code';

export interface StartBody {
  method: string;
  format?: string;
  token?: string;
  code?: string;
}

export interface Attempt {
  /** The attempt that is shown; null while a way is chosen. */
  attempt: Pairing | null;
  /** The first answer is still to come. */
  loading: boolean;
  /** Somebody else's attempt that was met when ours was to begin. */
  other: boolean;
  error: string;
  /** This browser's clock less the server's (ms). */
  skew: number;
  start: (body: StartBody) => Promise<boolean>;
  send: (code: string) => Promise<boolean>;
  cancel: () => Promise<void>;
  /** Back to the choice of a way. */
  again: () => void;
  clear: () => void;
}

/** How often an attempt is asked for while the feed is away (ms). */
const pollEvery = 3000;

export function useAttempt(clientId: string): Attempt {
  const path = `/api/v1/clients/${seg(clientId)}/pairing`;
  // The attempt that this page follows. An older one that is over is nobody's business here.
  const [id, follow] = useState<string | null>(null);
  const [loading, setLoading] = useState(true);
  const [other, setOther] = useState(false);
  const [error, setError] = useState('');
  const [skew, setSkew] = useState(0);
  const latest = pairings.value.get(clientId) ?? null;
  const attempt = id && latest?.attempt_id === id ? latest : null;
  const alive = useRef(true);

  /** Follows the attempt that runs, if one does. */
  const meet = async (): Promise<boolean> => {
    const p = await get<Pairing>(path).catch((err) => {
      if (err instanceof ApiError && err.status === 404) return null;
      throw err;
    });
    if (!p || !alive.current) return false;
    putPairing(p);
    if (ended(p)) return false;
    follow(p.attempt_id ?? '');
    return true;
  };
  useEffect(() => {
    alive.current = true;
    follow(null);
    setError('');
    setOther(false);
    setLoading(true);
    meet().then((met) => { if (alive.current) setOther(met); }, (err) => setError(explain(err))).finally(() => { if (alive.current) setLoading(false); });
    return () => { alive.current = false; };
  }, [clientId]);
  // Another attempt began while ours was shown as running: it is the one that counts.
  useEffect(() => {
    if (id && latest && latest.attempt_id !== id && !ended(latest)) {
      follow(latest.attempt_id ?? '');
      setOther(true);
    }
  }, [id, latest?.attempt_id]);
  const running = !!attempt && !ended(attempt);
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => {
      if (link.value !== 'live') get<Pairing>(path).then(putPairing, () => {});
    }, pollEvery);
    return () => clearInterval(timer);
  }, [running]);

  const start = async (body: StartBody): Promise<boolean> => {
    setError('');
    try {
      const p = await post<Pairing>(path, body);
      setSkew(Date.now() - new Date(p.started_at).getTime());
      if (pairings.value.get(clientId)?.attempt_id !== p.attempt_id) putPairing(p);
      follow(p.attempt_id ?? '');
      setOther(false);
      return true;
    } catch (err) {
      if (err instanceof ApiError && err.status === 409 && await meet().catch(() => false)) {
        setOther(true);
        return false;
      }
      setError(explainStart(err));
      return false;
    }
  };
  const send = async (code: string): Promise<boolean> => {
    setError('');
    try {
      await post<Pairing>(`${path}/code`, { code });
      return true;
    } catch (err) {
      // It has moved on meanwhile: what it is now will be told.
      const now = await get<Pairing>(path).catch(() => null);
      if (now) putPairing(now);
      if (!now || now.state === 'awaiting_code') setError(explainStart(err));
      return false;
    }
  };
  const cancel = async () => {
    setError('');
    try {
      putPairing(await del<Pairing>(path));
    } catch (err) {
      setError(explain(err));
    }
  };
  const again = () => { follow(null); setOther(false); setError(''); };
  return { attempt, loading, other: other && running, error, skew, start, send, cancel, again, clear: () => setError('') };
}

/** A field that the server refused says more than the whole. */
function explainStart(err: unknown): string {
  const field = err instanceof ApiError ? err.fields[0] : undefined;
  if (!field) return explain(err);
  return t(field.location.endsWith('token') ? 'devices.pair.token_refused' : 'devices.pair.code_refused', { why: field.message });
}
