// Noise KKpsk2 over X25519 and SHA-256: the handshake of the specification's section
// "Encryption". The server is the initiator, the client the responder. crypto.subtle does
// not exist in pages over plain HTTP, hence the portable primitives.
import { x25519 } from '@noble/curves/ed25519';
import { hmac } from '@noble/hashes/hmac';
import { sha256 } from '@noble/hashes/sha2';
import { concat, ProtocolError, utf8 } from './bytes';
import { CipherState, overhead, type Suite } from './cipher';

export interface KeyPair {
  secret: Uint8Array;
  public: Uint8Array;
}

/** The key pair of a secret of 32 random bytes. */
export const keyPair = (secret: Uint8Array): KeyPair => ({ secret, public: x25519.getPublicKey(secret) });

/** Diffie-Hellman. Throws ProtocolError for a peer's key of low order. */
function dh(secret: Uint8Array, peer: Uint8Array): Uint8Array {
  try {
    return x25519.getSharedSecret(secret, peer);
  } catch {
    throw new ProtocolError('an unusable public key');
  }
}

export interface HandshakeConfig {
  suite: Suite;
  static: KeyPair;
  peer: Uint8Array;
  prologue: Uint8Array;
  /** The secret of the ephemeral key; 32 bytes from a CSPRNG. */
  ephemeral: Uint8Array;
}

/** The keys of a finished handshake. */
export interface Transport {
  send: CipherState;
  receive: CipherState;
  /** h: binds what is built on the handshake, and is the prologue of the next one. */
  hash: Uint8Array;
}

class SymmetricState {
  h: Uint8Array;
  private ck: Uint8Array;
  private cipher: CipherState | null = null;

  constructor(readonly suite: Suite, prologue: Uint8Array) {
    const name = utf8(`Noise_KKpsk2_${suite}`);
    this.h = name.length > 32 ? sha256(name) : concat(name, new Uint8Array(32 - name.length));
    this.ck = this.h;
    this.mixHash(prologue);
  }

  mixHash(data: Uint8Array): void {
    this.h = sha256(concat(this.h, data));
  }

  private hkdf(input: Uint8Array, n: number): Uint8Array[] {
    const temp = hmac(sha256, this.ck, input);
    const out: Uint8Array[] = [];
    for (let i = 1; i <= n; i++) out.push(hmac(sha256, temp, concat(out[i - 2] ?? new Uint8Array(0), Uint8Array.of(i))));
    return out;
  }

  mixKey(input: Uint8Array): void {
    const [ck, k] = this.hkdf(input, 2) as [Uint8Array, Uint8Array];
    this.ck = ck;
    this.cipher = new CipherState(this.suite, k);
  }

  mixKeyAndHash(input: Uint8Array): void {
    const [ck, h, k] = this.hkdf(input, 3) as [Uint8Array, Uint8Array, Uint8Array];
    this.ck = ck;
    this.mixHash(h);
    this.cipher = new CipherState(this.suite, k);
  }

  seal(plain: Uint8Array): Uint8Array {
    const out = this.cipher!.seal(plain, this.h);
    this.mixHash(out);
    return out;
  }

  open(sealed: Uint8Array): Uint8Array {
    const out = this.cipher!.open(sealed, this.h);
    this.mixHash(sealed);
    return out;
  }

  /** The keys of the initiator's messages and of the responder's. */
  split(): [CipherState, CipherState] {
    const [a, b] = this.hkdf(new Uint8Array(0), 2) as [Uint8Array, Uint8Array];
    return [new CipherState(this.suite, a), new CipherState(this.suite, b)];
  }
}

// KKpsk2:   -> s   <- s   ...   -> e, es, ss   <- e, ee, se, psk
// In a pattern with a PSK each ephemeral key is mixed into the key, too.

/** The client's end. */
export class Responder {
  private readonly s: SymmetricState;
  private readonly e: KeyPair;
  private re = new Uint8Array(0);

  constructor(private readonly cfg: HandshakeConfig) {
    this.s = new SymmetricState(cfg.suite, cfg.prologue);
    this.e = keyPair(cfg.ephemeral);
    this.s.mixHash(cfg.peer);
    this.s.mixHash(cfg.static.public);
  }

  /** Reads message 1 and returns its payload. Throws ProtocolError. */
  read(message: Uint8Array): Uint8Array {
    if (message.length < 32 + overhead) throw new ProtocolError('Noise message 1 is too short');
    this.re = message.slice(0, 32);
    this.s.mixHash(this.re);
    this.s.mixKey(this.re);
    this.s.mixKey(dh(this.cfg.static.secret, this.re));
    this.s.mixKey(dh(this.cfg.static.secret, this.cfg.peer));
    return this.s.open(message.slice(32));
  }

  /** Writes message 2 with the PSK that message 1 led to. */
  write(psk: Uint8Array, payload: Uint8Array): { message: Uint8Array; transport: Transport } {
    this.s.mixHash(this.e.public);
    this.s.mixKey(this.e.public);
    this.s.mixKey(dh(this.e.secret, this.re));
    this.s.mixKey(dh(this.e.secret, this.cfg.peer));
    this.s.mixKeyAndHash(psk);
    const message = concat(this.e.public, this.s.seal(payload));
    const [i, r] = this.s.split();
    return { message, transport: { send: r, receive: i, hash: this.s.h } };
  }
}

/** The server's end; the tests talk to the client with it. */
export class Initiator {
  private readonly s: SymmetricState;
  private readonly e: KeyPair;

  constructor(private readonly cfg: HandshakeConfig) {
    this.s = new SymmetricState(cfg.suite, cfg.prologue);
    this.e = keyPair(cfg.ephemeral);
    this.s.mixHash(cfg.static.public);
    this.s.mixHash(cfg.peer);
  }

  write(payload: Uint8Array): Uint8Array {
    this.s.mixHash(this.e.public);
    this.s.mixKey(this.e.public);
    this.s.mixKey(dh(this.e.secret, this.cfg.peer));
    this.s.mixKey(dh(this.cfg.static.secret, this.cfg.peer));
    return concat(this.e.public, this.s.seal(payload));
  }

  /** Reads message 2. Throws ProtocolError. */
  read(psk: Uint8Array, message: Uint8Array): { payload: Uint8Array; transport: Transport } {
    if (message.length < 32 + overhead) throw new ProtocolError('Noise message 2 is too short');
    const re = message.slice(0, 32);
    this.s.mixHash(re);
    this.s.mixKey(re);
    this.s.mixKey(dh(this.e.secret, re));
    this.s.mixKey(dh(this.cfg.static.secret, re));
    this.s.mixKeyAndHash(psk);
    const payload = this.s.open(message.slice(32));
    const [i, r] = this.s.split();
    return { payload, transport: { send: i, receive: r, hash: this.s.h } };
  }
}
