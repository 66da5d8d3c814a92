import assert from 'node:assert/strict';
import { test } from 'node:test';
import { base64url, concat, fromBase64url, utf8 } from '../../src/sendspin/crypto/bytes';
import { suites } from '../../src/sendspin/crypto/cipher';
import { codeDigest, commit, digits, labelNonce, labelPsk, pakeSid, unwrap } from '../../src/sendspin/crypto/code';
import { Cpace } from '../../src/sendspin/crypto/cpace';
import { pskId, sentinelPsk } from '../../src/sendspin/crypto/psk';
import { Talk } from './server';
import { randomBytes, random } from './vectors';

const pcmChunk = (timestamp: number, frames: number): Uint8Array => {
  const b = new Uint8Array(12 + frames * 4);
  new DataView(b.buffer).setBigInt64(0, BigInt(timestamp));
  new DataView(b.buffer).setUint32(8, 500_000);
  return b;
};
const stream = { server_transmitted: 1, player: { codec: 'pcm', sample_rate: 48_000, channels: 2, bit_depth: 16 } };

for (const suite of suites) {
  test(`a player goes from the first byte to sound: ${suite}`, () => {
    const t = new Talk(1, suite).begin();
    const hello = t.all('client/hello')[0]!.payload;
    assert.equal(hello.name, 'Tablet');
    assert.deepEqual(hello.supported_roles, ['player@v1']);
    assert.deepEqual(hello.unpaired_access, { enabled: true });
    assert.deepEqual(Object.keys(hello.supported_pair_methods).sort(), ['dynamic_pairing_code', 'pairing_psk']);
    const state = t.all('client/state')[0]!.payload;
    assert.equal(state.available, true);
    assert.deepEqual(Object.keys(state.player).sort(), ['min_buffer_ms', 'muted', 'output_delay_ms', 'required_lead_time_ms', 'supported_commands', 'volume']);
    const sync = t.told('sync').pop()!.sync;
    assert.ok(sync.converged && Math.abs(sync.offset - t.serverAhead) < 2);
    t.send('stream/start', stream);
    t.binary(4, pcmChunk(77, 480));
    const chunk = t.told('chunk')[0]!;
    assert.equal(chunk.timestamp, 77);
    assert.equal(chunk.channels[1]!.length, 480);
    t.send('stream/clear', { server_transmitted: 2, roles: ['player'] });
    t.send('stream/clear', { server_transmitted: 2, roles: ['visualizer'] });
    t.send('stream/end', {});
    assert.deepEqual(t.events.filter((e) => ['stream', 'clear', 'end'].includes(e.kind)).map((e) => e.kind), ['stream', 'clear', 'end']);
    t.binary(4, pcmChunk(88, 480)); // outside of a stream: dropped
    assert.equal(t.told('chunk').length, 1);
    assert.ok(!t.closed);
  });
}

test('a server that knows nothing of it may do nothing with it', () => {
  const t = new Talk();
  t.handshake();
  t.send('server/hello', { name: 'House' });
  t.activate({ activities: [], active_roles: [] });
  t.clock();
  assert.equal(t.all('client/state').length, 0);
  assert.equal(t.told('active')[0]!.playing, false);
  t.send('stream/start', stream);
  assert.equal(t.told('stream').length, 0, 'the role is not active');
  t.activate();
  t.clock();
  assert.equal(t.all('client/state').length, 1, 'approved on the spot');
});

test('commands move volume, mute and delay, and are reported', () => {
  const t = new Talk().begin();
  const last = () => t.all('client/state').pop()!.payload.player;
  t.send('server/command', { player: { command: 'volume', volume: 31 } });
  assert.equal(last().volume, 31);
  t.send('server/command', { player: { command: 'mute', mute: true } });
  t.send('server/command', { player: { command: 'set_output_delay', output_delay_ms: 250 } });
  t.send('server/command', { player: { command: 'dance' } });
  assert.deepEqual([last().volume, last().muted, last().output_delay_ms], [31, true, 250]);
  assert.equal(t.all('client/state').length, 4);
  assert.equal(t.store.data.output_delay_ms, 250);
  t.session.setPlayer({ volume: 400, outputDelayMs: 9000 });
  assert.deepEqual([last().volume, last().output_delay_ms], [100, 5000]);
  t.send('server/command', { player: { command: 'volume', volume: 101 } });
  assert.ok(t.closed, 'a volume out of range breaks the protocol');
});

