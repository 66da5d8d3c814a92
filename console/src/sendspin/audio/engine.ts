// Plays a stream on an AudioContext in time with the server. Blocks are made ahead and
// handed to the context as buffers that begin on exact frames: that works in pages over
// plain HTTP, where there is no AudioWorklet, and what is scheduled sounds although the
// page's own thread is busy for a moment.
import { serverTime } from '../clock/filter';
import type { SyncState } from '../client/events';
import { OutputClock } from './outputclock';
import { Renderer, type RenderStats } from './renderer';

/** Frames of a block. */
const blockFrames = 1024;
/** How far ahead blocks are handed over (s). */
const ahead = 0.5;
/** A block that begins sooner than this (s) is made from whatever there is. */
const urgentWithin = 0.12;
/** The least time between handing over and playing (s). */
const margin = 0.03;
/** A volume's change takes about this long (time constant, s). */
const glide = 0.015;

export interface EngineStats extends RenderStats {
  /** ms of audio that are here and not played yet. */
  bufferedMs: number;
  /** How often the page was too late to hand over the next block. */
  stalls: number;
  /** Drift of the sound card against the server (ppm). */
  driftPpm: number;
  /** From handing a sample to the context until it is heard (ms), as the browser says. */
  outputLatencyMs: number;
  playing: boolean;
}

export class Engine {
  private readonly clock = new OutputClock();
  private readonly volume: GainNode;
  private lane: GainNode;
  private sources = new Set<AudioBufferSourceNode>();
  private renderer: Renderer | null = null;
  private stream: { rate: number; channels: number } | null = null;
  private sync: SyncState | null = null;
  private head = 0; // frame at which the next block begins; 0: anew
  private stalls = 0;
  private delayUs = 0;
  private lastStats: RenderStats = { late: 0, refused: 0, resyncs: 0, underruns: 0, errorUs: 0, speedPpm: 0 };
  private driftPpm = 0;

  /** base: µs that the client's clock is ahead of performance.now(). */
  constructor(readonly context: AudioContext, private readonly base: number) {
    this.volume = context.createGain();
    this.volume.connect(context.destination);
    this.lane = this.newLane();
  }

  /** Takes what the player is set to; volume is 0 to 100, of perceived loudness. */
  setPlayer(volume: number, muted: boolean, outputDelayMs: number): void {
    const gain = muted ? 0 : Math.pow(volume / 100, 1.5);
    this.volume.gain.setTargetAtTime(gain, this.context.currentTime, glide);
    this.delayUs = outputDelayMs * 1000;
  }

  setSync(sync: SyncState): void {
    this.sync = sync;
  }

  /** A stream begins, or goes on in another format. */
  start(rate: number, channels: number): void {
    if (this.renderer && this.stream?.rate === rate && this.stream.channels === channels) return;
    this.clear();
    this.stream = { rate, channels };
    this.renderer = new Renderer(rate, channels);
    Object.assign(this.renderer.stats, this.lastStats);
    this.lastStats = this.renderer.stats;
  }

  chunk(timestamp: number, channels: Float32Array[]): void {
    this.renderer?.push(timestamp, channels);
  }

  /** Drops what is buffered, also what was handed over, with a short fade. */
  clear(): void {
    this.renderer?.clear();
    this.silence();
  }

  end(): void {
    this.clear();
    this.renderer = null;
    this.stream = null;
  }

  close(): void {
    this.end();
    void this.context.close();
  }

  stats(): EngineStats {
    const now = this.sync ? this.serverAt(this.frameNow()) : 0;
    return {
      ...this.lastStats, stalls: this.stalls, driftPpm: this.driftPpm, bufferedMs: (this.renderer?.buffered(now) ?? 0) / 1000,
      outputLatencyMs: ((this.context.outputLatency || 0) + (this.context.baseLatency || 0)) * 1000, playing: this.sources.size > 0,
    };
  }

  /** Measures the output, and hands over what is due. Called at every beat. */
  beat(): void {
    if (this.context.state !== 'running') {
      this.clock.reset();
      return;
    }
    this.measure();
    if (!this.renderer || !this.sync?.converged || !this.clock.ready()) return;
    const until = this.frameNow() + ahead * this.context.sampleRate;
    this.catchUp();
    while (this.head < until && this.hand()) {
      // hand does the work
    }
  }

  private frameNow(): number {
    return this.context.currentTime * this.context.sampleRate;
  }

  private measure(): void {
    const { context } = this;
    const stamp = context.getOutputTimestamp?.();
    if (stamp?.contextTime && stamp.performanceTime) {
      this.clock.add(stamp.contextTime, stamp.performanceTime);
      return;
    }
    // Without it: currentTime is the next quantum's, and is heard after the latency.
    const latency = context.outputLatency || context.baseLatency || 0;
    this.clock.add(Math.max(0, context.currentTime - latency), performance.now());
  }

  /** A head that has fallen behind, or a new one, begins a little ahead of now. */
  private catchUp(): void {
    const soonest = Math.ceil(this.frameNow() + margin * this.context.sampleRate);
    if (this.head >= soonest) return;
    if (this.head > 0 && this.sources.size > 0) {
      this.stalls++;
      this.renderer?.interrupt();
    }
    this.head = soonest;
  }

  /** Server's µs of what is heard at a frame of the context. */
  private serverAt(frame: number): number {
    const heard = this.clock.heardAt(frame / this.context.sampleRate) * 1000 + this.base;
    return serverTime(this.sync!, heard + this.delayUs);
  }

  /** Makes the next block and hands it over; false when there is nothing to hand over yet. */
  private hand(): boolean {
    const { context } = this;
    const rate = context.sampleRate;
    const target = this.serverAt(this.head);
    const perFrame = (this.serverAt(this.head + rate) - target) / rate;
    this.driftPpm = (perFrame * rate) - 1e6;
    const urgent = this.head < this.frameNow() + urgentWithin * rate;
    const block = this.renderer!.block(blockFrames, target, perFrame, urgent);
    if (block === 'wait') return false;
    if (block !== 'silence') this.play(block.channels);
    this.head += blockFrames;
    return true;
  }

  private play(channels: Float32Array[]): void {
    const { context } = this;
    const buffer = context.createBuffer(channels.length, blockFrames, context.sampleRate);
    channels.forEach((c, i) => buffer.copyToChannel(c as Float32Array<ArrayBuffer>, i));
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.lane);
    source.onended = () => {
      source.disconnect();
      this.sources.delete(source);
    };
    this.sources.add(source);
    source.start(this.head / context.sampleRate);
  }

  private newLane(): GainNode {
    const lane = this.context.createGain();
    lane.connect(this.volume);
    return lane;
  }

  /** Fades out what was handed over, and takes it back. */
  private silence(): void {
    if (this.sources.size > 0) {
      const now = this.context.currentTime;
      const lane = this.lane;
      lane.gain.setTargetAtTime(0, now, 0.003);
      for (const s of this.sources) s.stop(now + 0.02);
      setTimeout(() => lane.disconnect(), 500);
      this.sources.clear();
      this.lane = this.newLane();
    }
    this.head = 0;
  }
}

/** A context at its own rate where the protocol has that, else at 48 kHz. */
export function openContext(): AudioContext {
  const own = new AudioContext({ latencyHint: 'playback' });
  if (own.sampleRate === 44_100 || own.sampleRate === 48_000) return own;
  void own.close();
  return new AudioContext({ latencyHint: 'playback', sampleRate: 48_000 });
}
