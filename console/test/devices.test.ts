import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client, Persona } from '../src/api/types';
import { approval } from '../src/pages/devices/approve';
import { bandProblems, full, simple } from '../src/pages/devices/device/eq';
import { limit } from '../src/pages/devices/device/sound';
import { lines, masked } from '../src/pages/devices/enrol/parse';
import { fileName, recipients } from '../src/pages/devices/personas/export';
import { candidates, swappable } from '../src/pages/devices/personas/swapping';
import { completeUrl } from '../src/pages/devices/add';
import { groupsOf } from '../src/pages/devices/fingerprint';
import { hostPort, matches, section, sections, signs, standing, unanswered, type Standing } from '../src/pages/devices/standing';

const plain = { blocked: false, trust: 'unapproved', unpairing: false } as const;

test('a device has one standing, and what must not be overlooked comes first', () => {
  const cases: [Parameters<typeof standing>[0], Standing][] = [
    [plain, 'found'],
    [{ ...plain, waiting: 'new' }, 'waiting'],
    [{ ...plain, waiting: 'new', warning: 'identity_changed' }, 'pretending'],
    [{ ...plain, trust: 'approved', warning: 'name_reused_by_new_key' }, 'pretending'],
    [{ ...plain, trust: 'denied', blocked: true, warning: 'identity_changed' }, 'blocked'],
    [{ ...plain, trust: 'denied' }, 'denied'],
    [{ ...plain, trust: 'credential_mismatch', waiting: 'credential_mismatch' }, 'mismatch'],
    [{ ...plain, trust: 'paired' }, 'paired'],
    [{ ...plain, trust: 'paired', unpairing: true }, 'unpairing'],
    [{ ...plain, trust: 'approved' }, 'approved'],
  ];
  for (const [c, want] of cases) assert.equal(standing(c), want, JSON.stringify(c));
});

test('every standing has a heading, and no two of one heading that tell apart have the same sign', () => {
  const all = Object.keys(signs) as Standing[];
  assert.ok(all.every((s) => sections.includes(section(s))));
  assert.equal(new Set(all.map((s) => signs[s].icon)).size, all.length);
});

test('addresses that have answered are not shown as found', () => {
  assert.equal(hostPort('ws://192.168.1.20/sendspin'), '192.168.1.20:8928');
  assert.equal(hostPort('ws://[fe80::1]:9000/x'), '[fe80::1]:9000');
  assert.equal(hostPort('Kitchen.local:8928'), 'kitchen.local:8928');
  const here = { connection: 'outbound', address: '192.168.1.20:8928' } as Client;
  const dialledIn = { connection: 'inbound', address: '192.168.1.21:8928' } as Client;
  const s = (url: string, via = 'mdns', present = true) => ({ key: url, url, via, present });
  const list = [s('ws://192.168.1.20:8928/sendspin'), s('ws://192.168.1.21:8928/sendspin'), s('ws://192.168.1.22:8928/sendspin', 'mdns', false), s('ws://192.168.1.23:8928/sendspin', 'api', false)];
  assert.deepEqual(unanswered(list, [here, dialledIn]).map((x) => x.url), [list[1]!.url, list[3]!.url]);
});

test('the search looks at names, address, maker and fingerprint, in any order of words', () => {
  const c = { name: 'Kitchen', label: 'Window', address: '10.0.0.7:1', fingerprint: 'BA0Y-ZPS3-EA8S-4JNY', client_id: 'abc', device_info: { manufacturer: 'ACME' } } as Client;
  for (const s of ['', 'kit', 'window acme', 'ba0yzps3', 'zps3-ea8s', '10.0.0']) assert.ok(matches(c, s), s);
  for (const s of ['bath', 'window bath']) assert.ok(!matches(c, s), s);
});

test('an approval has no end, or one that lies ahead', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  assert.deepEqual(approval('none', '', '', now), {});
  assert.deepEqual(approval('disconnect', '', '', now), { until_disconnect: true });
  assert.deepEqual(approval('hours', '1,5', '', now), { ends_in_ms: 5_400_000 });
  for (const h of ['', '0', '-1', 'x', '9000']) assert.equal(approval('hours', h, '', now), 'hours', h);
  assert.deepEqual(approval('date', '', '2026-01-02T00:00:00Z', now), { ends_at: '2026-01-02T00:00:00.000Z' });
  for (const d of ['', '2025-12-31T00:00:00Z']) assert.equal(approval('date', '', d, now), 'date', d);
});

