// Codes and tokens of pairing as people give them: typed, pasted, scanned.
import type { Client, Pairing, PairMethod } from '../../../api/types';

/** Digits of the codes, where the attempt does not say (section Pairing Code Presentation). */
export const dynamicDigits = 6;
export const staticDigits = 8;
/** No code is longer than this; a server that says otherwise is not followed. */
const mostDigits = 32;

/** How many digits the code of an attempt has; 0 for a scanned one. */
export function codeLength(p: Pick<Pairing, 'method' | 'format' | 'code_length'>): number {
  if (p.method === 'pairing_psk' || p.format === 'qr_code') return 0;
  if (p.code_length && p.code_length > 0) return Math.min(p.code_length, mostDigits);
  return p.method === 'static_pairing_code' ? staticDigits : dynamicDigits;
}

/** How a code is cut into groups, as the device prints it: 3 3, 4 4, else by fours. */
export function grouping(length: number): number[] {
  if (length === 6) return [3, 3];
  if (length === 9) return [3, 3, 3];
  const out: number[] = [];
  for (let left = length; left > 0; left -= 4) out.push(Math.min(4, left));
  return out;
}

/** The digits of what was typed or pasted, in any script that writes them, separators left out. */
export function digits(text: string, most = mostDigits): string {
  let out = '';
  for (const sign of text.normalize('NFKC')) {
    const d = digitValue(sign);
    if (d >= 0) out += d;
    if (out.length >= most) break;
  }
  return out;
}

/** Zeros of the scripts whose keyboards give other digits than ours. */
const zeros = [0x30, 0x660, 0x6f0, 0x966, 0x9e6];

function digitValue(sign: string): number {
  const at = sign.codePointAt(0)!;
  const zero = zeros.find((z) => at >= z && at <= z + 9);
  return zero === undefined ? -1 : at - zero;
}

/** A code in its groups: "123 456". */
export function grouped(code: string, length = code.length): string {
  const out: string[] = [];
  let at = 0;
  for (const n of grouping(length)) {
    if (at < code.length) out.push(code.slice(at, at + n));
    at += n;
  }
  return out.join(' ');
}

export interface Token {
  /** 0: the device's key and its pairing secret. 1: a code that was scanned. */
  version: 0 | 1;
  /** As it is sent: prefix, capitals, nothing around it. It holds a secret. */
  text: string;
  /** The device's key, of version 0. */
  clientId?: string;
}

/** Why something is no token. */
export type NoToken = 'empty' | 'digits' | 'version' | 'damaged' | 'short' | 'other';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
/** Bytes that each version defines; more are left alone (section Pairing Token). */
const payloadBytes = [64, 24];

/** Reads a pairing token as it is given: case, white space around it and a missing prefix do not matter. */
export function readToken(given: string): Token | NoToken {
  let s = given.trim().replace(/[a-z]/g, (c) => c.toUpperCase());
  if (s === '') return 'empty';
  const prefixed = s.startsWith('SP:');
  if (prefixed) s = s.slice(3);
  else if (/^[\d\s-]{4,12}$/.test(s)) return 'digits';
  const version = s[0];
  if (version !== '0' && version !== '1') return prefixed ? 'version' : 'other';
  const body = s.slice(1).replace(/=+$/, '');
  if (!/^[A-Z2-79]*$/.test(body)) return prefixed ? 'damaged' : 'other';
  const bytes = decode(body.replaceAll('9', '2'));
  if (bytes.length < payloadBytes[Number(version)]!) return 'short';
  const token: Token = { version: Number(version) as 0 | 1, text: `SP:${version}${body}` };
  if (version === '0') token.clientId = base64url(bytes.subarray(0, 32));
  return token;
}

function decode(base32: string): Uint8Array {
  const out = new Uint8Array(Math.floor((base32.length * 5) / 8));
  let bits = 0;
  let have = 0;
  let at = 0;
  for (const c of base32) {
    bits = ((bits << 5) | alphabet.indexOf(c)) & 0xfff;
    have += 5;
    if (have >= 8) {
      have -= 8;
      out[at++] = (bits >> have) & 0xff;
    }
  }
  return out;
}

const base64url = (b: Uint8Array): string =>
  btoa(String.fromCharCode(...b)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');

/** A way to pair that a person chooses. */
export interface Way {
  kind: 'digits' | 'qr' | 'token' | 'static';
  method: PairMethod['method'];
  format?: 'digits' | 'qr_code';
  offer: PairMethod;
}

/**
 * The ways that a device offers, the best first: a code that is made for this very
 * connection, then the secret of a token, and last a code that never changes.
 */
export function ways(c: Pick<Client, 'pair_methods'>): Way[] {
  const out: Way[] = [];
  for (const offer of c.pair_methods) {
    const formats = offer.formats?.length ? offer.formats : ['digits'];
    if (offer.method === 'dynamic_pairing_code') {
      if (formats.includes('digits')) out.push({ kind: 'digits', method: offer.method, format: 'digits', offer });
      if (formats.includes('qr_code')) out.push({ kind: 'qr', method: offer.method, format: 'qr_code', offer });
    }
    if (offer.method === 'pairing_psk') out.push({ kind: 'token', method: offer.method, offer });
    if (offer.method === 'static_pairing_code') out.push({ kind: 'static', method: offer.method, offer });
  }
  const order = ['digits', 'qr', 'token', 'static'];
  return out.sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
}

export const ended = (p: Pick<Pairing, 'state'>): boolean => p.state === 'paired' || p.state === 'failed' || p.state === 'cancelled';
