import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverTime, TimeFilter } from '../../src/sendspin/clock/filter';
import { exchange, Sync } from '../../src/sendspin/clock/sync';
import { vectors } from './vectors';

interface Step {
  measurement: number; max_error: number; at: number;
  offset: number; drift: number; std_dev: number; converged: boolean;
  client: number; server: number; back: number;
}

test('the filter is the Go library\'s', () => {
  const f = new TimeFilter();
  for (const [i, s] of vectors<Step[]>('clock/testdata/filter.json').entries()) {
    f.update(s.measurement, s.max_error, s.at);
    const m = f.mapping();
    const where = `step ${i}`;
    assert.ok(Math.abs(m.offset - s.offset) < 1e-3, `${where}: offset ${m.offset}, want ${s.offset}`);
    assert.ok(Math.abs(m.drift - s.drift) < 1e-12, `${where}: drift ${m.drift}, want ${s.drift}`);
    assert.ok(Math.abs(f.stdDev() - s.std_dev) < 1e-6 * s.std_dev, `${where}: deviation ${f.stdDev()}, want ${s.std_dev}`);
    assert.equal(f.converged(), s.converged, where);
    assert.ok(Math.abs(f.serverTime(s.client) - s.server) <= 1, where);
    assert.ok(Math.abs(f.clientTime(s.server) - s.back) <= 1, where);
    assert.ok(Math.abs(serverTime(m, s.client) - s.server) <= 1, where);
  }
});

test('a measurement that is not newer is discarded', () => {
  const f = new TimeFilter();
  f.update(100, 10, 1000);
  f.update(500, 10, 1000);
  f.update(500, 10, 999);
  assert.equal(f.count(), 1);
  assert.equal(f.mapping().offset, 100);
});

test('exchanges are truncated toward zero', () => {
  assert.deepEqual(exchange(100, 1000, 1010, 203), { offset: 853, maxError: 46 });
  assert.deepEqual(exchange(1000, 100, 100, 1001), { offset: -900, maxError: 0 });
});

test('a burst feeds the exchange with the least error', () => {
  const s = new Sync();
  s.begin(1000);
  assert.equal(s.due(), 1000);
  let now = 1000;
  let send = s.tick(now);
  for (let i = 0; i < 8; i++) {
    assert.ok(send && s.sending(now));
    const rtt = i === 5 ? 100 : 1000 + i;
    const t2 = now + 5_000_000 + rtt / 2;
    const r = s.answer(now, t2, t2, now + rtt);
    now += rtt;
    send = r.send;
    assert.equal(r.fed, i === 7);
  }
  assert.equal(s.filter.mapping().offset, 5_000_000);
  assert.equal(s.maxError, 50);
  assert.equal(s.due(), now + 100_000, 'the second burst follows soon');
});

test('an answer that does not come is given up, and a wrong one does not count', () => {
  const s = new Sync();
  s.begin(1);
  assert.ok(s.tick(1, 2));
  assert.ok(s.sending(1));
  assert.deepEqual(s.answer(7, 1, 1, 9), { send: false, fed: false });
  assert.equal(s.due(), 2_000_001);
  assert.ok(s.tick(2_000_001));
  assert.equal(s.lost, 1);
  assert.ok(s.sending(2_000_002));
  assert.deepEqual(s.answer(2_000_002, 50, 50, 2_000_102), { send: false, fed: true });
  assert.equal(s.lost, 0);
});