test('an address may be typed without its scheme', () => {
  assert.equal(completeUrl(' 192.168.1.20 '), 'ws://192.168.1.20');
  assert.equal(completeUrl('ws://x:1/y'), 'ws://x:1/y');
  assert.equal(completeUrl('http://x'), 'http://x');
});

test('a fingerprint is read in groups', () => {
  assert.deepEqual(groupsOf('BA0Y-ZPS3-EA8S-4JNY'), ['BA0Y', 'ZPS3', 'EA8S', '4JNY']);
});

test('three sliders are an equalizer, and nothing else is three sliders', () => {
  assert.deepEqual(simple(undefined), { bass: 0, middle: 0, treble: 0 });
  const e = full({ bass: 4, middle: 0, treble: -3 })!;
  assert.equal(e.bands.length, 2);
  assert.deepEqual(simple(e), { bass: 4, middle: 0, treble: -3 });
  assert.equal(full({ bass: 0, middle: 0, treble: 0 }), null);
  assert.equal(simple({ ...e, preamp_db: -3 }), null);
  assert.equal(simple({ ...e, bands: [{ kind: 'peak', frequency: 300, gain_db: 1, q: 1 }] }), null);
  assert.equal(simple({ ...e, bands: [...e.bands, e.bands[0]!] }), null);
  assert.deepEqual(bandProblems({ kind: 'peak', frequency: 1000, gain_db: 0, q: 1 }), []);
  assert.deepEqual(bandProblems({ kind: 'peak', frequency: 5, gain_db: NaN, q: 0 }), ['frequency', 'gain_db', 'q']);
});

test('a limit is a volume or nothing', () => {
  assert.deepEqual(['', ' ', '0', '100', '101', '-1', '1.5', 'x'].map(limit), [null, null, 0, 100, undefined, undefined, undefined, undefined]);
});

test('tokens are read out of pastes and tables', () => {
  assert.deepEqual(lines('\ufefftoken,room\nSP:0AAA,Lobby\n\n# a comment\n"SP:0BBB";Bar\r\n SP:0CCC # left\nnonsense here'), [
    { line: 2, text: 'SP:0AAA' }, { line: 5, text: 'SP:0BBB' }, { line: 6, text: 'SP:0CCC' }, { line: 7, text: 'nonsense here' },
  ]);
  assert.deepEqual(lines('SP:0AAA'), [{ line: 1, text: 'SP:0AAA' }]);
  assert.deepEqual(lines(' \n\n'), []);
  assert.ok(!masked('SP:0ABCDEFGHIJKLMNOP').includes('KLMNOP'));
});

const speaker = (id: string, more: Partial<Client> = {}) =>
  ({ client_id: id, trust: 'paired', connected: true, blocked: false, unpairing: false, supported_roles: ['player@v1'], ...more }) as Client;

test('a swap offers the broken first, and those who may take its place before those who may not', () => {
  const clients = new Map([speaker('old', { connected: false }), speaker('spare'), speaker('free'), speaker('new', { trust: 'unapproved' }), speaker('taken'),
    speaker('blocked', { blocked: true, trust: 'denied' }), speaker('screen', { supported_roles: ['metadata@v1'] })].map((c) => [c.client_id, c]));
  const place = (id: string, devices: string[], more = {}) =>
    ({ persona_id: id, name: id, kind: 'endpoint', active_device: devices[0], devices: devices.map((d, i) => ({ client_id: d, active: i === 0 })), imported: false, retired: false, ...more }) as unknown as Persona;
  const all = [place('lobby', ['old', 'spare']), place('bar', ['taken']), place('elsewhere', ['far'], { imported: true }), place('gone', ['free'], { retired: true })];
  const broken = swappable(all, clients);
  assert.deepEqual(broken.map((b) => [b.clientId, b.persona?.name]), [['old', 'lobby'], ['taken', 'bar'], ['free', undefined]]);
  const who = candidates(broken[0]!, all, clients);
  assert.deepEqual(who.map((x) => [x.client.client_id, x.spare, x.ready]), [['spare', true, true], ['free', false, true], ['new', false, false]]);
});

test('a roster gets a file name that every system takes, and recipients in any form', () => {
  assert.equal(fileName({ name: 'Lobby / left' }, 3), 'lobby-left-3.roster');
  assert.equal(fileName({ name: '../../é☃' }, 1), 'e-1.roster');
  assert.equal(fileName({ name: '☃' }, 1), 'roster-1.roster');
  assert.deepEqual(recipients(' age1a\nage1b, age1c;'), ['age1a', 'age1b', 'age1c']);
});