test('pairing with the token, then the session is promoted', () => {
  const t = new Talk();
  t.handshake(t.store.pairingPsk, 'pr');
  t.send('server/hello', { name: 'House' });
  t.activate({ activities: ['pairing'], active_roles: [], pairing: { method: 'pairing_psk' } });
  const psk = fromBase64url(t.all('client/pair-finalize')[0]!.payload.long_term_psk, 32);
  assert.deepEqual(t.all('client/pair-init')[0]!.payload, { pairing_index: 1 });
  assert.equal(t.store.data.records.length, 0, 'nothing is kept before the server has');
  t.send('server/pair-finalize', {});
  assert.equal(t.store.data.records[0]!.server_id, t.serverId);
  assert.equal(t.store.data.records[0]!.psk, base64url(psk));
  t.rehandshake(psk, 'lt');
  t.session.setPlayer({ volume: 10 }); // held back until the activation
  t.activate();
  t.clock();
  assert.ok(!t.closed);
  assert.equal(t.told('active').pop()!.paired, true);
  t.send('server/unpair', {});
  assert.equal(t.all('client/goodbye').pop()!.payload.reason, 'unpaired');
  assert.equal(t.store.data.records.length, 0);
  assert.equal(t.told('closed')[0]!.reason, 'unpaired');
});

/** The server's side of a dynamic attempt; typed is the code that its operator enters. */
function round(t: Talk, index: number, n: number, nonceA: Uint8Array | null, typed: string) {
  t.send('server/pair-init', nonceA ? { nonce_A: base64url(nonceA) } : {});
  const sid = pakeSid(t.hash, index, n);
  const run = new Cpace('initiator', { prs: utf8(typed), ci: new Uint8Array(0), sid, ada: utf8('server'), adb: utf8('client') }, t.bytes(32));
  t.send('server/pair-auth', { pake_msg_1: base64url(run.share) });
  const keys = run.finish(fromBase64url(t.all('client/pair-auth').pop()!.payload.pake_msg_2, 32));
  t.send('server/pair-confirm', { server_kc: base64url(keys.tag) });
  return { sid, keys };
}

test('pairing with a code: a wrong one is asked for again, the right one pairs', () => {
  const t = new Talk(3).begin();
  t.activate({ activities: ['playback', 'pairing'], pairing: { method: 'dynamic_pairing_code', format: 'digits' } });
  const commitB = t.all('client/pair-init')[0]!.payload.commit_B as string;
  const nonceA = t.bytes(32);
  round(t, 1, 1, nonceA, '000000');
  const code = t.told('code')[0]!.code;
  assert.match(code, /^\d{6}$/);
  assert.equal(t.all('client/pair-retry').length, 1);
  assert.equal(t.store.data.rounds, 1);
  const { sid, keys } = round(t, 1, 2, null, code);
  assert.equal(t.told('code')[1]!.code, code, 'the code stays');
  const confirm = t.all('client/pair-confirm')[0]!.payload;
  assert.ok(keys.verify(fromBase64url(confirm.client_kc, 64)));
  const nonceB = unwrap(t.suite, labelNonce, sid, keys.isk, fromBase64url(confirm.wrapped_nonce_B, 48));
  assert.equal(base64url(commit(nonceB)), commitB);
  assert.equal(digits(codeDigest(t.hash, nonceA, nonceB)), code);
  const psk = unwrap(t.suite, labelPsk, sid, keys.isk, fromBase64url(t.all('client/pair-finalize')[0]!.payload.wrapped_psk, 48));
  t.send('server/pair-finalize', {});
  assert.equal(t.store.data.records[0]!.psk, base64url(psk));
  assert.equal(t.store.data.rounds, 0);
  assert.deepEqual(t.told('pairing').map((e) => e.state), ['started', 'paired']);
});

test('after 20 rounds attempts are held back until somebody at the device allows them', () => {
  const t = new Talk(4).begin();
  t.store.change({ rounds: 19 });
  const begin = () => t.activate({ activities: ['pairing'], active_roles: [], pairing: { method: 'dynamic_pairing_code', format: 'digits' } });
  begin();
  round(t, 1, 1, t.bytes(32), '000000');
  assert.equal(t.all('pair/abort').pop()!.payload.reason, 'pairing_code_mismatch');
  begin();
  assert.equal(t.all('client/pair-pending').pop()!.payload.pairing_index, 2);
  t.session.allowPairing();
  assert.equal(t.all('client/pair-init').pop()!.payload.pairing_index, 2);
  t.now += 120_000_000;
  t.session.tick(t.now);
  t.session.tick(t.now);
  assert.equal(t.all('pair/abort').pop()!.payload.reason, 'attempt_timeout');
  assert.ok(!t.closed);
});

