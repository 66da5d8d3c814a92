// Bytes and the text forms that the protocol writes them in.

/** Something the peer sent breaks the protocol. Its text never repeats what was sent. */
export class ProtocolError extends Error {
  override name = 'ProtocolError';
}

export const utf8 = (s: string): Uint8Array => new TextEncoder().encode(s);

/** Throws ProtocolError unless b is valid UTF-8. */
export function fromUtf8(b: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(b);
  } catch {
    throw new ProtocolError('not valid UTF-8');
  }
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

/** Compares without telling by its time where the first difference is. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let d = 0;
  for (let i = 0; i < a.length; i++) d |= a[i]! ^ b[i]!;
  return d === 0;
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const values = new Map([...alphabet].map((c, i) => [c, i]));

/** base64url without padding (RFC 4648 section 5). */
export function base64url(b: Uint8Array): string {
  let out = '';
  for (let i = 0; i < b.length; i += 3) {
    const n = (b[i]! << 16) | ((b[i + 1] ?? 0) << 8) | (b[i + 2] ?? 0);
    const take = Math.min(3, b.length - i) + 1;
    for (let k = 0; k < take; k++) out += alphabet[(n >> (18 - 6 * k)) & 63];
  }
  return out;
}

/**
 * Reads base64url of exactly length bytes: no padding, no other characters, and no bits
 * set behind the last byte. Throws ProtocolError.
 */
export function fromBase64url(s: unknown, length: number): Uint8Array {
  if (typeof s !== 'string' || s.length !== Math.ceil((length * 4) / 3)) throw new ProtocolError(`not base64url of ${length} bytes`);
  const out = new Uint8Array(length);
  let bits = 0;
  let have = 0;
  let at = 0;
  for (const c of s) {
    const v = values.get(c);
    if (v === undefined) throw new ProtocolError(`not base64url of ${length} bytes`);
    bits = ((bits << 6) | v) & 0xffff;
    have += 6;
    if (have >= 8) {
      have -= 8;
      out[at++] = (bits >> have) & 0xff;
    }
  }
  if ((bits & ((1 << have) - 1)) !== 0) throw new ProtocolError(`not base64url of ${length} bytes`);
  return out;
}

/** As fromBase64url, of any length. Throws ProtocolError. */
export function fromBase64urlAny(s: unknown): Uint8Array {
  if (typeof s !== 'string' || s.length % 4 === 1) throw new ProtocolError('not base64url');
  return fromBase64url(s, Math.floor((s.length * 3) / 4));
}

/** A big-endian unsigned integer of 4 bytes. */
export function u32(n: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, n);
  return out;
}
