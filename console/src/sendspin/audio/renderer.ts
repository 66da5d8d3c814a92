// Turns the stream's timeline into blocks for the sound card: every block is told which
// server time its first frame is heard at, and follows it by playing a trace faster or
// slower. What is too far off is corrected at once, under a short cross-fade.
// (Specification: "Playback Synchronization".)
import { Queue } from './queue';
import { interpolate, reach } from './sinc';

/** µs of error that are corrected at once when they last for a few blocks… */
const snapAt = 2_000;
const snapPatience = 4;
/** …and immediately. */
const snapNow = 20_000;
/** Frames of a fade (5 ms at 48 kHz). */
const fade = 240;
/** The usual correction: the error in 3 s, at most 300 ppm. */
const calm = { span: 3e6, most: 300e-6 };
/** Beyond half a millisecond another 1500 ppm; the specification allows 5000. */
const firm = { from: 500, span: 0.5e6, most: 1500e-6 };
/** By how much the speed may change from one block to the next. */
const slew = 60e-6;

export interface RenderStats {
  /** Chunks that came too late, and those that could not be placed. */
  late: number;
  refused: number;
  /** Jumps while playing, and how often there was nothing to play. */
  resyncs: number;
  underruns: number;
  /** Newest error: positive when audio is ahead of its time (µs). */
  errorUs: number;
  /** Present deviation of the speed (ppm). */
  speedPpm: number;
}

/** A block, or why there is none: nothing to play yet, or audio that may still come. */
export type Block = { channels: Float32Array[] } | 'silence' | 'wait';

export class Renderer {
  readonly stats: RenderStats = { late: 0, refused: 0, resyncs: 0, underruns: 0, errorUs: 0, speedPpm: 0 };
  private queue: Queue;
  private playing = false;
  private position = 0;
  private speed = 0;
  private far = 0;
  /** Server time that the next block begins at, as it was last told. */
  private head = -Infinity;

  constructor(private readonly rate: number, private readonly channels: number) {
    this.queue = new Queue(rate, channels);
  }

  push(timestamp: number, channels: Float32Array[]): void {
    const frames = channels[0]?.length ?? 0;
    if (timestamp + (frames * 1e6) / this.rate <= this.head) {
      this.stats.late++;
      return;
    }
    if (!this.queue.push(timestamp, channels)) this.stats.refused++;
  }

  /** Drops everything; the next audio begins anew. */
  clear(): void {
    this.queue = new Queue(this.rate, this.channels);
    this.playing = false;
    this.far = 0;
    this.head = -Infinity;
  }

  /** The output fell silent by itself: what comes next is joined anew. */
  interrupt(): void {
    this.playing = false;
  }

  /** µs of audio from a server time on. */
  buffered(now: number): number {
    const span = this.queue.span();
    return span ? Math.max(0, span.to - Math.max(now, span.from)) : 0;
  }

  /**
   * Makes a block. target is the server time at its first frame, perFrame what passes with
   * each (µs). urgent: it must be played now, whatever has not come.
   */
  block(frames: number, target: number, perFrame: number, urgent: boolean): Block {
    const span = this.queue.span();
    const until = target + frames * perFrame;
    if (!span || (!this.playing && span.from >= until)) {
      if (!urgent && !span) return 'wait';
      this.head = until;
      return 'silence';
    }
    if (!this.playing) return this.begin(frames, target, perFrame, urgent);
    return this.follow(frames, target, perFrame, urgent);
  }

  private step(perFrame: number, correction: number): number {
    return ((perFrame * this.rate) / 1e6) * (1 - correction);
  }

  private has(position: number, frames: number, step: number): boolean {
    return position + frames * step + reach <= this.queue.end();
  }

