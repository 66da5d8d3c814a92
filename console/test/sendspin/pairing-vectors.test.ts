import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError } from '../../src/sendspin/crypto/bytes';
import { codeDigest, commit, digits, labelPsk, pakeSid, unwrap, wrap } from '../../src/sendspin/crypto/code';
import { Cpace, elligator2, generator } from '../../src/sendspin/crypto/cpace';
import { codeToken, pskToken } from '../../src/sendspin/crypto/pairtoken';
import { hex, toHex, vectors } from './vectors';

interface CpaceVectors {
  cpace: { prs: string; ci: string; sid: string; ada: string; adb: string; scalarA: string; scalarB: string; generator: string; Ya: string; Yb: string; isk: string; Ta?: string; Tb?: string }[];
  elligator2?: { r: string; x: string }[];
  x25519?: { s: string; points: { u: string; q: string }[] };
}

for (const file of ['sendspin.json', 'draft.json']) {
  test(`CPace gives the known answers: ${file}`, () => {
    const vs = vectors<CpaceVectors>(`pairing/cpace/testdata/${file}`);
    assert.ok(vs.cpace.length > 0);
    for (const v of vs.cpace) {
      const input = { prs: hex(v.prs), ci: hex(v.ci), sid: hex(v.sid), ada: hex(v.ada), adb: hex(v.adb) };
      assert.equal(toHex(generator(input.prs, input.ci, input.sid)), v.generator);
      const a = new Cpace('initiator', input, hex(v.scalarA));
      const b = new Cpace('responder', input, hex(v.scalarB));
      assert.equal(toHex(a.share), v.Ya);
      assert.equal(toHex(b.share), v.Yb);
      const ka = a.finish(b.share);
      const kb = b.finish(a.share);
      assert.equal(toHex(ka.isk), v.isk);
      assert.equal(toHex(kb.isk), v.isk);
      if (v.Ta) assert.equal(toHex(ka.tag), v.Ta);
      if (v.Tb) assert.equal(toHex(kb.tag), v.Tb);
      assert.ok(ka.verify(kb.tag) && kb.verify(ka.tag) && !ka.verify(ka.tag));
    }
  });
}

test('Elligator 2 gives the known answers', () => {
  const vs = vectors<CpaceVectors>('pairing/cpace/testdata/sendspin.json').elligator2!;
  assert.ok(vs.length > 0);
  for (const v of vs) assert.equal(toHex(elligator2(hex(v.r))), v.x);
});

test('shares of low order and of a wrong length are refused', () => {
  const input = { prs: hex('31'), ci: hex(''), sid: hex('01'), ada: hex('61'), adb: hex('62') };
  const low = vectors<CpaceVectors>('pairing/cpace/testdata/draft.json').x25519!.points.filter((p) => /^0+$/.test(p.q));
  assert.ok(low.length >= 7);
  for (const p of low) assert.throws(() => new Cpace('responder', input, new Uint8Array(32).fill(7)).finish(hex(p.u)), ProtocolError, p.u);
  for (const n of [0, 31, 33, 64]) assert.throws(() => new Cpace('responder', input, new Uint8Array(32).fill(7)).finish(new Uint8Array(n)), ProtocolError);
});

interface CodeVectors {
  derive_pin: { h: string; nonce_A: string; nonce_B: string; length: number; pin: string }[];
  commit_B: { nonce_B: string; commit: string };
  sid: { h: string; counter: number; sid: string };
  wrap_psk: { sid: string; isk: string; psk: string; wrapped: string };
}

test('codes, commitments, sids and wrappings give the known answers', () => {
  const v = vectors<CodeVectors>('pairing/testdata/pairing-code-2026-08.json');
  // The vectors of that time have another label, and a sid without the round's number.
  for (const p of v.derive_pin) {
    const d = codeDigest(hex(p.h), hex(p.nonce_A), hex(p.nonce_B), 'sendspin-pin-derive-v1');
    assert.equal(digits(d, p.length), p.pin);
  }
  assert.equal(toHex(commit(hex(v.commit_B.nonce_B))), v.commit_B.commit);
  assert.equal(toHex(pakeSid(hex(v.sid.h), v.sid.counter, 1)), v.sid.sid + '00000001');
  const w = v.wrap_psk;
  const sealed = wrap('25519_ChaChaPoly_SHA256', labelPsk, hex(w.sid), hex(w.isk), hex(w.psk));
  assert.equal(toHex(sealed), w.wrapped);
  assert.equal(toHex(unwrap('25519_ChaChaPoly_SHA256', labelPsk, hex(w.sid), hex(w.isk), sealed)), w.psk);
  const gcm = wrap('25519_AESGCM_SHA256', labelPsk, hex(w.sid), hex(w.isk), hex(w.psk));
  assert.equal(gcm.length, 48);
  assert.equal(toHex(unwrap('25519_AESGCM_SHA256', labelPsk, hex(w.sid), hex(w.isk), gcm)), w.psk);
});

test('tokens are those of the specification', () => {
  const from = (start: number, n: number) => Uint8Array.from({ length: n }, (_, i) => start + i);
  assert.equal(pskToken(from(0, 32), from(0xe0, 32)),
    'SP:0AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYP6BYPC4PSOLZXH5DU6V97M5XXO74HR6LZ7J5PW674PT6X37T6757Y');
  assert.equal(codeToken(from(0xe0, 24)), 'SP:14DQ6FY7E4XTOP9HJ5LV6Z3PO57YPD4XT6T97N5Y');
});
