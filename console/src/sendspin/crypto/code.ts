// What the dynamic pairing code is made of, and what is sealed under the outcome of a
// CPace run (specification: "Dynamic Pairing Code Flow", "PAKE", "Wrapping").
import { sha256 } from '@noble/hashes/sha2';
import { concat, u32, utf8 } from './bytes';
import { aead, type Suite } from './cipher';

/** commit_B of a nonce. */
export const commit = (nonceB: Uint8Array): Uint8Array => sha256(concat(utf8('sendspin-pair-commit-v1'), nonceB));

/** What both forms of the code come from: h and the nonces, 32 bytes each. */
export const codeDigest = (h: Uint8Array, nonceA: Uint8Array, nonceB: Uint8Array, label = 'sendspin-pairing-code-derive-v1'): Uint8Array =>
  sha256(concat(utf8(label), h, nonceA, nonceB));

/** The code as decimal digits. */
export function digits(digest: Uint8Array, n = 6): string {
  let v = 0n;
  for (const b of digest) v = (v << 8n) | BigInt(b);
  return (v % 10n ** BigInt(n)).toString().padStart(n, '0');
}

/** The code as the 24 bytes of a QR code. */
export const qrCode = (digest: Uint8Array): Uint8Array => digest.slice(0, 24);

/** sid of a CPace run: index counts pairing activations since the handshake, round rounds. */
export const pakeSid = (h: Uint8Array, index: number, round: number): Uint8Array =>
  concat(utf8('sendspin-pair-pake-v1'), h, u32(index), u32(round));

export const labelPsk = 'sendspin-pair-psk-wrap-v1';
export const labelNonce = 'sendspin-pair-nonce-wrap-v1';

function wrapAead(suite: Suite, label: string, sid: Uint8Array, isk: Uint8Array) {
  return aead(suite, sha256(concat(utf8(label), sid, isk)), new Uint8Array(12));
}

/** Seals 32 bytes. One value for each label, sid and ISK. */
export const wrap = (suite: Suite, label: string, sid: Uint8Array, isk: Uint8Array, value: Uint8Array): Uint8Array =>
  wrapAead(suite, label, sid, isk).encrypt(value);

/** Opens what wrap sealed; throws on anything else. */
export const unwrap = (suite: Suite, label: string, sid: Uint8Array, isk: Uint8Array, sealed: Uint8Array): Uint8Array =>
  wrapAead(suite, label, sid, isk).decrypt(sealed);
