// This browser as a speaker: one for the whole console, whatever page is shown. It starts
// with a tap (browsers let nobody sound before), and ends with stop or the tab.
import { signal } from '@preact/signals';
import { Engine, openContext, type EngineStats } from './audio/engine';
import type { CloseReason, SyncState } from './client/events';
import { clockBase } from './clock/base';
import { forget, identity, load, save, storeName, describe } from './device';
import type { Command, Told } from './worker';

export interface SpeakerState {
  on: boolean;
  clientId: string;
  /** Whether the session with the server stands. */
  link: 'connecting' | 'open' | 'retry';
  /** Why the last connection ended. */
  closed: CloseReason | null;
  /** The server lets it play. */
  active: boolean;
  paired: boolean;
  /** The server has a pairing that this device does not: only pairing again helps. */
  mismatch: boolean;
  group: { id: string; name: string; playing: boolean } | null;
  streaming: boolean;
  format: { rate: number; channels: number; bits: number } | null;
  /** The browser holds the sound back until somebody taps. */
  suspended: boolean;
  code: { format: 'digits' | 'qr_code'; code: string; round: number } | null;
  pairing: { state: 'held' | 'started' | 'paired' | 'aborted' | 'left'; method: string; reason: string } | null;
  volume: number;
  muted: boolean;
  outputDelayMs: number;
  sync: SyncState | null;
}

function off(): SpeakerState {
  const s = load();
  return {
    on: false, clientId: identity(s).clientId, link: 'connecting', closed: null, active: false, paired: false, mismatch: false, group: null,
    streaming: false, format: null, suspended: false, code: null, pairing: null, volume: s.volume, muted: s.muted, outputDelayMs: s.output_delay_ms, sync: null,
  };
}

/** What the speaker does now. */
export const speaker = signal<SpeakerState>(off());
/** Figures of the playback, twice a second while it is on. */
export const figures = signal<EngineStats | null>(null);

const set = (patch: Partial<SpeakerState>) => { speaker.value = { ...speaker.value, ...patch }; };

/** Bytes of audio that the server may have on their way and buffered here: some 10 s. */
const bufferCapacity = 2 << 20;
/** ms from a stream's start to its first sample, besides the output's latency. */
const leadMs = 300;
const minBufferMs = 700;
const figuresEvery = 500;

interface Running {
  worker: Worker;
  engine: Engine;
  timer: ReturnType<typeof setInterval>;
  latencyMs: number;
  lock: { release(): Promise<void> } | null;
}
let running: Running | null = null;
let starting = false;

// All tabs of a browser are one device; the one that starts last is it.
const tabs = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('tutti.speaker');
if (tabs) tabs.onmessage = () => stop();

const command = (c: Command) => running?.worker.postMessage(c);

/** The name that this browser has where nobody gave it one. */
export function defaultName(): string {
  const { browser, system } = describe(navigator.userAgent);
  return system ? `${browser} (${system})` : browser;
}

