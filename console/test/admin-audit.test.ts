import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csvField, toCsv, toJsonLines } from '../src/pages/admin/audit-export';
import { matcher, mayBeOlder, noFilter, values } from '../src/pages/admin/audit-filter';
import { head, older, page, type Fetch } from '../src/pages/admin/audit-read';
import type { AuditEvent } from '../src/pages/admin/types';

const line = (id: number, more: Partial<AuditEvent> = {}): AuditEvent =>
  ({ id, at: '2026-11-28T18:00:00Z', actor: 'token:admin', kind: 'client.approved', detail: '', ...more });

/** A ledger that answers like the server: lines after `since`, in order. */
function ledger(ids: number[]): Fetch & { calls: number } {
  const f = async (since: number, limit: number) => {
    f.calls++;
    return ids.filter((id) => id > since).slice(0, limit).map((id) => line(id));
  };
  f.calls = 0;
  return f;
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

test('the end of the ledger is found, however long it is', async () => {
  for (const n of [0, 1, 2, page - 1, page, page + 1, 2 * page, 12_345]) {
    const f = ledger(upTo(n));
    assert.equal(await head(f), n, `${n} lines`);
    assert.ok(f.calls < 40, `${f.calls} requests for ${n} lines`);
  }
  assert.equal(await head(ledger([3, 900, 90_001])), 90_001, 'numbers with gaps');
});

test('older lines come newest first, over gaps, to the beginning', async () => {
  const f = ledger([1, 2, 5000, 5001]);
  const ids = async (before: number) => (await older(f, before)).map((e) => e.id);
  assert.deepEqual(await ids(5002), [5001, 5000]);
  assert.deepEqual(await ids(5000), [2, 1]);
  assert.deepEqual(await ids(1), []);
});

test('a filter looks for every word, in names and without accents', () => {
  const name = (id: string) => (id === 'abc' ? 'Küche' : '');
  const lines = [line(1, { client_id: 'abc' }), line(2, { kind: 'token.created', actor: 'user:ana', detail: 'token "Bar" with the role viewer' })];
  const ids = (f: Partial<typeof noFilter>) => lines.filter(matcher({ ...noFilter, ...f }, name)).map((e) => e.id);
  assert.deepEqual(ids({}), [1, 2]);
  assert.deepEqual(ids({ text: 'kuche APPROVED' }), [1]);
  assert.deepEqual(ids({ text: 'bar kuche' }), []);
  assert.deepEqual(ids({ actor: 'user:ana' }), [2]);
  assert.deepEqual(ids({ kind: 'client.' }), [1]);
  assert.deepEqual(ids({ kind: 'client' }), []);
  assert.deepEqual(ids({ kind: 'token.created' }), [2]);
  assert.deepEqual(ids({ clientId: 'abc' }), [1]);
});

test('times are local, and the minute of the end is inside', () => {
  const at = new Date(2026, 10, 28, 19, 30, 59).toISOString();
  const is = (from: string, to: string) => matcher({ ...noFilter, from, to }, () => '')(line(1, { at }));
  assert.ok(is('2026-11-28T19:30', '2026-11-28T19:30'));
  assert.ok(!is('2026-11-28T19:31', ''));
  assert.ok(!is('', '2026-11-28T19:29'));
  assert.ok(mayBeOlder({ ...noFilter, from: '2026-11-28T10:00' }, line(1, { at })));
  assert.ok(!mayBeOlder({ ...noFilter, from: '2026-11-28T20:00' }, line(1, { at })));
  assert.ok(mayBeOlder(noFilter, line(1)));
  assert.deepEqual(values([line(1), line(2, { actor: 'b' }), line(3)], (e) => e.actor), ['b', 'token:admin']);
});

test('no field of a CSV file is a formula', () => {
  for (const evil of ['=1+1', '+1', '-1', '@SUM(A1)', ' =1', '\t=1', '\r=1', '\n@x', '\u00a0=1', '\uff1d1', '\tx']) {
    assert.match(csvField(evil).replace(/^"/, ''), /^'/, JSON.stringify(evil));
  }
  assert.equal(csvField(-5), '-5', 'a number of our own stays one');
  assert.equal(csvField('say "hi", all'), '"say ""hi"", all"');
  assert.equal(csvField('a\nb'), '"a\nb"');
  assert.equal(csvField(undefined), '');
  assert.equal(csvField('plain 1=1'), 'plain 1=1');
});

test('exports have a line for each line', () => {
  const events = [line(7, { client_id: '-abc', detail: '=cmd|calc' })];
  assert.equal(toCsv(events), "id,at,actor,kind,client_id,detail\r\n7,2026-11-28T18:00:00Z,token:admin,client.approved,'-abc,'=cmd|calc\r\n");
  assert.deepEqual(JSON.parse(toJsonLines(events)), events[0]);
});
