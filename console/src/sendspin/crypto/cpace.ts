// CPACE-X25519-SHA512 with explicit key confirmation (draft-irtf-cfrg-cpace-21), as the
// specification's section "PAKE" uses it. The client is the responder, B.
import { ed25519, x25519 } from '@noble/curves/ed25519';
import { hmac } from '@noble/hashes/hmac';
import { sha512 } from '@noble/hashes/sha2';
import { concat, equal, ProtocolError, utf8 } from './bytes';

export interface CpaceInput {
  prs: Uint8Array;
  ci: Uint8Array;
  sid: Uint8Array;
  ada: Uint8Array;
  adb: Uint8Array;
}

export interface CpaceKeys {
  isk: Uint8Array;
  /** This side's confirmation tag. */
  tag: Uint8Array;
  /** Whether a tag is the peer's. */
  verify(tag: Uint8Array): boolean;
}

/** A string with its length before it, as LEB128. */
function lv(...parts: Uint8Array[]): Uint8Array {
  return concat(...parts.flatMap((p) => [leb128(p.length), p]));
}

function leb128(n: number): Uint8Array {
  const out: number[] = [];
  do {
    const low = n & 0x7f;
    n >>>= 7;
    out.push(n > 0 ? low | 0x80 : low);
  } while (n > 0);
  return Uint8Array.from(out);
}

const Fp = ed25519.CURVE.Fp;
const A = 486662n;

/** The little-endian number in r, without bit 255. */
function fieldOf(r: Uint8Array): bigint {
  let n = 0n;
  for (let i = 31; i >= 0; i--) n = (n << 8n) | BigInt(i === 31 ? r[i]! & 0x7f : r[i]!);
  return Fp.create(n);
}

function bytesOf(n: bigint): Uint8Array {
  const out = new Uint8Array(32);
  for (let i = 0; i < 32; i++) {
    out[i] = Number(n & 0xffn);
    n >>= 8n;
  }
  return out;
}

/**
 * map_to_curve_elligator2 of RFC 9380 for Curve25519, u-coordinate alone. Not in constant
 * time: a code lives for one attempt, and who can measure this page has it on the screen.
 */
export function elligator2(r: Uint8Array): Uint8Array {
  const u = fieldOf(r);
  const v = Fp.neg(Fp.mul(A, Fp.inv(Fp.add(Fp.ONE, Fp.mul(2n, Fp.sqr(u))))));
  const w = Fp.mul(v, Fp.add(Fp.mul(v, Fp.add(v, A)), Fp.ONE));
  const square = Fp.eql(w, Fp.ZERO) || Fp.eql(Fp.pow(w, (Fp.ORDER - 1n) / 2n), Fp.ONE);
  return bytesOf(square ? v : Fp.neg(Fp.add(v, A)));
}

/** The generator that both sides make of the password. */
export function generator(prs: Uint8Array, ci: Uint8Array, sid: Uint8Array): Uint8Array {
  const head = lv(utf8('CPace255'), prs);
  const zeros = new Uint8Array(Math.max(0, 128 - 1 - head.length));
  return elligator2(sha512(concat(head, lv(zeros), lv(ci, sid))).slice(0, 32));
}

function multiply(scalar: Uint8Array, point: Uint8Array): Uint8Array {
  try {
    return x25519.scalarMult(scalar, point);
  } catch {
    throw new ProtocolError('an unusable CPace share');
  }
}

/** One party's side of one run. Scalars are for one use. */
export class Cpace {
  readonly share: Uint8Array;

  /** scalar: 32 bytes from a CSPRNG. */
  constructor(private readonly role: 'initiator' | 'responder', private readonly input: CpaceInput, private readonly scalar: Uint8Array) {
    this.share = multiply(scalar, generator(input.prs, input.ci, input.sid));
  }

  /** Takes the peer's share. Throws ProtocolError when it is not usable. */
  finish(peer: Uint8Array): CpaceKeys {
    if (peer.length !== 32) throw new ProtocolError('a CPace share of a wrong length');
    const { sid, ada, adb } = this.input;
    const k = multiply(this.scalar, peer);
    const [ya, yb] = this.role === 'initiator' ? [this.share, peer] : [peer, this.share];
    const a = lv(ya, ada);
    const b = lv(yb, adb);
    const isk = sha512(concat(lv(utf8('CPace255_ISK'), sid, k), a, b));
    const mac = sha512(concat(utf8('CPaceMac'), sid, isk));
    const ta = hmac(sha512, mac, a);
    const tb = hmac(sha512, mac, b);
    const [tag, other] = this.role === 'initiator' ? [ta, tb] : [tb, ta];
    return { isk, tag, verify: (t) => equal(t, other) };
  }
}
