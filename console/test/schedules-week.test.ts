import assert from 'node:assert/strict';
import { test } from 'node:test';
import { days, type Daypart, type Rule } from '../src/pages/schedules/types';
import { adjusted, after, blocksOf, clash, copyDay, dayOrder, drawn, freeAt, lasts, meet, minutes, remove, replace, time } from '../src/pages/schedules/week';

const rule = (list: Rule['days'], start: string, end: string, holidays: Rule['holidays'] = 'as_usual'): Rule => ({ days: list, start, end, holidays });
const part = (name: string, r: Rule): Daypart => ({ daypart_id: `d-${name}`, name, ...r });

test('times of day', () => {
  assert.equal(minutes('00:00'), 0);
  assert.equal(minutes('23:59'), 1439);
  for (const bad of ['', '24:00', '7:00', '12:60', 'noon']) assert.ok(Number.isNaN(minutes(bad)), bad);
  assert.equal(time(1440), '00:00');
  assert.equal(time(605), '10:05');
  assert.equal(lasts({ start: '22:00', end: '02:00' }), 240);
  assert.equal(lasts({ start: '06:00', end: '06:00' }), 1440);
  assert.equal(after('sun'), 'mon');
  assert.equal(after('mon', -1), 'sun');
});

test('a block that passes midnight is on both days and belongs to the first', () => {
  const late = rule(['sun'], '22:00', '02:00');
  const sunday = blocksOf('sun', [late]);
  assert.deepEqual([sunday[0]!.from, sunday[0]!.to, sunday[0]!.continues, sunday[0]!.continued], [1320, 1440, true, false]);
  const monday = blocksOf('mon', [late]);
  assert.deepEqual([monday[0]!.from, monday[0]!.to, monday[0]!.startDay, monday[0]!.continued], [0, 120, 'sun', true]);
  assert.deepEqual(blocksOf('tue', [late]), []);
});

test('an end at midnight stays on its day; a whole day from six goes over', () => {
  assert.equal(blocksOf('tue', [rule(['mon'], '18:00', '00:00')]).length, 0);
  assert.deepEqual(blocksOf('mon', [rule(['mon'], '18:00', '00:00')]).map((b) => [b.to, b.continues]), [[1440, false]]);
  assert.deepEqual(blocksOf('tue', [rule(['mon', 'tue'], '06:00', '06:00')]).map((b) => [b.from, b.to]), [[0, 360], [360, 1440]]);
});

test('blocks for holidays and for other days lie side by side', () => {
  const b = blocksOf('mon', [rule(['mon'], '10:00', '14:00', 'never'), rule(['mon'], '12:00', '16:00', 'only'), rule(['mon'], '18:00', '20:00')]);
  assert.deepEqual(b.map((x) => [x.lane, x.lanes]), [[0, 2], [1, 2], [0, 1]]);
});

test('what would be in force together is found, over midnight and round the week', () => {
  const noon = rule(['mon'], '11:00', '14:00');
  assert.equal(meet(noon, rule(['mon'], '13:59', '15:00')), 'mon');
  assert.equal(meet(noon, rule(['mon'], '14:00', '15:00')), undefined);
  assert.equal(meet(noon, rule(['tue'], '11:00', '14:00')), undefined);
  assert.equal(meet(rule(['sun'], '22:00', '03:00'), rule(['mon'], '02:00', '05:00')), 'mon');
  assert.equal(meet(rule(['mon'], '02:00', '05:00'), rule(['sun'], '22:00', '03:00')), 'mon');
  assert.equal(meet(rule(['sun'], '22:00', '02:00'), rule(['mon'], '02:00', '05:00')), undefined);
  assert.equal(meet(rule(['mon'], '10:00', '12:00', 'only'), rule(['mon'], '10:00', '12:00', 'never')), undefined);
  assert.equal(meet(rule(['mon'], '10:00', '12:00', 'only'), rule(['mon'], '10:00', '12:00')), 'mon');
  // The night before a holiday is none: these two do meet.
  assert.equal(meet(rule(['mon'], '22:00', '03:00', 'never'), rule(['tue'], '02:00', '05:00', 'only')), 'tue');
});

