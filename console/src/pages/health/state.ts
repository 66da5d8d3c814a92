// What the Health page knows: the report, kept true by the feed and, for numbers that move
// all the while, read again while the page is open; and the histories of the speakers in view.
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { get, seg } from '../../api/http';
import { onEvent } from '../../state/store';
import type { Health, History, Range } from './types';

export const health = signal<Health | null>(null);
/** Why it could not be read the last time. */
export const healthError = signal<unknown>(null);
export const range = signal<Range>('1h');
export const view = signal<'plots' | 'table'>('plots');

/** The server judges every 10 s. */
const refreshMs = 10_000;
/** A step of the longer ranges takes 5 min. */
const longRefreshMs = 60_000;

export async function reloadHealth(): Promise<void> {
  try {
    health.value = await get<Health>('/api/v1/health');
    healthError.value = null;
  } catch (err) {
    healthError.value = err;
  }
}

/** Keeps the report true as long as the page is shown. */
export function useHealth(): void {
  useEffect(() => {
    void reloadHealth();
    const off = onEvent('health.updated', (data) => { health.value = data as Health; });
    const timer = setInterval(() => { if (!document.hidden) void reloadHealth(); }, refreshMs);
    return () => {
      off();
      clearInterval(timer);
    };
  }, []);
}

/** The history of a client, read while it is in view. */
export function useHistory(clientId: string, over: Range, visible: boolean): History | null {
  const [history, set] = useState<History | null>(null);
  useEffect(() => {
    if (!visible) return;
    const stop = new AbortController();
    const read = async () => {
      if (document.hidden) return;
      try {
        set(await get<History>(`/api/v1/health/history?client_id=${seg(clientId)}&range=${over}`, { signal: stop.signal }));
      } catch {
        // The banner of the lost connection says it; the next read mends it.
      }
    };
    void read();
    const timer = setInterval(() => void read(), over === '1h' ? refreshMs : longRefreshMs);
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [clientId, over, visible]);
  return history;
}
