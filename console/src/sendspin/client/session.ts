// A device's connection with a server, from client/init to the end: activation, clock,
// state, streams, commands, pairing. It does no I/O and has no clock: its owner hands in
// what arrived with the time, sends what comes out, and calls tick when due is reached.
import { ProtocolError } from '../crypto/bytes';
import type { Suite } from '../crypto/cipher';
import { Sync, burstSize } from '../clock/sync';
import { idAudio, idJson, parseAudio, pcm, type Binary } from '../wire/fragments';
import { decode, encode, type AudioFormat, type PlayerCommand, type ServerMessage } from '../wire/messages';
import { judge, playbackCapable, type Activate } from './activation';
import { Channel, RefusedError } from './channel';
import type { ClientEvent, CloseReason } from './events';
import { Attempt, offers, type Effect } from './pairing';
import type { Store } from './store';

const rolePlayer = 'player@v1';
/** Time for each step of the opening (µs). */
const stepTimeout = 30_000_000;
/** Unanswered client/time in a row after which the server is taken for dead. */
const lostLimit = 10;

/** What the player tells of itself. */
export interface PlayerFacts {
  formats: AudioFormat[];
  bufferCapacity: number;
  requiredLeadMs: number;
  minBufferMs: number;
}

export interface SessionConfig {
  name: string;
  product: string;
  version: string;
  suite: Suite;
  store: Store;
  player: PlayerFacts;
  random: (n: number) => Uint8Array;
  now: () => number;
  send: (data: string | Uint8Array) => void;
  close: () => void;
  emit: (e: ClientEvent, transfer?: ArrayBuffer[]) => void;
}

export class Session {
  private readonly channel: Channel;
  private readonly sync = new Sync();
  private phase: 'opening' | 'hello' | 'activate' | 'live' | 'over' = 'opening';
  private stepBy: number;
  private roles: string[] = [];
  private index = 0;
  private attempt: Attempt | null = null;
  private method = '';
  private owes = false;
  private stream: AudioFormat | null = null;

  constructor(private readonly cfg: SessionConfig) {
    this.stepBy = cfg.now() + stepTimeout;
    this.channel = new Channel(cfg);
  }

  /** When tick has something to do (client's µs). */
  due(): number {
    if (this.phase === 'over') return Infinity;
    const step = this.phase === 'live' ? Infinity : this.stepBy;
    return this.channel.held ? step : Math.min(step, this.sync.due(), this.attempt?.deadline ?? Infinity);
  }

  tick(now: number): void {
    if (this.phase === 'over' || this.channel.held) return;
    if (this.phase !== 'live' && now >= this.stepBy) {
      this.end('silent');
      return;
    }
    this.guard(() => {
      if (now >= this.sync.due()) {
        const send = this.sync.tick(now, this.roles.length > 0 ? burstSize : 1);
        if (this.sync.lost >= lostLimit) return this.end('silent');
        if (send) this.sendTime();
      }
      if (this.attempt) this.drive(this.attempt.tick(now));
    });
  }

  /** Takes a message of the WebSocket. */
  receive(data: string | Uint8Array, at: number): void {
    if (this.phase === 'over') return;
    this.guard(() => {
      const before = this.channel.handshakes;
      const m = this.channel.receive(data);
      if (before === 0 && this.channel.handshakes === 1) this.opened(at);
      if (m) this.message(m, at);
    });
  }

  /** The WebSocket is gone. */
  gone(): void {
    this.end('lost');
  }

  /** Says goodbye and closes; the reason is one of the specification's. */
  goodbye(reason: string, why: CloseReason): void {
    if (this.phase === 'over') return;
    // A held channel may send nothing else than the handshake.
    if (this.channel.handshakes > 0 && !this.channel.held) this.channel.sendJson(() => encode('client/goodbye', { reason }));
    this.end(why);
  }

  /** Changes the player's own settings, as the person at the device wants. */
  setPlayer(patch: { volume?: number; muted?: boolean; outputDelayMs?: number }): void {
    this.changePlayer(patch, false);
  }

  /** The player's timing changed. */
  refresh(): void {
    this.guard(() => this.report());
  }

  cancelPairing(): void {
    this.guard(() => this.drive(this.attempt?.cancel() ?? []));
  }

  /** The person at the device allows pairing again, after many wrong codes. */
  allowPairing(): void {
    this.cfg.store.change({ rounds: 0 });
    this.guard(() => this.drive(this.attempt?.release(this.cfg.now()) ?? []));
  }

  private guard(f: () => void): void {
    try {
      f();
    } catch (err) {
      if (err instanceof RefusedError) this.end('refused');
      else if (err instanceof ProtocolError) this.end('protocol');
      else throw err;
    }
  }

