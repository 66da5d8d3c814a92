import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expiresAt, validDay } from '../src/pages/admin/expiry';

const now = new Date(2026, 10, 28, 12, 0);

test('a token ends when the choice says', () => {
  assert.equal(expiresAt('never', '', now), undefined);
  assert.equal(Date.parse(expiresAt('30', '', now)!) - now.getTime(), 30 * 86_400_000);
  assert.equal(expiresAt('date', '2026-12-31', now), new Date(2027, 0, 1).toISOString(), 'the last day is inside');
});

test('only a day that is not over can be chosen', () => {
  assert.ok(validDay('2026-11-28', now));
  assert.ok(!validDay('2026-11-27', now));
  assert.ok(!validDay('', now));
  assert.ok(!validDay('tomorrow', now));
});