test('activations that are not admissible are answered as the specification says', () => {
  for (const [payload, type, reason] of [
    [{ activities: ['pairing'], pairing: { method: 'static_pairing_code' } }, 'pair/abort', 'method_not_supported'],
    [{ activities: ['pairing'], pairing: { method: 'pairing_psk' } }, 'pair/abort', 'method_not_supported'],
    [{ activities: ['playback', 'playback'] }, 'client/goodbye', 'unauthorized'],
    [{ activities: ['dancing'] }, 'client/goodbye', 'unauthorized'],
  ] as const) {
    const t = new Talk(5).begin();
    t.activate(payload);
    assert.equal(t.all(type).pop()?.payload.reason, reason, JSON.stringify(payload));
    assert.equal(t.closed, type === 'client/goodbye');
  }
});

test('a key that it does not have ends in the Sentinel, once; another server\'s key ends it all', () => {
  const lost = new Talk(6);
  lost.handshake(lost.bytes(32), 'lt');
  assert.equal(lost.told('open')[0]!.mismatch, true);
  assert.equal(lost.told('open')[0]!.paired, false);

  const psk = randomBytes(random(9), 32);
  const other = new Talk(7);
  other.store.put(base64url(randomBytes(random(10), 32)), psk, 1);
  other.handshake(psk, 'lt');
  assert.ok(other.closed);
  assert.equal(other.told('closed')[0]!.reason, 'protocol');

  const known = new Talk(8);
  known.store.put(known.serverId, psk, 1);
  known.handshake(psk, 'lt');
  assert.equal(known.told('open')[0]!.paired, true);

  const again = new Talk(9).begin();
  again.rehandshake(again.bytes(32), 'lt'); // no fallback here
  assert.ok(again.closed);
});

test('what follows a re-handshake is the activation, or the end', () => {
  const t = new Talk(10).begin();
  t.rehandshake(sentinelPsk, 'sn');
  t.send('group/update', { playback_state: 'stopped', group_id: 'g', group_name: 'G' });
  assert.ok(t.closed);
  const ok = new Talk(11).begin();
  ok.rehandshake(sentinelPsk, 'sn');
  const before = ok.received.length;
  ok.session.goodbye('user_request', 'stopped');
  assert.equal(ok.received.length, before, 'nothing may be sent now');
});

test('fragments are put together, and broken sequences end the connection', () => {
  const t = new Talk(12).begin();
  t.send('stream/start', stream);
  const big = pcmChunk(5, 40_000);
  t.binary(4, big);
  assert.equal(t.told('chunk')[0]!.channels[0]!.length, 40_000);
  for (const plains of [[[1, 0, 9]], [[1, 2, 4, 0], [1, 2, 4, 0]], [[1, 2, 4, 0], [4, 0]], [[1, 4, 4]], [[1, 2, 1]], [[1, 2]], [[1]], [[]]]) {
    const s = new Talk(13).begin();
    for (const p of plains) s.raw(Uint8Array.from(p));
    assert.ok(s.closed, JSON.stringify(plains));
  }
});

test('records beyond the capacity push out the one that was used least', () => {
  const t = new Talk(14);
  for (let i = 0; i < 12; i++) t.store.put(base64url(concat(Uint8Array.of(i), new Uint8Array(31))), t.bytes(32), i);
  assert.equal(t.store.data.records.length, 8);
  assert.equal(t.store.data.records[0]!.used, 4);
  const one = t.store.data.records[3]!;
  assert.deepEqual(t.store.find(one.server_id, pskId(fromBase64url(one.psk, 32)), 'lt'), fromBase64url(one.psk, 32));
  assert.equal(t.store.find(one.server_id, pskId(fromBase64url(one.psk, 32)), 'pr'), null, 'the category counts');
});

test('a server that falls silent is given up', () => {
  const t = new Talk(15).begin();
  for (let i = 0; i < 60 && !t.closed; i++) {
    t.now = Math.max(t.now, Math.min(t.session.due(), t.now + 30_000_000));
    t.session.tick(t.now);
  }
  assert.equal(t.told('closed')[0]?.reason, 'silent');
});
