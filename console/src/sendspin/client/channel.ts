// One secured connection from the client's end: the cleartext opening, Noise, fragments
// and re-handshakes (specification: "Communication", "Encryption"). It does no I/O: its
// owner hands in what arrived and sends what comes out.
import { base64url, concat, ProtocolError, utf8 } from '../crypto/bytes';
import type { Suite } from '../crypto/cipher';
import { Responder, type Transport } from '../crypto/noise';
import { sentinelId, sentinelPsk, type Category } from '../crypto/psk';
import { Assembler, idAudio, idJson, split, type Binary } from '../wire/fragments';
import { decode, decodeHandshakePayload, encode, type ServerMessage } from '../wire/messages';
import type { Store } from './store';

const maxMessageSize = 4 << 20;

export interface ChannelConfig {
  suite: Suite;
  store: Store;
  random: (n: number) => Uint8Array;
  send: (data: string | Uint8Array) => void;
}

/** The server refused client/init; its reason is not authenticated. */
export class RefusedError extends Error {
  constructor(readonly reason: string) {
    super('the server refused the connection');
  }
}

export class Channel {
  /** server_id; proven when the channel is open. */
  serverId = '';
  /** What the session is keyed by. */
  matched: Category = 'sn';
  /** The client could not use what the server referred to, and fell back to the Sentinel. */
  mismatch = false;
  /** h of the last handshake. */
  hash: Uint8Array = new Uint8Array(32);
  /** Counts handshakes: 0 while the channel is not open. */
  handshakes = 0;
  /** server/activate must be the next message; nothing may be sent until then. */
  held = false;

  private state: 'init' | 'message 1' | 'open' = 'init';
  private readonly init: Uint8Array;
  private prologue: Uint8Array = new Uint8Array(0);
  private peer: Uint8Array = new Uint8Array(0);
  private keys: Transport | null = null;
  private readonly parts = new Assembler(maxMessageSize, (id) => id === idJson || id === idAudio);
  private waiting: (() => string)[] = [];

  constructor(private readonly cfg: ChannelConfig) {
    const init = encode('client/init', { client_id: cfg.store.clientId, version: 1, suite: cfg.suite });
    this.init = utf8(init);
    cfg.send(init);
  }

  /**
   * Takes what arrived; returns a message, or null when there is none for the owner.
   * Throws ProtocolError or RefusedError: the owner closes without another word.
   */
  receive(data: string | Uint8Array): Binary | null {
    if (this.state !== 'open') {
      if (typeof data !== 'string') throw new ProtocolError('a binary message before the handshake');
      this.open(data);
      return null;
    }
    if (typeof data === 'string') throw new ProtocolError('a cleartext message in transport mode');
    const m = this.parts.add(this.keys!.receive.open(data));
    if (!m) return null;
    if (this.held && (m.id !== idJson || decode(m.payload).type !== 'server/activate')) {
      throw new ProtocolError('something else than server/activate after a re-handshake');
    }
    if (this.held) {
      this.held = false;
      return m;
    }
    if (m.id !== idJson) return m;
    const handshake = peek(m.payload) ? decode(m.payload) : null;
    if (handshake?.type !== 'noise/handshake') return m;
    this.answerRehandshake(handshake.data);
    return null;
  }

  /** Sends a JSON message; build is called when it leaves. While held, messages wait for flush. */
  sendJson(build: () => string): void {
    if (this.held) {
      this.waiting.push(build);
      return;
    }
    for (const plain of split(idJson, utf8(build()))) this.cfg.send(this.keys!.send.seal(plain));
  }

  /** Sends what waited, after the owner has applied the server/activate. */
  flush(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const build of waiting) this.sendJson(build);
  }

  /** Drops what waited for a session that is over. */
  drop(): void {
    this.waiting = [];
  }

  private open(body: string): void {
    const m: ServerMessage = decode(body);
    if (this.state === 'init') {
      if (m.type === 'server/error') throw new RefusedError(m.reason);
      if (m.type !== 'server/init') throw new ProtocolError('the first message is not server/init');
      this.serverId = m.serverId;
      this.peer = m.serverKey;
      this.prologue = concat(this.init, utf8(body));
      this.state = 'message 1';
      return;
    }
    if (m.type !== 'noise/handshake') throw new ProtocolError('the second message is not noise/handshake');
    const done = this.respond(m.data, this.prologue, true);
    this.cfg.send(done.message);
    this.adopt(done);
    this.state = 'open';
  }

  private answerRehandshake(message1: Uint8Array): void {
    const done = this.respond(message1, this.hash, false);
    for (const plain of split(idJson, utf8(done.message))) this.cfg.send(this.keys!.send.seal(plain));
    this.adopt(done);
    this.held = true;
  }

  private respond(message1: Uint8Array, prologue: Uint8Array, fallback: boolean) {
    const { store, suite, random } = this.cfg;
    const r = new Responder({ suite, static: store.identity, peer: this.peer, prologue, ephemeral: random(32) });
    const ref = decodeHandshakePayload(r.read(message1));
    const { psk, matched, mismatch } = this.choose(ref.pskId, ref.category, fallback);
    const { message, transport } = r.write(psk, utf8('{}'));
    return { message: encode('noise/handshake', { data: base64url(message) }), transport, matched, mismatch };
  }

  /** The PSK that message 1 refers to (specification: "Pre-Shared Key", "Sentinel Fallback"). */
  private choose(id: string, category: Category, fallback: boolean): { psk: Uint8Array; matched: Category; mismatch: boolean } {
    if (category === 'sn') {
      if (id === sentinelId) return { psk: sentinelPsk, matched: 'sn', mismatch: false };
    } else {
      const psk = this.cfg.store.find(this.serverId, id, category);
      if (psk === 'misbound') throw new ProtocolError('the key belongs to another server');
      if (psk) return { psk, matched: category, mismatch: false };
    }
    if (!fallback) throw new ProtocolError('the server refers to a key that is not held');
    return { psk: sentinelPsk, matched: 'sn', mismatch: true };
  }

  private adopt(r: { transport: Transport; matched: Category; mismatch: boolean }): void {
    this.keys = r.transport;
    this.hash = r.transport.hash;
    this.matched = r.matched;
    this.mismatch = this.handshakes === 0 ? r.mismatch : this.mismatch;
    this.handshakes++;
  }
}

/** Whether a JSON body may be a noise/handshake: spares the usual message a second parse. */
function peek(body: Uint8Array): boolean {
  if (body.length > 4096) return false; // message 1 has some 200 bytes
  let s = '';
  for (const b of body) s += String.fromCharCode(b);
  return s.includes('noise') || s.includes('\\');
}
