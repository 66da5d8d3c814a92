// The client's own thread. Here the tab's rendering does not delay the clock's messages,
// and timers run on while the tab is in the background. The page loads this module to
// learn its address (workerUrl), and then runs it as a worker.
import { randomBytes } from '@noble/hashes/utils';
import { clockBase } from './clock/base';
import type { ClientEvent, CloseReason } from './client/events';
import { Session, type PlayerFacts } from './client/session';
import { Store, type Stored } from './client/store';

/** Where this module is, for `new Worker`. */
export const workerUrl: string = import.meta.url;

/** What the page asks of the worker. */
export type Command =
  | { do: 'start'; url: string; origin: number; name: string; product: string; version: string; stored: Stored; player: PlayerFacts }
  | { do: 'player'; volume?: number; muted?: boolean; outputDelayMs?: number }
  | { do: 'timing'; requiredLeadMs: number; minBufferMs: number }
  | { do: 'cancel-pairing' }
  | { do: 'allow-pairing' }
  | { do: 'stop' };

/** What the worker tells: the client's events, its attempts to connect, and a beat. */
export type Told = ClientEvent | { kind: 'connecting' } | { kind: 'retry'; inMs: number } | { kind: 'beat' };

/** The beat by which the page schedules audio (ms): its own timers rest in the background. */
const beatEvery = 40;
const backoffMin = 1000;
const backoffMax = 30_000;

type Start = Extract<Command, { do: 'start' }>;

class Runner {
  private session: Session | null = null;
  private socket: WebSocket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private backoff = backoffMin;
  private stopped = false;
  private readonly store: Store;
  private readonly beat: ReturnType<typeof setInterval>;

  constructor(private readonly cfg: Start, private readonly tell: (m: Told, transfer?: ArrayBuffer[]) => void) {
    this.store = new Store(cfg.stored, (stored) => tell({ kind: 'save', stored: structuredCloned(stored) }));
    this.beat = setInterval(() => tell({ kind: 'beat' }), beatEvery);
    this.connect();
  }

  /** The page's performance.now() in µs, and a little more than 0. */
  now(): number {
    return Math.round((performance.timeOrigin - this.cfg.origin + performance.now()) * 1000) + clockBase;
  }

  command(c: Command): void {
    const s = this.session;
    switch (c.do) {
      case 'player':
        return s ? s.setPlayer(c) : this.setPlayer(c);
      case 'timing':
        Object.assign(this.cfg.player, { requiredLeadMs: c.requiredLeadMs, minBufferMs: c.minBufferMs });
        return s?.refresh();
      case 'cancel-pairing': return s?.cancelPairing();
      case 'allow-pairing': return s?.allowPairing();
      case 'stop': return this.stop();
    }
  }

  /** Volume and delay without a connection: kept, and told to the next server. */
  private setPlayer(c: Extract<Command, { do: 'player' }>): void {
    const d = this.store.data;
    this.store.change({ volume: c.volume ?? d.volume, muted: c.muted ?? d.muted, output_delay_ms: c.outputDelayMs ?? d.output_delay_ms });
    this.tell({ kind: 'player', volume: d.volume, muted: d.muted, outputDelayMs: d.output_delay_ms, byServer: false });
  }

  private stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    clearInterval(this.beat);
    if (this.session) this.session.goodbye('user_request', 'stopped');
    else {
      this.socket?.close();
      this.tell({ kind: 'closed', reason: 'stopped' });
    }
  }

  private connect(): void {
    this.tell({ kind: 'connecting' });
    const socket = new WebSocket(this.cfg.url);
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    let session: Session | null = null;
    socket.onopen = () => {
      if (this.stopped) return;
      session = this.open(socket);
      this.arm();
    };
    socket.onmessage = (e) => {
      const at = this.now();
      session?.receive(typeof e.data === 'string' ? e.data : new Uint8Array(e.data as ArrayBuffer), at);
      this.arm();
    };
    socket.onclose = () => {
      if (session) session.gone();
      else if (this.socket === socket) this.closed('lost');
    };
  }

  private open(socket: WebSocket): Session {
    const { cfg } = this;
    this.session = new Session({
      name: cfg.name, product: cfg.product, version: cfg.version, suite: '25519_ChaChaPoly_SHA256', store: this.store, player: cfg.player,
      random: randomBytes, now: () => this.now(), send: (data) => { if (socket.readyState === WebSocket.OPEN) socket.send(data); },
      close: () => socket.close(),
      emit: (e, transfer) => {
        if (e.kind === 'active') this.backoff = backoffMin;
        if (e.kind === 'closed') this.closed(e.reason);
        else this.tell(e, transfer);
      },
    });
    return this.session;
  }

  private closed(reason: CloseReason): void {
    this.session = null;
    this.socket = null;
    clearTimeout(this.timer);
    this.tell({ kind: 'closed', reason });
    if (this.stopped) return;
    if (reason !== 'lost' && reason !== 'silent' && reason !== 'unpaired') this.backoff = backoffMax;
    const wait = this.backoff * (0.8 + 0.4 * Math.random());
    this.backoff = Math.min(backoffMax, this.backoff * 2);
    this.tell({ kind: 'retry', inMs: Math.round(wait) });
    this.timer = setTimeout(() => this.connect(), wait);
  }

  /** Sets the timer to what the session has due. */
  private arm(): void {
    const s = this.session;
    if (!s) return;
    clearTimeout(this.timer);
    const due = s.due();
    if (due === Infinity) return;
    this.timer = setTimeout(() => {
      s.tick(this.now());
      if (this.session === s) this.arm();
    }, Math.max(1, (due - this.now()) / 1000));
  }
}

const structuredCloned = (s: Stored): Stored => JSON.parse(JSON.stringify(s)) as Stored;

declare const WorkerGlobalScope: (new () => object) | undefined;

if (typeof WorkerGlobalScope !== 'undefined' && self instanceof WorkerGlobalScope) {
  const scope = self as unknown as { postMessage(m: unknown, transfer?: Transferable[]): void; onmessage: ((e: MessageEvent<Command>) => void) | null };
  let runner: Runner | null = null;
  scope.onmessage = (e) => {
    if (e.data.do === 'start') runner ??= new Runner(e.data, (m, transfer) => scope.postMessage(m, transfer ?? []));
    else runner?.command(e.data);
  };
}
