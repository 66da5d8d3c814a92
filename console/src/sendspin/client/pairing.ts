// The device's side of one pairing attempt: the one that a server/activate admits
// (specification: "Pairing"). It does no I/O: its methods return what is to be done.
import { base64url, ProtocolError, utf8 } from '../crypto/bytes';
import type { Suite } from '../crypto/cipher';
import { codeDigest, commit, digits, labelNonce, labelPsk, pakeSid, qrCode, wrap } from '../crypto/code';
import { Cpace, type CpaceKeys } from '../crypto/cpace';
import { codeToken } from '../crypto/pairtoken';
import type { Category } from '../crypto/psk';
import { encode, type ServerMessage } from '../wire/messages';

/** Rounds since the last verified server_kc after which attempts are held back. */
export const roundLimit = 20;
/** How long an attempt may take (µs). */
export const attemptTimeout = 120_000_000;

/** The methods that this device offers in client/hello. */
export const offers = {
  pairing_psk: { locations: ['device'] },
  dynamic_pairing_code: { out_channels: ['display'], formats: ['digits', 'qr_code'] },
} as const;

export type Effect =
  | { do: 'send'; message: string }
  /** Show the code: six digits, or the text of a QR code. */
  | { do: 'show'; format: 'digits' | 'qr_code'; code: string; round: number }
  | { do: 'paired'; psk: Uint8Array }
  | { do: 'held' }
  | { do: 'started' }
  | { do: 'ended'; outcome: 'paired' | 'aborted' | 'left'; reason: string };

export interface AttemptConfig {
  hash: Uint8Array;
  suite: Suite;
  matched: Category;
  /** Pairing activations since the last handshake, this one included. */
  index: number;
  method: string;
  format: string;
  random: (n: number) => Uint8Array;
  /** The device's count of rounds. */
  rounds: { get(): number; set(n: number): void };
}

type State = 'new' | 'held' | 'opening' | 'showing' | 'exchanging' | 'finalizing' | 'succeeded' | 'aborted' | 'over';

/** Whether a method may run: pairing_psk with the pairing PSK alone, codes with the Sentinel. */
export function permits(matched: Category, method: string, format: string): boolean {
  if (method === 'pairing_psk') return matched === 'pr';
  return method === 'dynamic_pairing_code' && matched === 'sn' && (offers.dynamic_pairing_code.formats as readonly string[]).includes(format);
}

export class Attempt {
  /** When it times out; Infinity while it does not run. */
  deadline = Infinity;
  private state: State = 'new';
  private round = 1;
  private nonceB = new Uint8Array(0);
  private psk = new Uint8Array(0);
  private code: { prs: Uint8Array; shown: string } | null = null;
  private sid = new Uint8Array(0);
  private keys: CpaceKeys | null = null;

  constructor(private readonly cfg: AttemptConfig) {}

  /** Answers the activation: starts, holds back, or refuses. */
  start(now: number): Effect[] {
    const { cfg } = this;
    if (!permits(cfg.matched, cfg.method, cfg.format)) return this.abort('method_not_supported');
    if (cfg.method === 'dynamic_pairing_code' && cfg.rounds.get() >= roundLimit) {
      this.state = 'held';
      return [send('client/pair-pending', { pairing_index: cfg.index }), { do: 'held' }];
    }
    return this.begin(now);
  }

  /** Starts a held attempt: the person at the device allowed it. */
  release(now: number): Effect[] {
    if (this.state !== 'held' || this.cfg.rounds.get() >= roundLimit) return [];
    return this.begin(now);
  }

  tick(now: number): Effect[] {
    return this.running() && now >= this.deadline ? this.abort('attempt_timeout') : [];
  }

  /** The person at the device wants no pairing. */
  cancel(): Effect[] {
    return this.live() ? this.abort('user_cancelled') : [];
  }

  /** A server/activate came, or the connection is gone. */
  leave(): Effect[] {
    const live = this.live();
    this.wipe(this.state === 'succeeded' ? 'succeeded' : 'over');
    return live ? [{ do: 'ended', outcome: 'left', reason: '' }] : [];
  }

  /** Takes a pairing message. Throws ProtocolError. */
  receive(m: ServerMessage): Effect[] {
    if (this.state === 'aborted') return []; // was under way when this device aborted
    switch (m.type) {
      case 'pair/abort': return this.aborted(m.reason);
      case 'server/pair-init': return this.beginRound(m.nonce);
      case 'server/pair-auth': return this.auth(m.share);
      case 'server/pair-confirm': return this.confirm(m.tag);
      case 'server/pair-finalize': return this.finalize();
    }
    throw new ProtocolError('not a pairing message');
  }

