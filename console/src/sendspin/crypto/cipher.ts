// The two cipher suites of the specification as Noise uses them.
import { gcm } from '@noble/ciphers/aes';
import { chacha20poly1305 } from '@noble/ciphers/chacha';
import { ProtocolError } from './bytes';

/** The <DH>_<cipher>_<hash> part of a Noise protocol name. */
export type Suite = '25519_ChaChaPoly_SHA256' | '25519_AESGCM_SHA256';

export const suites: readonly Suite[] = ['25519_ChaChaPoly_SHA256', '25519_AESGCM_SHA256'];

/** Bytes that sealing adds. */
export const overhead = 16;
/** Largest Noise message. */
export const maxMessage = 65535;
/** The most that one transport message carries. */
export const maxPlaintext = maxMessage - overhead;

const none = new Uint8Array(0);

/** The AEAD of a suite under one key and nonce (12 bytes). */
export const aead = (suite: Suite, key: Uint8Array, nonce: Uint8Array, ad: Uint8Array = none) =>
  suite === '25519_AESGCM_SHA256' ? gcm(key, nonce, ad) : chacha20poly1305(key, nonce, ad);

/** Noise's CipherState: a key and a counter. After a failure it opens nothing any more. */
export class CipherState {
  private n = 0;
  private dead = false;

  constructor(private readonly suite: Suite, private readonly key: Uint8Array) {}

  seal(plain: Uint8Array, ad: Uint8Array = none): Uint8Array {
    if (plain.length > maxPlaintext) throw new RangeError('a Noise message carries 65519 bytes at most');
    const out = aead(this.suite, this.key, this.nonce(), ad).encrypt(plain);
    this.n++;
    return out;
  }

  /** Throws ProtocolError when the message does not authenticate. */
  open(sealed: Uint8Array, ad: Uint8Array = none): Uint8Array {
    if (this.dead || sealed.length < overhead || sealed.length > maxMessage) {
      this.dead = true;
      throw new ProtocolError('a message has an impossible length, or follows one that did not authenticate');
    }
    try {
      const out = aead(this.suite, this.key, this.nonce(), ad).decrypt(sealed);
      this.n++;
      return out;
    } catch {
      this.dead = true;
      throw new ProtocolError('a message does not authenticate');
    }
  }

  /** 32 zero bits and the counter: little-endian for ChaCha20, big-endian for AES-GCM. */
  private nonce(): Uint8Array {
    const out = new Uint8Array(12);
    const view = new DataView(out.buffer);
    const hi = Math.floor(this.n / 2 ** 32);
    const lo = this.n >>> 0;
    if (this.suite === '25519_AESGCM_SHA256') {
      view.setUint32(4, hi);
      view.setUint32(8, lo);
    } else {
      view.setUint32(4, lo, true);
      view.setUint32(8, hi, true);
    }
    return out;
  }
}
