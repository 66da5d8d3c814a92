// The server's end of a connection, as far as the tests of the client need it.
import { base64url, fromBase64url, utf8 } from '../../src/sendspin/crypto/bytes';
import type { Suite } from '../../src/sendspin/crypto/cipher';
import { Initiator, keyPair, type Transport } from '../../src/sendspin/crypto/noise';
import { pskId, sentinelPsk, type Category } from '../../src/sendspin/crypto/psk';
import type { ClientEvent } from '../../src/sendspin/client/events';
import { Session } from '../../src/sendspin/client/session';
import { fresh, Store, type Stored } from '../../src/sendspin/client/store';
import { Assembler, split } from '../../src/sendspin/wire/fragments';
import { random, randomBytes } from './vectors';

export interface Received {
  type: string;
  payload: Record<string, any>;
}

/** A client under test and the server that it talks to, on a clock that the test moves. */
export class Talk {
  now = 1_000_000;
  readonly events: ClientEvent[] = [];
  readonly received: Received[] = [];
  closed = false;
  readonly session: Session;
  readonly store: Store;
  readonly key;
  hash = new Uint8Array(0);
  private readonly next;
  private keys: Transport | null = null;
  private init = '';
  private serverInit = '';
  private initiator: Initiator | null = null;
  private psk: Uint8Array = sentinelPsk;
  private rekey: Initiator | null = null;
  private readonly parts = new Assembler(1 << 20, () => true);
  /** Client messages are not answered while false. */
  answersTime = true;
  readonly serverAhead = 5_000_000_000;

  constructor(seed = 1, readonly suite: Suite = '25519_ChaChaPoly_SHA256', stored?: Stored, serverSecret?: Uint8Array) {
    this.next = random(seed);
    this.key = keyPair(serverSecret ?? this.bytes(32));
    this.store = new Store(stored ?? fresh((n) => this.bytes(n)), () => {});
    this.session = new Session({
      name: 'Tablet', product: 'Browser', version: '1', suite, store: this.store,
      player: { formats: [16, 24].map((bit_depth) => ({ codec: 'pcm', channels: 2, sample_rate: 48_000, bit_depth })), bufferCapacity: 1 << 20, requiredLeadMs: 300, minBufferMs: 700 },
      random: (n) => this.bytes(n), now: () => this.now, send: (d) => this.take(d), close: () => { this.closed = true; },
      emit: (e) => this.events.push(e),
    });
  }

  bytes(n: number): Uint8Array {
    return randomBytes(this.next, n);
  }

  get serverId(): string {
    return base64url(this.key.public);
  }

  /** What the client sent, of one type. */
  all(type: string): Received[] {
    return this.received.filter((m) => m.type === type);
  }

  told<K extends ClientEvent['kind']>(kind: K): Extract<ClientEvent, { kind: K }>[] {
    return this.events.filter((e) => e.kind === kind) as Extract<ClientEvent, { kind: K }>[];
  }

  private take(data: string | Uint8Array): void {
    if (typeof data === 'string') {
      const m = JSON.parse(data) as Received;
      if (m.type === 'client/init') this.init = data;
      if (m.type === 'noise/handshake') {
        const two = fromBase64url(m.payload.data, 50);
        let done;
        try {
          done = this.initiator!.read(this.psk, two);
        } catch {
          done = this.again().read(sentinelPsk, two); // the client fell back
        }
        this.keys = done.transport;
        this.hash = done.transport.hash as Uint8Array<ArrayBuffer>;
      }
      return;
    }
    const m = this.parts.add(this.keys!.receive.open(data));
    if (!m) return;
    const j = JSON.parse(new TextDecoder().decode(m.payload)) as Received;
    if (j.type === 'noise/handshake' && this.rekey) {
      const done = this.rekey.read(this.psk, fromBase64url(j.payload.data, 50));
      this.keys = done.transport;
      this.hash = done.transport.hash as Uint8Array<ArrayBuffer>;
      this.rekey = null;
      return;
    }
    this.received.push(j);
  }

  private ephemeral = new Uint8Array(0);
  private again(): Initiator {
    const peer = fromBase64url(JSON.parse(this.init).payload.client_id, 32);
    const i = new Initiator({ suite: this.suite, static: this.key, peer, prologue: utf8(this.init + this.serverInit), ephemeral: this.ephemeral });
    i.write(this.message1);
    return i;
  }
  private message1 = new Uint8Array(0);

  /** Steps 2 to 4: keyed by psk, referred to as category. */
  handshake(psk: Uint8Array = sentinelPsk, category: Category = 'sn', id = pskId(psk)): void {
    this.psk = psk;
    this.serverInit = JSON.stringify({ type: 'server/init', payload: { server_id: this.serverId, version: 1 } });
    this.ephemeral = this.bytes(32) as Uint8Array<ArrayBuffer>;
    this.message1 = utf8(JSON.stringify({ psk_id: id, psk_category: category })) as Uint8Array<ArrayBuffer>;
    const peer = fromBase64url(JSON.parse(this.init).payload.client_id, 32);
    this.initiator = new Initiator({ suite: this.suite, static: this.key, peer, prologue: utf8(this.init + this.serverInit), ephemeral: this.ephemeral });
    const one = this.initiator.write(this.message1);
    this.session.receive(this.serverInit, this.now);
    this.session.receive(JSON.stringify({ type: 'noise/handshake', payload: { data: base64url(one) } }), this.now);
  }

  /** Starts a re-handshake to a PSK; activate must follow. */
  rehandshake(psk: Uint8Array, category: Category): void {
    this.psk = psk;
    const peer = fromBase64url(JSON.parse(this.init).payload.client_id, 32);
    this.rekey = new Initiator({ suite: this.suite, static: this.key, peer, prologue: this.hash, ephemeral: this.bytes(32) });
    this.send('noise/handshake', { data: base64url(this.rekey.write(utf8(JSON.stringify({ psk_id: pskId(psk), psk_category: category })))) });
  }

  send(type: string, payload: Record<string, unknown>): void {
    this.binary(0, utf8(JSON.stringify({ type, payload })));
  }

  binary(id: number, payload: Uint8Array): void {
    for (const plain of split(id, payload)) this.session.receive(this.keys!.send.seal(plain), this.now);
  }

  /** A plaintext as it is, such as a fragment out of order. */
  raw(plain: Uint8Array): void {
    this.session.receive(this.keys!.send.seal(plain), this.now);
  }

  activate(payload: Record<string, unknown> = { activities: ['playback'], active_roles: ['player@v1'] }): void {
    this.send('server/activate', payload);
  }

  /** To the first activation, and until the clock is synchronized. */
  begin(psk?: Uint8Array, category?: Category): this {
    this.handshake(psk, category);
    this.send('server/hello', { name: 'House' });
    this.activate();
    this.clock();
    return this;
  }

  /** Answers time messages until client/state has come, or nothing more is due soon. */
  clock(): void {
    for (let i = 0; i < 200 && this.all('client/state').length === 0; i++) {
      if (this.session.due() > this.now) this.now = Math.min(this.session.due(), this.now + 3_000_000);
      this.session.tick(this.now);
      this.answerTime();
    }
  }

  answerTime(): void {
    for (let t = this.all('client/time').pop(); t && t !== this.answered; t = this.all('client/time').pop()) {
      this.answered = t;
      const t1 = t.payload.client_transmitted as number;
      this.now += 200;
      this.send('server/time', { client_transmitted: t1, server_received: t1 + this.serverAhead + 100, server_transmitted: t1 + this.serverAhead + 100 });
    }
  }
  private answered: Received | null = null;
}