test('a clash names the other one, and not itself', () => {
  const list = [part('a', rule(['mon'], '10:00', '12:00')), part('b', rule(['tue'], '10:00', '12:00'))];
  assert.equal(clash(rule(['mon', 'tue'], '11:00', '13:00'), list)?.rule.name, 'a');
  assert.equal(clash(rule(['mon', 'tue'], '11:00', '13:00'), list, 0)?.day, 'tue');
  assert.equal(clash(list[0]!, list, 0), undefined);
});

test('a day is copied over others, and its own stays', () => {
  const list = [part('lunch', rule(['mon', 'tue'], '11:00', '14:00')), part('dance', rule(['sat'], '20:00', '02:00')), part('jazz', rule(['mon'], '18:00', '22:00'))];
  const out = copyDay(list, 'mon', ['sat', 'sun']);
  assert.deepEqual(out.map((d) => [d.name, d.days]), [['lunch', ['mon', 'tue', 'sat', 'sun']], ['jazz', ['mon', 'sat', 'sun']]]);
  assert.deepEqual(copyDay(list, 'wed', ['mon']).map((d) => [d.name, d.days]), [['lunch', ['tue']], ['dance', ['sat']]], 'an empty day empties');
  assert.deepEqual(copyDay(list, 'mon', ['mon']), list);
});

test('one day of a daypart can be changed or removed without the others', () => {
  const list = [part('lunch', rule(['mon', 'tue'], '11:00', '14:00'))];
  const now = part('brunch', rule(['mon', 'tue'], '10:00', '14:00'));
  assert.deepEqual(replace(list, 0, now).map((d) => d.name), ['brunch']);
  const split = replace(list, 0, now, 'tue');
  assert.deepEqual(split.map((d) => [d.name, d.days, d.daypart_id]), [['lunch', ['mon'], 'd-lunch'], ['brunch', ['tue'], undefined]]);
  assert.deepEqual(replace(list, -1, now).length, 2);
  assert.deepEqual(remove(list, 0, 'mon').map((d) => d.days), [['tue']]);
  assert.deepEqual(remove(list, 0), []);
});

test('weeks begin where people think they do', () => {
  assert.equal(dayOrder('de-DE')[0], 'mon');
  assert.equal(dayOrder('en-US')[0], 'sun');
  assert.deepEqual([...dayOrder('en-US')].sort(), [...days].sort());
  assert.equal(dayOrder('no such locale')[0], 'mon');
});

test('what is drawn snaps and stays inside the day', () => {
  assert.deepEqual(drawn(607, 725), { from: 600, to: 735 });
  assert.deepEqual(drawn(725, 607), { from: 600, to: 735 });
  assert.deepEqual(drawn(1439, 1439), { from: 1410, to: 1440 });
  assert.deepEqual(drawn(-20, 5), { from: 0, to: 30 });
});

test('what is written on a band is where no block lies', () => {
  const night = { from: 1260, to: 1440 };
  assert.equal(freeAt(night, []), 1260);
  assert.equal(freeAt(night, [{ from: 1020, to: 1320 }, { from: 1320, to: 1365 }]), 1365);
  assert.equal(freeAt(night, [{ from: 1310, to: 1440 }]), 1260);
  assert.equal(freeAt({ from: 0, to: 420 }, [{ from: 0, to: 120 }, { from: 420, to: 660 }]), 120);
  assert.equal(freeAt(night, [{ from: 1200, to: 1420 }]), 1260, 'no place: at the beginning');
});

test('a block is moved inside of its day, and made longer and shorter', () => {
  const r = { days: ['mon' as const], holidays: 'as_usual' as const, start: '18:00', end: '01:00' };
  assert.deepEqual(adjusted(r, 'both', -15), { ...r, start: '17:45', end: '00:45' });
  assert.deepEqual(adjusted(r, 'end', 30), { ...r, end: '01:30' });
  assert.deepEqual(adjusted(r, 'end', -10_000), { ...r, end: '18:15' });
  assert.equal(adjusted({ ...r, end: '18:15' }, 'end', -15), undefined, 'shorter than a quarter of an hour');
  assert.equal(adjusted({ ...r, start: '00:00', end: '02:00' }, 'both', -15), undefined, 'before its day');
  assert.equal(adjusted({ ...r, start: '23:45' }, 'both', 15), undefined, 'after its day');
});
