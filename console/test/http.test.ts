// A change whose CSRF token is not the session's any more is repeated once, with the new one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError, get, post, setCsrf, setOnSignedOut, setRenew } from '../src/api/http';

interface Asked { path: string; method?: string; token?: string; body?: unknown }

/** Answers with what refuse says, else with {}. */
function server(refuse: (a: Asked) => { status: number; type?: string } | undefined): Asked[] {
  const asked: Asked[] = [];
  globalThis.fetch = (async (path: string, init: RequestInit) => {
    const a: Asked = { path, method: init.method, token: (init.headers as Record<string, string>)['X-CSRF-Token'], body: init.body };
    asked.push(a);
    const no = refuse(a);
    return no
      ? new Response(JSON.stringify({ type: no.type ?? 'about:blank', title: 'Forbidden', status: no.status, detail: 'no' }), { status: no.status, headers: { 'Content-Type': 'application/problem+json' } })
      : new Response('{}', { status: 200 });
  }) as typeof fetch;
  return asked;
}

const stale = 'urn:tutti:problem:csrf-token';

test('a stale token is asked for again, and the same change is sent once more', async () => {
  setCsrf('old');
  setRenew(async () => { setCsrf('new'); return true; });
  const asked = server((a) => (a.token === 'new' ? undefined : { status: 403, type: stale }));
  await post('/api/v1/groups/g/volume', { volume: 7 });
  assert.deepEqual(asked.map((a) => [a.token, a.body]), [['old', '{"volume":7}'], ['new', '{"volume":7}']]);
});

test('it is repeated once and not again', async () => {
  let renewed = 0;
  setRenew(async () => { renewed++; return true; });
  const asked = server(() => ({ status: 403, type: stale }));
  await assert.rejects(post('/x'), (err: ApiError) => err.status === 403 && err.type === stale);
  assert.equal(asked.length, 2);
  assert.equal(renewed, 1);
});

test('what another person’s session may not do for this one is not repeated', async () => {
  setRenew(async () => false);
  const asked = server(() => ({ status: 403, type: stale }));
  await assert.rejects(post('/x'), ApiError);
  assert.equal(asked.length, 1);
});

test('a role that is too low, and a GET, are not repeated; who is not signed in is told', async () => {
  setRenew(async () => { throw new Error('asked for a token without need'); });
  let out = 0;
  setOnSignedOut(() => { out++; });
  for (const [ask, no] of [
    [() => post('/x'), { status: 403 }],
    [() => get('/x'), { status: 403, type: stale }],
    [() => post('/x'), { status: 401 }],
  ] as const) {
    const asked = server(() => no);
    await assert.rejects(ask(), (err: ApiError) => err.status === no.status);
    assert.equal(asked.length, 1);
  }
  assert.equal(out, 1);
});
