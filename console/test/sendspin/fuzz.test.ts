// Whatever a server sends, the client answers with a closed connection at most.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError, utf8 } from '../../src/sendspin/crypto/bytes';
import { Assembler, parseAudio, pcm, split } from '../../src/sendspin/wire/fragments';
import { decode, decodeHandshakePayload } from '../../src/sendspin/wire/messages';
import { Talk } from './server';
import { random, randomBytes } from './vectors';

const onlyProtocolErrors = (f: () => unknown, what: string): void => {
  try {
    f();
  } catch (err) {
    assert.ok(err instanceof ProtocolError, `${what}: ${String(err)}`);
  }
};

const types = ['server/init', 'server/error', 'noise/handshake', 'server/hello', 'server/activate', 'server/time', 'server/command', 'stream/start',
  'stream/clear', 'stream/end', 'group/update', 'server/state', 'server/unpair', 'server/pair-init', 'server/pair-auth', 'server/pair-confirm',
  'server/pair-finalize', 'pair/abort', 'server/new-thing', 'constructor', '__proto__', 'toString', 'client/hello'];
const keys = ['activities', 'active_roles', 'pairing', 'method', 'format', 'player', 'command', 'volume', 'mute', 'output_delay_ms', 'codec', 'sample_rate',
  'channels', 'bit_depth', 'server_transmitted', 'roles', 'playback_state', 'group_id', 'group_name', 'nonce_A', 'pake_msg_1', 'server_kc', 'data', 'reason',
  'client_transmitted', 'server_received', 'name', 'languages', 'server_id', 'version', '__proto__'];

function value(next: () => number, depth = 0): unknown {
  const plain = [null, true, 1, -1, 1.5, 1e300, '', 'playback', ['player', 'pairing']];
  const pick = Math.floor(next() * (plain.length + (depth > 2 ? 0 : 2)));
  if (pick < plain.length) return plain[pick];
  return pick === plain.length ? [value(next, depth + 1)] : object(next, depth + 1);
}

function object(next: () => number, depth = 0): Record<string, unknown> {
  const o: Record<string, unknown> = {};
  for (let i = Math.floor(next() * 5); i > 0; i--) o[keys[Math.floor(next() * keys.length)]!] = value(next, depth);
  return o;
}

test('parsers throw ProtocolError and nothing else', () => {
  const next = random(21);
  for (let i = 0; i < 5000; i++) {
    const bytes = randomBytes(next, Math.floor(next() * 40));
    onlyProtocolErrors(() => decode(bytes), 'decode');
    onlyProtocolErrors(() => decodeHandshakePayload(bytes), 'handshake payload');
    onlyProtocolErrors(() => parseAudio(bytes), 'audio');
    onlyProtocolErrors(() => pcm(bytes, 1 + Math.floor(next() * 3), [8, 16, 24, 32, 7][Math.floor(next() * 5)]!), 'pcm');
    const m = { type: types[Math.floor(next() * types.length)], payload: next() < 0.1 ? value(next) : object(next) };
    onlyProtocolErrors(() => decode(JSON.stringify(m)), JSON.stringify(m));
    onlyProtocolErrors(() => decodeHandshakePayload(utf8(JSON.stringify(object(next)))), 'handshake payload');
  }
});

test('fragments come apart and together again', () => {
  const next = random(22);
  for (const size of [0, 1, 65_517, 65_518, 65_519, 131_033, 131_034, 131_035, 200_000]) {
    const payload = randomBytes(next, size);
    const a = new Assembler(1 << 20, () => true);
    const parts = split(4, payload);
    assert.ok(parts.every((p) => p.length <= 65_519));
    const out = parts.map((p) => a.add(p));
    assert.deepEqual(out.pop()?.payload, payload);
    assert.ok(out.every((o) => o === null));
  }
  for (let i = 0; i < 5000; i++) {
    const a = new Assembler(64, (id) => id === 4);
    for (let k = 0; k < 6; k++) onlyProtocolErrors(() => a.add(Uint8Array.of(...randomBytes(next, 3).map((b) => b % 6), ...randomBytes(next, k * 9))), 'fragment');
  }
});

test('a session survives everything or closes', () => {
  const next = random(23);
  for (let i = 0; i < 24; i++) {
    const t = new Talk(100 + i);
    if (i % 4 === 0) {
      t.session.receive(next() < 0.5 ? randomBytes(next, 50) : JSON.stringify({ type: types[i % types.length], payload: object(next) }), t.now);
      continue;
    }
    t.begin();
    for (let k = 0; k < 60 && !t.closed; k++) {
      const type = types[Math.floor(next() * types.length)]!;
      if (next() < 0.2) t.binary(Math.floor(next() * 24) + 2, randomBytes(next, Math.floor(next() * 40)));
      else t.send(type, object(next));
    }
    if (!t.closed) t.session.receive(randomBytes(next, 60), t.now);
    assert.ok(t.closed);
    assert.equal(t.told('closed').length, 1);
  }
});