  private end(reason: CloseReason): void {
    if (this.phase === 'over') return;
    if (this.attempt) this.drive(this.attempt.leave().filter((e) => e.do !== 'send'));
    this.endStream();
    this.phase = 'over';
    this.channel.drop();
    this.cfg.close();
    this.cfg.emit({ kind: 'closed', reason });
  }

  private get paired(): boolean {
    return this.channel.matched === 'lt';
  }

  private opened(at: number): void {
    this.phase = 'hello';
    this.stepBy = at + stepTimeout;
    if (this.paired) this.cfg.store.touch(this.channel.serverId, Date.now());
    this.cfg.emit({ kind: 'open', serverId: this.channel.serverId, paired: this.paired, mismatch: this.channel.mismatch });
  }

  private send(type: string, payload: Record<string, unknown>): void {
    this.channel.sendJson(() => encode(type, payload));
  }

  private message(m: Binary, at: number): void {
    if (m.id !== idJson) {
      if (this.phase !== 'live') throw new ProtocolError('a binary message before the first server/activate');
      if (m.id === idAudio) this.audio(m.payload, at);
      return;
    }
    const j = decode(m.payload);
    if (this.phase === 'hello') {
      if (j.type !== 'server/hello') throw new ProtocolError('the first message is not server/hello');
      this.cfg.emit({ kind: 'server', name: j.name });
      this.phase = 'activate';
      this.stepBy = at + stepTimeout;
      this.send('client/hello', this.hello());
      return;
    }
    if (j.type === 'server/activate') return this.activate(j, at);
    if (this.phase === 'activate') throw new ProtocolError('a message before the first server/activate');
    this.live(j, at);
  }

  private hello(): Record<string, unknown> {
    const { cfg } = this;
    return {
      name: cfg.name, device_info: { product_name: cfg.product, manufacturer: 'Tutti', software_version: cfg.version },
      supported_roles: [rolePlayer],
      'player@v1_support': { supported_formats: cfg.player.formats, buffer_capacity: cfg.player.bufferCapacity },
      supported_pair_methods: offers, unpaired_access: { enabled: true },
    };
  }

  private live(m: ServerMessage, at: number): void {
    switch (m.type) {
      case 'server/time': {
        const r = this.sync.answer(m.t1, m.t2, m.t3, at);
        if (r.fed) this.synced();
        if (r.send) this.sendTime();
        return;
      }
      case 'server/command': return this.command(m.player);
      case 'stream/start': return this.streamStart(m.player);
      case 'stream/clear': if (this.stream && targets(m.roles)) this.cfg.emit({ kind: 'clear' }); return;
      case 'stream/end': if (targets(m.roles)) this.endStream(); return;
      case 'group/update': this.cfg.emit({ kind: 'group', playing: m.playing, groupId: m.groupId, groupName: m.groupName }); return;
      case 'server/unpair': return this.unpair();
      case 'server/pair-init': case 'server/pair-auth': case 'server/pair-confirm': case 'server/pair-finalize':
        if (!this.attempt) throw new ProtocolError('a pairing message without an attempt');
        return this.drive(this.attempt.receive(m));
      case 'pair/abort': return this.drive(this.attempt?.receive(m) ?? []);
      case 'ignored': return;
    }
    throw new ProtocolError(`${m.type} is out of order`);
  }

  // ---- Activation.

  private activate(m: Activate, at: number): void {
    const { channel } = this;
    if (this.attempt) this.drive(this.attempt.leave());
    if (channel.handshakes !== this.keysSeen) {
      this.keysSeen = channel.handshakes;
      this.index = 0;
      this.attempt = null;
      if (this.paired) this.cfg.store.touch(channel.serverId, Date.now());
    }
    if (m.pairing) this.index++;
    const first = this.phase === 'activate';
    this.phase = 'live';
    const verdict = judge(m, channel.matched, true);
    if (verdict === 'pairing_required' || verdict === 'unauthorized') return this.goodbye(verdict, verdict);
    if (verdict === 'admissible') this.apply(m, first, at);
    channel.flush();
    if (m.pairing) this.startAttempt(m.pairing);
  }
  private keysSeen = 1;

  private apply(m: Activate, first: boolean, at: number): void {
    let roles = m.roles ?? (first || !playbackCapable(m.activities, this.channel.matched, true) ? [] : this.roles);
    roles = roles.filter((r, i) => r === rolePlayer && roles.indexOf(r) === i);
    const added = roles.length > this.roles.length;
    if (roles.length < this.roles.length) this.endStream();
    this.roles = roles;
    this.sync.begin(at);
    this.cfg.emit({ kind: 'active', playing: roles.length > 0, activities: m.activities, paired: this.paired });
    if (added) this.report();
  }

  private unpair(): void {
    if (!this.paired) return;
    this.cfg.store.remove(this.channel.serverId);
    this.cfg.emit({ kind: 'unpaired' });
    this.goodbye('unpaired', 'unpaired');
  }

