// Short messages at the edge of the screen, read out by screen readers. What the server
// refused says which thing, why, and what to do.
import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ApiError } from '../api/http';
import { t } from '../i18n';
import { Button, Notice } from './controls';

interface Toast {
  id: number;
  tone: 'info' | 'bad' | 'good';
  text: string;
  action?: { label: string; run: () => unknown };
}

const toasts = signal<Toast[]>([]);
let last = 0;
/** Kept on the screen (ms): long enough to read, longer when there is something to do. */
const shownFor = 6000;
const most = 3;

export function toast(tone: Toast['tone'], text: string, action?: Toast['action']): void {
  const id = ++last;
  toasts.value = [...toasts.value.slice(-(most - 1)), { id, tone, text, action }];
  setTimeout(() => dismiss(id), action || tone === 'bad' ? 2 * shownFor : shownFor);
}

const dismiss = (id: number) => { toasts.value = toasts.value.filter((x) => x.id !== id); };

/** An error in the reader's words. */
export function explain(err: unknown): string {
  if (!(err instanceof ApiError)) return err instanceof Error ? err.message : String(err);
  if (err.status === 0) return t('common.unreachable');
  if (err.status === 403) return t('common.forbidden');
  if (err.status === 429) return t('common.too_many', { n: Math.max(1, err.retryAfterS) });
  return err.detail || err.title || t('common.failed');
}

/** Runs something that the user asked for; says what went wrong. False when it did. */
export async function attempt(run: () => Promise<unknown>, what?: string): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (err) {
    toast('bad', what ? `${what}: ${explain(err)}` : explain(err));
    return false;
  }
}

/** Who can show messages: the page, and above it the dialogs that are open. */
const hosts = signal<symbol[]>([]);

/** Messages are shown by the topmost host: a dialog hides what is behind it. */
export function Toasts(): JSX.Element {
  const [me] = useState(() => Symbol('host'));
  useEffect(() => {
    hosts.value = [...hosts.peek(), me];
    return () => { hosts.value = hosts.peek().filter((h) => h !== me); };
  }, []);
  const top = hosts.value[hosts.value.length - 1] === me;
  return (
    <div class="toasts" role="status" aria-live="polite">
      {top && toasts.value.map((x) => (
        <Notice key={x.id} tone={x.tone}>
          <div class="row">
            <span class="grow">{x.text}</span>
            {x.action && <Button onClick={() => { dismiss(x.id); return x.action!.run(); }}>{x.action.label}</Button>}
            <Button icon="close" kind="quiet" label={t('common.dismiss')} onClick={() => dismiss(x.id)} />
          </div>
        </Notice>
      ))}
    </div>
  );
}
