// Who uses the console: asked for at the start, set by signing in, lost by signing out.
import { signal } from '@preact/signals';
import { del, get, post, setCsrf, setOnSignedOut, setRenew } from '../api/http';
import type { Session } from '../api/types';
import { preferred, setLanguage } from '../i18n';
import { connect, disconnect, link, session } from './store';

/** Why the session could not be asked for at the start. */
export const startError = signal<unknown>(null);

function take(s: Session): void {
  setCsrf(s.csrf_token ?? '');
  session.value = s;
  if (s.signed_in) connect();
  else disconnect();
}

/** Finds out who is signed in, and opens the feed. */
export async function start(): Promise<void> {
  setOnSignedOut(() => {
    if (!session.value?.signed_in) return;
    link.value = 'loading';
    take({ signed_in: false, setup_needed: false, oidc: session.value.oidc });
  });
  setRenew(renewed);
  await setLanguage(preferred());
  await ask();
}

/** Takes the session as it is now; true when it is still the same person's, so that what they asked for may be repeated. */
async function renewed(): Promise<boolean> {
  const before = session.value?.user?.user_id;
  const s = await get<Session>('/api/v1/session');
  const same = s.signed_in && s.user?.user_id === before;
  if (same) setCsrf(s.csrf_token ?? '');
  else take(s); // somebody else sits here now, or nobody
  return same;
}

/** Asks again, after a failure. */
export async function ask(): Promise<void> {
  startError.value = null;
  try {
    const s = await get<Session>('/api/v1/session');
    await setLanguage(preferred(s.user?.language));
    take(s);
  } catch (err) {
    startError.value = err;
  }
}

export const signIn = async (name: string, password: string): Promise<void> =>
  take(await post<Session>('/api/v1/session', { name, password }));

export const setUp = async (code: string, name: string, password: string): Promise<void> =>
  take(await post<Session>('/api/v1/setup', { code, name, password }));

export async function signOut(): Promise<void> {
  await del('/api/v1/session');
  location.hash = '';
  location.reload(); // nothing of the one who left stays in memory
}
