import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addDays, dayOf, fromInput, moment, nextMorning, toInput, wallTime, wholeDay } from '../src/pages/schedules/zoned';

const berlin = 'Europe/Berlin';

test('clocks of a zone', () => {
  assert.deepEqual(wallTime(new Date('2026-11-28T23:30:00Z'), berlin), { date: '2026-11-29', day: 'sun', minute: 30 });
  assert.deepEqual(wallTime(new Date('2026-11-28T23:30:00Z'), 'America/New_York'), { date: '2026-11-28', day: 'sat', minute: 18 * 60 + 30 });
  assert.equal(dayOf('2026-11-30'), 'mon');
  assert.equal(addDays('2026-12-31', 1), '2027-01-01');
});

test('a time of a zone is a moment, in summer and in winter', () => {
  assert.equal(moment('2026-11-28', 19 * 60, berlin).toISOString(), '2026-11-28T18:00:00.000Z');
  assert.equal(moment('2026-07-01', 19 * 60, berlin).toISOString(), '2026-07-01T17:00:00.000Z');
  assert.equal(moment('2026-07-01', 0, 'Asia/Kathmandu').toISOString(), '2026-06-30T18:15:00.000Z');
});

test('days on which clocks change have 23 and 25 hours', () => {
  const hours = (date: string) => { const d = wholeDay(date, berlin); return (d.to.getTime() - d.from.getTime()) / 3_600_000; };
  assert.equal(hours('2026-03-29'), 23);
  assert.equal(hours('2026-10-25'), 25);
  assert.equal(hours('2026-11-28'), 24);
});

test('the next morning is not in the middle of a night', () => {
  assert.equal(nextMorning(new Date('2026-11-28T19:00:00Z'), berlin).toISOString(), '2026-11-29T05:00:00.000Z');
  assert.equal(nextMorning(new Date('2026-11-29T01:00:00Z'), berlin).toISOString(), '2026-11-29T05:00:00.000Z');
});

test('inputs go there and back', () => {
  const t = new Date('2026-11-28T18:30:00Z');
  assert.equal(toInput(t, berlin), '2026-11-28T19:30');
  assert.equal(fromInput('2026-11-28T19:30', berlin)?.toISOString(), t.toISOString());
  assert.equal(fromInput('', berlin), undefined);
});
