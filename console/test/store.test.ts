// What the feed tells while the state is being read is newer than what is read.
import assert from 'node:assert/strict';
import { test } from 'node:test';

class Feed {
  static last: Feed;
  static CLOSED = 2;
  readyState = 1;
  onopen?: () => void;
  private told = new Map<string, ((e: { data: string }) => void)[]>();
  constructor() { Feed.last = this; }
  addEventListener(kind: string, f: (e: { data: string }) => void) { this.told.set(kind, [...(this.told.get(kind) ?? []), f]); }
  tell(kind: string, data: unknown) { this.told.get(kind)?.forEach((f) => f({ data: JSON.stringify(data) })); }
  close() {}
}

const settled = () => new Promise((r) => setImmediate(r));

test('an event that comes while the state is read is not undone by what was read before it', async () => {
  Object.assign(globalThis, { EventSource: Feed });
  const asked: { path: string; answer: (body: unknown) => void }[] = [];
  globalThis.fetch = ((path: string) => new Promise((resolve) => {
    asked.push({ path, answer: (body) => resolve({ ok: true, status: 200, json: async () => body } as Response) });
  })) as typeof fetch;
  const { clients, connect, disconnect, link, personas, session } = await import('../src/state/store');
  session.value = { signed_in: true, setup_needed: false, user: { user_id: 'u', name: 'u', role: 'admin', zones: [] } };
  connect();
  Feed.last.onopen!();
  await settled();
  // Read before the devices came …
  const empty: Record<string, unknown> = { '/api/v1/server': {}, '/api/v1/clients': { clients: [{ client_id: 'gone' }] }, '/api/v1/groups': { groups: [] }, '/api/v1/inbox': { waiting: [] }, '/api/v1/personas': { personas: [] } };
  Feed.last.tell('client.updated', { client_id: 'new' });
  Feed.last.tell('client.removed', { client_id: 'gone' });
  Feed.last.tell('persona.updated', { persona_id: 'p' });
  // … and answered after it.
  for (const a of asked) a.answer(empty[a.path]);
  for (let i = 0; i < 10 && link.value !== 'live'; i++) await settled();
  assert.equal(link.value, 'live');
  assert.deepEqual([...clients.value.keys()], ['new']);
  assert.deepEqual([...personas.value.keys()], ['p']);
  Feed.last.tell('client.updated', { client_id: 'later' });
  assert.deepEqual([...clients.value.keys()], ['new', 'later']);
  disconnect();
});