  private running(): boolean {
    return ['opening', 'showing', 'exchanging', 'finalizing'].includes(this.state);
  }

  private live(): boolean {
    return this.state === 'held' || this.running();
  }

  private expect(state: State): void {
    if (this.state !== state) throw new ProtocolError('a pairing message out of order');
  }

  private begin(now: number): Effect[] {
    const { cfg } = this;
    this.deadline = now + attemptTimeout;
    if (cfg.method === 'pairing_psk') {
      this.psk = cfg.random(32) as Uint8Array<ArrayBuffer>;
      this.state = 'finalizing';
      return [
        send('client/pair-init', { pairing_index: cfg.index }), { do: 'started' },
        send('client/pair-finalize', { long_term_psk: base64url(this.psk) }),
      ];
    }
    this.nonceB = cfg.random(32) as Uint8Array<ArrayBuffer>;
    this.state = 'opening';
    return [send('client/pair-init', { pairing_index: cfg.index, commit_B: base64url(commit(this.nonceB)) }), { do: 'started' }];
  }

  private beginRound(nonceA: Uint8Array | null): Effect[] {
    this.expect('opening');
    if ((this.round === 1) !== (nonceA !== null)) throw new ProtocolError('nonce_A belongs to the first round');
    const qr = this.cfg.format === 'qr_code';
    if (nonceA) {
      const digest = codeDigest(this.cfg.hash, nonceA, this.nonceB);
      const text = digits(digest);
      this.code = qr ? { prs: qrCode(digest), shown: codeToken(qrCode(digest)) } : { prs: utf8(text), shown: text };
    }
    this.cfg.rounds.set(this.cfg.rounds.get() + 1); // kept before the code is seen
    this.state = 'showing';
    return [{ do: 'show', format: qr ? 'qr_code' : 'digits', code: this.code!.shown, round: this.round }];
  }

  private auth(share: Uint8Array): Effect[] {
    this.expect('showing');
    const { cfg } = this;
    this.sid = pakeSid(cfg.hash, cfg.index, this.round) as Uint8Array<ArrayBuffer>;
    const run = new Cpace('responder', { prs: this.code!.prs, ci: new Uint8Array(0), sid: this.sid, ada: utf8('server'), adb: utf8('client') }, cfg.random(32));
    this.keys = run.finish(share);
    this.state = 'exchanging';
    return [send('client/pair-auth', { pake_msg_2: base64url(run.share) })];
  }

  private confirm(tag: Uint8Array): Effect[] {
    this.expect('exchanging');
    const { cfg } = this;
    const keys = this.keys!;
    if (!keys.verify(tag)) {
      this.keys = null;
      if (cfg.rounds.get() >= roundLimit) return this.abort('pairing_code_mismatch');
      this.round++;
      this.state = 'opening';
      return [send('client/pair-retry', {})];
    }
    cfg.rounds.set(0);
    this.psk = cfg.random(32) as Uint8Array<ArrayBuffer>;
    this.state = 'finalizing';
    const sealed = (label: string, value: Uint8Array) => base64url(wrap(cfg.suite, label, this.sid, keys.isk, value));
    return [
      send('client/pair-confirm', { client_kc: base64url(keys.tag), wrapped_nonce_B: sealed(labelNonce, this.nonceB) }),
      send('client/pair-finalize', { wrapped_psk: sealed(labelPsk, this.psk) }),
    ];
  }

  private finalize(): Effect[] {
    this.expect('finalizing');
    const psk = this.psk.slice();
    this.wipe('succeeded');
    return [{ do: 'paired', psk }, { do: 'ended', outcome: 'paired', reason: '' }];
  }

  private aborted(reason: string): Effect[] {
    if (!this.live()) return [];
    this.wipe('over');
    return [{ do: 'ended', outcome: 'aborted', reason }];
  }

  private abort(reason: string): Effect[] {
    this.wipe('aborted');
    return [send('pair/abort', { reason }), { do: 'ended', outcome: 'aborted', reason }];
  }

  private wipe(state: State): void {
    this.state = state;
    this.deadline = Infinity;
    this.psk.fill(0);
    this.nonceB.fill(0);
    this.code = null;
    this.keys = null;
  }
}

const send = (type: string, payload: Record<string, unknown>): Effect => ({ do: 'send', message: encode(type, payload) });
