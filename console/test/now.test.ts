import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client, Group, NowPlaying } from '../src/api/types';
import { byImportance, fill, moved, movedIndex, position, seed, seekable, speakerVolume, steady, uriName, zoneVolume } from '../src/pages/now/logic';

const np = (o: Partial<NowPlaying> = {}): NowPlaying => ({ duration_ms: 200_000, position_ms: 10_000, ...o });
const group = (o: Partial<Group> = {}): Group => ({
  group_id: 'g', name: 'Bar', solo: false, members: ['a', 'b'], playback_state: 'playing', paused: false, volume: 40, volume_range: { min: 0, max: 100 },
  muted: false, repeat: 'off', shuffle: false, queue_length: 0, crossfade_ms: 0, normalization: 'off', live: false, member_status: [], ...o,
});
const client = (o: object = {}, player: object = {}): Client => ({
  client_id: 'a', name: 'A', connected: true, active_roles: ['player@v1'], supported_roles: ['player@v1'],
  player: { volume: 30, supported_commands: ['volume', 'mute'], ...player }, ...o,
} as unknown as Client);

test('a position moves on while its title plays, and ends with it', () => {
  assert.equal(position(np(), true, 2500), 12_500);
  assert.equal(position(np(), false, 2500), 10_000);
  assert.equal(position(np(), true, 500_000), 200_000);
  assert.equal(position(np({ duration_ms: 0 }), true, 500_000), 510_000);
  assert.equal(position(np(), true, -400), 10_000, 'a clock that is ahead moves nothing back');
});

test('a small step back stands still, a large one is a seek', () => {
  assert.equal(steady(5000, 4400), 5000);
  assert.equal(steady(5000, 5250), 5250);
  assert.equal(steady(60_000, 1000), 1000);
});

test('one seeks in what has a length and is not live', () => {
  assert.ok(seekable(group({ now_playing: np() })));
  assert.ok(!seekable(group({ now_playing: np(), live: true })));
  assert.ok(!seekable(group({ now_playing: np({ duration_ms: 0 }) })));
  assert.ok(!seekable(group()));
});

test('a speaker moves inside its limits', () => {
  assert.deepEqual(speakerVolume(client()), { value: 30, min: 0, max: 100, reason: undefined });
  assert.deepEqual(speakerVolume(client({ limits: { volume_min: 10, volume_max: 60 } })), { value: 30, min: 10, max: 60, reason: undefined });
  assert.equal(speakerVolume(client({ limits: { volume_min: 0, volume_max: 20 } })).value, 30, 'what is true shows, also beyond the limit');
});

test('a volume that cannot be set says why', () => {
  assert.equal(speakerVolume(undefined).reason, 'absent');
  assert.equal(speakerVolume(client({ connected: false })).reason, 'absent');
  assert.equal(speakerVolume(client({ player: undefined })).reason, 'silent');
  assert.equal(speakerVolume(client({ active_roles: [] })).reason, 'trust');
  assert.equal(speakerVolume(client({}, { supported_commands: ['mute'] })).reason, 'fixed');
});

test('a zone keeps to its range and to the cap of quiet hours', () => {
  const find = () => client();
  assert.deepEqual(zoneVolume(group({ volume_range: { min: 10, max: 80 } }), find), { value: 40, min: 10, max: 80, reason: undefined });
  assert.deepEqual(zoneVolume(group({ volume_range: { min: 10, max: 80 }, volume_cap: 30 }), find), { value: 40, min: 10, max: 30, reason: undefined });
  assert.equal(zoneVolume(group({ volume_range: { min: 50, max: 80 }, volume_cap: 30 }), find).max, 30);
});

test('a zone can be set when one of its speakers can', () => {
  const some = (id: string) => (id === 'a' ? client({ connected: false }) : client());
  assert.equal(zoneVolume(group(), some).reason, undefined);
  assert.equal(zoneVolume(group(), () => client({ connected: false })).reason, 'absent');
  assert.equal(zoneVolume(group(), (id) => (id === 'a' ? client({ connected: false }) : client({}, { supported_commands: [] }))).reason, 'fixed');
  assert.equal(zoneVolume(group({ members: [] }), () => undefined).reason, 'empty');
});

test('how much of a slider is filled', () => {
  assert.equal(fill(50, 0, 100), 50);
  assert.equal(fill(30, 20, 60), 25);
  assert.equal(fill(5, 20, 60), 0);
  assert.equal(fill(20, 20, 20), 100);
});

test('what plays comes first, then what is paused, then names', () => {
  const list = [group({ name: 'A', playback_state: 'stopped' }), group({ name: 'Z' }), group({ name: 'B', playback_state: 'stopped', paused: true }), group({ name: 'C' })];
  assert.deepEqual(list.sort(byImportance).map((g) => g.name), ['C', 'Z', 'B', 'A']);
});

test('a title that is moved takes its place, and what plays is still the same', () => {
  const list = ['a', 'b', 'c', 'd'];
  assert.deepEqual(moved(list, 0, 2), ['b', 'c', 'a', 'd']);
  assert.deepEqual(moved(list, 3, 0), ['d', 'a', 'b', 'c']);
  assert.deepEqual(moved(list, 9, 0), list);
  assert.deepEqual(moved(list, 1, 99), ['a', 'c', 'd', 'b']);
  for (let index = 0; index < 4; index++) {
    for (let from = 0; from < 4; from++) {
      for (let to = 0; to < 4; to++) assert.equal(moved(list, from, to)[movedIndex(index, from, to)], list[index], `${index} ${from} ${to}`);
    }
  }
});

test('a name is found for a uri without a title', () => {
  assert.equal(uriName('Albums/Blue/01 Song.flac'), '01 Song');
  assert.equal(uriName('http://radio.example/live.mp3'), 'live.mp3 (radio.example)');
  assert.equal(uriName('https://radio.example/'), 'radio.example');
  assert.equal(uriName('tone:440'), 'tone:440');
  assert.equal(uriName('http://%'), 'http://%');
});

test('the same words give the same picture', () => {
  assert.equal(seed('Blue|Ann'), seed('Blue|Ann'));
  assert.notEqual(seed('Blue|Ann'), seed('Blue|Anne'));
});