/** Begins. To be called by a tap. */
export async function start(name: string, version: string): Promise<void> {
  if (running || starting) return;
  starting = true;
  try {
    const context = openContext(); // within the tap
    void context.resume();
    tabs?.postMessage('started');
    storeName(name);
    const stored = load();
    set({ ...off(), on: true, closed: null, suspended: context.state === 'suspended' });
    const { workerUrl } = await import('./worker');
    const worker = new Worker(workerUrl, { type: 'module' });
    const engine = new Engine(context, clockBase);
    engine.setPlayer(stored.volume, stored.muted, stored.output_delay_ms);
    running = { worker, engine, timer: setInterval(observe, figuresEvery), latencyMs: 0, lock: null };
    worker.onmessage = (e: MessageEvent<Told>) => told(e.data);
    context.onstatechange = () => set({ suspended: context.state !== 'running' && context.state !== 'closed' });
    const depths = [16, 24].map((bit_depth) => ({ codec: 'pcm', channels: 2, sample_rate: context.sampleRate, bit_depth }));
    command({
      do: 'start', url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/sendspin`, origin: performance.timeOrigin,
      name, product: defaultName(), version, stored,
      player: { formats: depths, bufferCapacity, requiredLeadMs: leadMs + latency(engine), minBufferMs },
    });
    void keepAwake();
  } finally {
    starting = false;
  }
}

/** Says goodbye and falls silent. */
export function stop(): void {
  if (!running) return;
  command({ do: 'stop' });
  finish(); // at once; the worker ends itself when goodbye is said
}

function finish(): void {
  if (!running) return;
  const { engine, timer, worker, lock } = running;
  running = null;
  clearInterval(timer);
  engine.close();
  void lock?.release().catch(() => {});
  worker.onmessage = (e: MessageEvent<Told>) => {
    if (e.data.kind === 'save') save(e.data.stored);
    if (e.data.kind === 'closed') worker.terminate();
  };
  setTimeout(() => worker.terminate(), 3000);
  figures.value = null;
  set(off());
}

/** Makes this browser a new device. It must be stopped. */
export function forgetIdentity(): void {
  stop();
  forget();
  set(off());
}

/** Lets the sound out again after the browser has held it back. To be called by a tap. */
export async function resume(): Promise<void> {
  await running?.engine.context.resume();
}

export const setVolume = (volume: number) => command({ do: 'player', volume });
export const setMuted = (muted: boolean) => command({ do: 'player', muted });
export const setOutputDelay = (outputDelayMs: number) => command({ do: 'player', outputDelayMs });
export const cancelPairing = () => command({ do: 'cancel-pairing' });
export const allowPairing = () => command({ do: 'allow-pairing' });
/** The token by which a server pairs with this browser. A secret. */
export const pairingToken = (): string => identity(load()).token;

/** Output latency in steps of 50 ms, so that it is not reported all the time. */
function latency(engine: Engine): number {
  return Math.ceil(Math.min(1000, engine.stats().outputLatencyMs) / 50) * 50;
}

function observe(): void {
  if (!running) return;
  const { engine } = running;
  figures.value = engine.stats();
  const now = latency(engine);
  if (now > running.latencyMs) {
    running.latencyMs = now;
    command({ do: 'timing', requiredLeadMs: leadMs + now, minBufferMs });
  }
}

function told(m: Told): void {
  if (!running) return;
  const { engine } = running;
  switch (m.kind) {
    case 'beat': return engine.beat();
    case 'chunk': return engine.chunk(m.timestamp, m.channels);
    case 'save': return save(m.stored);
    case 'connecting': return set({ link: 'connecting' });
    case 'retry': return set({ link: 'retry' });
    case 'open': return set({ link: 'open', closed: null, paired: m.paired, mismatch: m.mismatch });
    case 'server': return;
    case 'active': return set({ active: m.playing, paired: m.paired, mismatch: m.paired ? false : speaker.value.mismatch });
    case 'sync':
      engine.setSync(m.sync);
      return set({ sync: m.sync });
    case 'stream':
      engine.start(m.rate, m.channels);
      return set({ streaming: true, format: { rate: m.rate, channels: m.channels, bits: m.bits } });
    case 'clear': return engine.clear();
    case 'end':
      engine.end();
      return set({ streaming: false, format: null });
    case 'group': return set({ group: { id: m.groupId, name: m.groupName, playing: m.playing } });
    case 'player':
      engine.setPlayer(m.volume, m.muted, m.outputDelayMs);
      return set({ volume: m.volume, muted: m.muted, outputDelayMs: m.outputDelayMs });
    case 'code': return set({ code: { format: m.format, code: m.code, round: m.round } });
    case 'pairing': return set({ pairing: { state: m.state, method: m.method, reason: m.reason }, code: m.state === 'started' ? speaker.value.code : null });
    case 'unpaired': return set({ paired: false });
    case 'closed':
      engine.end();
      return set({ closed: m.reason, active: false, streaming: false, format: null, group: null, code: null });
  }
}

/** Keeps the screen on, where the browser offers that: a dark phone soon sleeps. */
async function keepAwake(): Promise<void> {
  const wake = (navigator as { wakeLock?: { request(kind: 'screen'): Promise<{ release(): Promise<void> }> } }).wakeLock;
  if (!wake || !running || document.visibilityState !== 'visible') return;
  try {
    running.lock = await wake.request('screen');
  } catch {
    // not now, such as with a low battery
  }
}
document.addEventListener('visibilitychange', () => { if (running) void keepAwake(); });
