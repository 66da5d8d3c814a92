import assert from 'node:assert/strict';
import { test } from 'node:test';
import { base64url, fromBase64url, ProtocolError, utf8 } from '../../src/sendspin/crypto/bytes';
import { suites, type Suite } from '../../src/sendspin/crypto/cipher';
import { Initiator, keyPair, Responder } from '../../src/sendspin/crypto/noise';
import { pskId, sentinelId, sentinelPsk } from '../../src/sendspin/crypto/psk';
import { hex, random, randomBytes, toHex, vectors } from './vectors';

interface Vector {
  protocol_name: string;
  init_prologue: string; init_psks: string[]; init_static: string; init_ephemeral: string; init_remote_static: string;
  resp_static: string; resp_ephemeral: string; resp_remote_static: string;
  handshake_hash: string;
  messages: { payload: string; ciphertext: string }[];
}

const all = vectors<Vector[]>('noise/testdata/kkpsk2.json');

test('the vectors have both suites', () => assert.equal(all.length, 2));

for (const v of all) {
  test(`KKpsk2 gives the known answers: ${v.protocol_name}`, () => {
    const suite = v.protocol_name.replace('Noise_KKpsk2_', '') as Suite;
    assert.ok(suites.includes(suite));
    const prologue = hex(v.init_prologue);
    const i = new Initiator({ suite, static: keyPair(hex(v.init_static)), peer: hex(v.init_remote_static), prologue, ephemeral: hex(v.init_ephemeral) });
    const r = new Responder({ suite, static: keyPair(hex(v.resp_static)), peer: hex(v.resp_remote_static), prologue, ephemeral: hex(v.resp_ephemeral) });
    const [m1, m2, ...rest] = v.messages as [Vector['messages'][0], Vector['messages'][0], ...Vector['messages']];
    const one = i.write(hex(m1.payload));
    assert.equal(toHex(one), m1.ciphertext);
    assert.equal(toHex(r.read(one)), m1.payload);
    const psk = hex(v.init_psks[0]!);
    const two = r.write(psk, hex(m2.payload));
    assert.equal(toHex(two.message), m2.ciphertext);
    const done = i.read(psk, two.message);
    assert.equal(toHex(done.payload), m2.payload);
    assert.equal(toHex(done.transport.hash), v.handshake_hash);
    assert.equal(toHex(two.transport.hash), v.handshake_hash);
    let [from, to] = [done.transport, two.transport];
    for (const m of rest) {
      const sealed = from.send.seal(hex(m.payload));
      assert.equal(toHex(sealed), m.ciphertext);
      assert.equal(toHex(to.receive.open(sealed)), m.payload);
      [from, to] = [to, from];
    }
  });
}

function pair(suite: Suite, next: () => number) {
  const server = keyPair(randomBytes(next, 32));
  const client = keyPair(randomBytes(next, 32));
  const prologue = utf8('both');
  return {
    i: new Initiator({ suite, static: server, peer: client.public, prologue, ephemeral: randomBytes(next, 32) }),
    r: new Responder({ suite, static: client, peer: server.public, prologue, ephemeral: randomBytes(next, 32) }),
  };
}

test('a changed byte anywhere is refused', () => {
  const next = random(1);
  for (const suite of suites) {
    const size = pair(suite, next).i.write(utf8('{}')).length;
    for (let at = 0; at < size; at++) {
      const { i, r } = pair(suite, next);
      const m = i.write(utf8('{}'));
      m[at]! ^= 1;
      // Bit 255 of a public key is not part of the number, but of what is hashed.
      assert.throws(() => r.read(m), ProtocolError, `byte ${at}`);
    }
    const { i, r } = pair(suite, next);
    r.read(i.write(utf8('{}')));
    const { transport } = r.write(sentinelPsk, utf8('{}'));
    const sealed = transport.send.seal(utf8('hello'));
    sealed[3]! ^= 0x80;
    assert.throws(() => transport.receive.open(sealed), ProtocolError);
    assert.throws(() => transport.receive.open(transport.send.seal(utf8('x'))), ProtocolError, 'a dead session opens nothing');
  }
});

test('random bytes and keys of low order are refused, never anything else', () => {
  const next = random(2);
  for (let n = 0; n < 200; n++) {
    const { r } = pair(suites[n % 2]!, next);
    assert.throws(() => r.read(randomBytes(next, Math.floor(next() * 200))), ProtocolError);
  }
  const { r } = pair(suites[0]!, next);
  assert.throws(() => r.read(new Uint8Array(64)), ProtocolError);
});

test('the Sentinel is the published constant', () => {
  assert.equal(toHex(sentinelPsk), '1b5e24dbc1aed95fc2a5a338a90c05df44bd10f5ec1f4cd66cbf86272767b9d3');
  assert.equal(sentinelId, 'GFsV9tLaSQm9HcFWpKsgYQOr7wFTvNUtkmFwuVz3zoo');
  assert.equal(pskId(sentinelPsk), sentinelId);
});

test('base64url is strict', () => {
  const next = random(3);
  for (const n of [0, 1, 2, 3, 32, 48, 64]) {
    const b = randomBytes(next, n);
    assert.deepEqual(fromBase64url(base64url(b), n), b);
    assert.equal(base64url(b), Buffer.from(b).toString('base64url'));
  }
  for (const bad of ['AAA=', 'AA+A', 'AB', 'AAAAA', 'A A', 7, null, undefined]) assert.throws(() => fromBase64url(bad, 1), ProtocolError);
  assert.throws(() => fromBase64url('AB', 1), ProtocolError, 'bits behind the last byte');
});