  private begin(frames: number, target: number, perFrame: number, urgent: boolean): Block {
    const at = this.queue.indexAt(target);
    const step = this.step(perFrame, 0);
    if (!this.has(at, frames, step)) {
      if (!urgent) return 'wait';
      this.head = target + frames * perFrame;
      return 'silence'; // not enough of it to begin with
    }
    this.playing = true;
    this.position = at;
    this.speed = 0;
    this.far = 0;
    const out = this.take(frames, step);
    // Audio that begins by itself needs no fade; one that is joined in its midst does.
    if (at > reach) ramp(out, 0, 1);
    this.advance(target + frames * perFrame);
    return { channels: out };
  }

  private follow(frames: number, target: number, perFrame: number, urgent: boolean): Block {
    const error = this.queue.timeAt(this.position) - target;
    this.stats.errorUs = error;
    this.far = Math.abs(error) > snapAt ? this.far + 1 : 0;
    if (Math.abs(error) > snapNow || this.far >= snapPatience) return this.snap(frames, target, perFrame, urgent);
    const wanted = correction(error);
    const speed = this.speed + Math.max(-slew, Math.min(slew, wanted - this.speed));
    const step = this.step(perFrame, speed);
    if (!this.has(this.position, frames, step)) {
      if (!urgent) return 'wait';
      return this.runDry(frames, target, perFrame, step);
    }
    this.speed = speed;
    this.stats.speedPpm = -speed * 1e6;
    const out = this.take(frames, step);
    this.advance(target + frames * perFrame);
    return { channels: out };
  }

  /** Goes to where it should be, from the old place into the new one within some ms. */
  private snap(frames: number, target: number, perFrame: number, urgent: boolean): Block {
    const to = this.queue.indexAt(target);
    const step = this.step(perFrame, 0);
    if (!this.has(to, frames, step)) {
      if (!urgent) return 'wait';
      return this.runDry(frames, target, perFrame, step);
    }
    const before = this.take(frames, step);
    this.position = to;
    this.speed = 0;
    this.far = 0;
    const out = this.take(frames, step);
    ramp(before, 1, 0);
    ramp(out, 0, 1);
    out.forEach((c, i) => { for (let k = 0; k < Math.min(fade, frames); k++) c[k]! += before[i]![k]!; });
    this.stats.resyncs++;
    this.advance(target + frames * perFrame);
    return { channels: out };
  }

  /** Plays what is left, fading out. */
  private runDry(frames: number, target: number, perFrame: number, step: number): Block {
    const left = Math.max(0, Math.min(frames, Math.floor((this.queue.end() - reach - this.position) / step)));
    const out = this.take(frames, step);
    for (const c of out) for (let i = 0; i < frames; i++) c[i]! *= Math.max(0, Math.min(1, (left - i) / fade));
    this.playing = false;
    this.stats.underruns++;
    this.head = target + frames * perFrame;
    return { channels: out };
  }

  private take(frames: number, step: number): Float32Array[] {
    const from = Math.floor(this.position) - reach;
    const to = Math.ceil(this.position + frames * step) + reach + 1;
    const out = Array.from({ length: this.channels }, (_, c) => {
      const block = new Float32Array(frames);
      interpolate(block, this.queue.read(c, from, to), from, this.position, step);
      return block;
    });
    this.position += frames * step;
    return out;
  }

  private advance(head: number): void {
    this.head = head;
    this.queue.dropBefore(Math.floor(this.position) - 2 * reach - fade);
  }
}

/** By which share to play slower when audio is ahead by error µs. */
export function correction(error: number): number {
  const size = Math.abs(error);
  const usual = Math.min(size / calm.span, calm.most);
  const more = size > firm.from ? Math.min((size - firm.from) / firm.span, firm.most) : 0;
  return Math.sign(error) * (usual + more);
}

function ramp(channels: Float32Array[], from: number, to: number): void {
  for (const c of channels) {
    const n = Math.min(fade, c.length);
    for (let i = 0; i < n; i++) c[i]! *= from + ((to - from) * i) / n;
  }
}