  // ---- Clock and state.

  private sendTime(): void {
    this.channel.sendJson(() => {
      const t1 = this.cfg.now();
      this.sync.sending(t1);
      return encode('client/time', { client_transmitted: t1 });
    });
  }

  private synced(): void {
    const f = this.sync.filter;
    this.cfg.emit({ kind: 'sync', sync: { ...f.mapping(), stdDev: f.stdDev(), maxError: this.sync.maxError, converged: f.converged() } });
    if (this.owes) this.report();
  }

  /** Sends client/state, once the clock is synchronized. */
  private report(): void {
    if (this.phase !== 'live' || this.roles.length === 0) return;
    if (!this.sync.filter.converged()) {
      this.owes = true;
      return;
    }
    this.owes = false;
    const d = this.cfg.store.data;
    this.send('client/state', {
      available: true,
      player: {
        volume: d.volume, muted: d.muted, output_delay_ms: d.output_delay_ms,
        required_lead_time_ms: this.cfg.player.requiredLeadMs, min_buffer_ms: this.cfg.player.minBufferMs,
        supported_commands: ['volume', 'mute', 'set_output_delay'],
      },
    });
  }

  private changePlayer(patch: { volume?: number; muted?: boolean; outputDelayMs?: number }, byServer: boolean): void {
    const { store } = this.cfg;
    const clamp = (v: number, max: number) => Math.min(Math.max(Math.round(v), 0), max);
    store.change({
      volume: clamp(patch.volume ?? store.data.volume, 100), muted: patch.muted ?? store.data.muted,
      output_delay_ms: clamp(patch.outputDelayMs ?? store.data.output_delay_ms, 5000),
    });
    const d = store.data;
    this.cfg.emit({ kind: 'player', volume: d.volume, muted: d.muted, outputDelayMs: d.output_delay_ms, byServer });
    this.guard(() => this.report());
  }

  private command(c: PlayerCommand | null): void {
    if (!c || this.roles.length === 0 || c.command === 'other') return;
    if (c.command === 'volume') this.changePlayer({ volume: c.volume }, true);
    else if (c.command === 'mute') this.changePlayer({ muted: c.mute }, true);
    else this.changePlayer({ outputDelayMs: c.ms }, true);
  }

  // ---- Streams.

  private streamStart(f: AudioFormat | null): void {
    if (!f || this.roles.length === 0) return;
    const listed = this.cfg.player.formats.some((x) =>
      x.codec === f.codec && x.sample_rate === f.sample_rate && x.channels === f.channels && x.bit_depth === f.bit_depth);
    if (!listed) throw new ProtocolError('a format that is not listed');
    const fresh = this.stream === null;
    this.stream = f;
    this.cfg.emit({ kind: 'stream', rate: f.sample_rate, channels: f.channels, bits: f.bit_depth, fresh });
  }

  private audio(payload: Uint8Array, at: number): void {
    const chunk = parseAudio(payload);
    if (!this.stream) return; // outside of a stream
    const channels = pcm(chunk.data, this.stream.channels, this.stream.bit_depth);
    this.cfg.emit({ kind: 'chunk', timestamp: chunk.timestamp, channels, arrived: at }, channels.map((c) => c.buffer as ArrayBuffer));
  }

  private endStream(): void {
    if (!this.stream) return;
    this.stream = null;
    this.cfg.emit({ kind: 'end' });
  }

  // ---- Pairing.

  private startAttempt(p: { method: string; format: string }): void {
    const { store } = this.cfg;
    this.method = p.method;
    this.attempt = new Attempt({
      hash: this.channel.hash, suite: this.cfg.suite, matched: this.channel.matched, index: this.index, method: p.method, format: p.format,
      random: this.cfg.random, rounds: { get: () => store.data.rounds, set: (rounds) => store.change({ rounds }) },
    });
    this.drive(this.attempt.start(this.cfg.now()));
  }

  private drive(effects: Effect[]): void {
    const tell = (state: 'held' | 'started' | 'paired' | 'aborted' | 'left', reason = '') =>
      this.cfg.emit({ kind: 'pairing', state, method: this.method, reason });
    for (const e of effects) {
      switch (e.do) {
        case 'send': this.channel.sendJson(() => e.message); break;
        case 'show': this.cfg.emit({ kind: 'code', format: e.format, code: e.code, round: e.round }); break;
        case 'paired': this.cfg.store.put(this.channel.serverId, e.psk, Date.now()); e.psk.fill(0); break;
        case 'held': tell('held'); break;
        case 'started': tell('started'); break;
        case 'ended': tell(e.outcome, e.reason); break;
      }
    }
  }
}

/** Whether stream/clear or stream/end is for the player. */
const targets = (roles: string[] | null): boolean => roles === null || roles.includes('player');
