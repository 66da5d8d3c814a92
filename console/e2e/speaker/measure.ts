// Compares what a browser put out with the timeline that the server sent: every window of
// the captured output is found in the file that plays, and the place is compared with the
// one that is due at that moment.
//
// due: the frame of the context -> when it is heard on the page's clock (the median of the
// browser's output timestamps around it, not the player's own estimate) -> server
// time (the time filter, as it was then) -> sample of the file (the chunks' timestamps, and
// where in the file their samples are).

export interface Tap {
  rate: number;
  blocks: { frame: number; samples: Float32Array }[];
  stamps: [number, number][];
  syncs: { at: number; offset: number; drift: number; lastUpdate: number; stdDev: number; converged: boolean }[];
  chunks: { timestamp: number; frames: number; head: number[] }[];
}

export interface Found {
  /** Page's clock (ms). */
  at: number;
  /** µs by which the sample was heard too late; NaN when it is not to be found. */
  lateUs: number;
  match: number;
  /** The browser's own output had just run dry: what was handed over is off by as much. */
  disturbed: boolean;
}

/** µs that the client's clock is ahead of the page's. */
const base = 1_000_000;
const size = 1024;
/** Samples to either side in which a window is looked for. */
const near = 700;

/** Stamps within this time (s) of a moment say where the output stands then. */
const around = 0.5;
/** A change of the output (ms) from one second to the next that is no drift: it ran dry. */
const hiccup = 0.5;
/** How long after one the player may take to be in time again (s): what it has handed over is half a second. */
const recovery = 2;

/** The output as the browser says it stands: the median of the stamps around a moment, and where it stepped. */
class Output {
  private readonly gaps: { ctx: number; gap: number }[];
  readonly steps: number[] = [];

  constructor(stamps: [number, number][]) {
    this.gaps = stamps.map(([c, p]) => ({ ctx: c, gap: p - c * 1000 }));
    for (const g of this.gaps) {
      const now = this.median(g.ctx, g.ctx + around);
      const before = this.median(g.ctx - around, g.ctx - 0.001);
      if (now !== null && before !== null && Math.abs(now - before) > hiccup) this.steps.push(g.ctx);
    }
  }

  heardAt(contextTime: number): number {
    return contextTime * 1000 + this.gapAt(contextTime);
  }

  /** Whether the output stepped shortly before, or is about to. */
  disturbed(contextTime: number): boolean {
    return this.steps.some((s) => contextTime > s - around && contextTime < s + recovery);
  }

  private gapAt(contextTime: number): number {
    return this.median(contextTime - around, contextTime + around) ?? this.gaps[this.gaps.length - 1]!.gap;
  }

  private median(from: number, to: number): number | null {
    let lo = 0;
    let hi = this.gaps.length;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (this.gaps[mid]!.ctx < from) lo = mid + 1;
      else hi = mid;
    }
    const near: number[] = [];
    for (let i = lo; i < this.gaps.length && this.gaps[i]!.ctx <= to; i++) near.push(this.gaps[i]!.gap);
    near.sort((x, y) => x - y);
    return near.length < 3 ? null : near[Math.floor(near.length / 2)]!;
  }
}

/** Server's µs of sample 0 of the file, from the first chunk whose samples are in it. */
export function origin(tap: Tap, reference: Float32Array): number {
  const starts: number[] = [];
  for (const c of tap.chunks.slice(0, 20)) {
    for (let i = 0; i + c.head.length < reference.length; i++) {
      if (c.head.every((v, k) => Math.abs(v - reference[i + k]!) < 2e-5)) {
        starts.push(c.timestamp - (i * 1e6) / tap.rate);
        break;
      }
    }
  }
  if (starts.length < 5 || Math.max(...starts) - Math.min(...starts) > 2) throw new Error(`chunks are not of one timeline: ${starts.slice(0, 5)}`);
  return starts[0]!;
}

/**
 * Blocks follow each other without a hole, but on a loaded machine a worklet now and then
 * reads an old currentFrame: a number that its neighbours do not share is mended.
 */
function numbered(blocks: Tap['blocks']): Tap['blocks'] {
  const own = blocks.map((b, i) => b.frame - i * b.samples.length);
  return blocks.map((b, i) => {
    const around = own.slice(Math.max(0, i - 2), i + 3).sort((x, y) => x - y);
    return { frame: around[Math.floor(around.length / 2)]! + i * b.samples.length, samples: b.samples };
  });
}

/** Every window of the output in which something sounds. every: frames from one to the next. */
export function measure(tap: Tap, reference: Float32Array, every: number): Found[] {
  const output = new Output(tap.stamps);
  const zero = origin(tap, reference);
  const out: Found[] = [];
  for (const b of numbered(tap.blocks)) {
    for (let k = 0; k + size <= b.samples.length; k += every) {
      const window = b.samples.subarray(k, k + size);
      if (window.every((v) => v === 0)) continue;
      const ctx = (b.frame + k) / tap.rate;
      const at = output.heardAt(ctx);
      const client = at * 1000 + base;
      const f = [...tap.syncs].reverse().find((s) => s.at <= at) ?? tap.syncs[0]!;
      const due = ((client + f.offset + f.drift * (client - f.lastUpdate) - zero) * tap.rate) / 1e6;
      const r = find(window, reference, due);
      // What sounds comes from place r.place; what was due is place due: further back is late.
      out.push({ at, lateUs: r.match > 0.9 ? ((due - r.place) / tap.rate) * 1e6 : NaN, match: r.match, disturbed: output.disturbed(ctx) });
    }
  }
  return out;
}

/** Where in the reference a window fits best, around a place; between samples by a parabola. */
function find(window: Float32Array, reference: Float32Array, place: number): { place: number; match: number } {
  const centre = Math.round(place);
  const scores: number[] = [];
  let power = 0;
  for (const v of window) power += v * v;
  for (let d = -near; d <= near; d++) {
    const from = centre + d;
    let sum = 0;
    let p = 0;
    for (let i = 0; i < size; i++) {
      const r = reference[from + i] ?? 0;
      sum += r * window[i]!;
      p += r * r;
    }
    scores.push(p > 0 ? sum / Math.sqrt(p * power) : 0);
  }
  let best = 1;
  for (let i = 1; i < scores.length - 1; i++) if (scores[i]! > scores[best]!) best = i;
  const [a, b, c] = [scores[best - 1]!, scores[best]!, scores[best + 1]!];
  const shift = a - 2 * b + c === 0 ? 0 : (a - c) / (2 * (a - 2 * b + c));
  return { place: centre + best - near + shift, match: b };
}

export interface Summary {
  windows: number;
  within: (us: number) => number;
  p50: number;
  p99: number;
  worst: number;
  unmatched: number;
}

export function summary(found: Found[]): Summary {
  const errors = found.map((f) => (Number.isNaN(f.lateUs) ? Infinity : Math.abs(f.lateUs))).sort((a, b) => a - b);
  const at = (q: number) => errors[Math.min(errors.length - 1, Math.floor(q * errors.length))]!;
  return {
    windows: errors.length, within: (us) => errors.filter((e) => e <= us).length / errors.length,
    p50: at(0.5), p99: at(0.99), worst: errors[errors.length - 1]!, unmatched: found.filter((f) => Number.isNaN(f.lateUs)).length,
  };
}

/** Noise that is the same in every run and nowhere like itself: 16-bit stereo samples. */
export function noise(rate: number, seconds: number): Int16Array {
  const out = new Int16Array(rate * seconds);
  let s = 12345;
  let a = 0;
  let b = 0;
  for (let i = 0; i < out.length; i++) {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    a += 0.35 * (s / 2 ** 31 - 1 - a);
    b += 0.35 * (a - b);
    out[i] = Math.trunc(b * 26_000);
  }
  return out;
}

/** A WAV file of the same samples on both channels. */
export function wav(mono: Int16Array, rate: number): Buffer {
  const data = Buffer.alloc(44 + mono.length * 4);
  data.write('RIFF', 0);
  data.writeUInt32LE(36 + mono.length * 4, 4);
  data.write('WAVEfmt ', 8);
  data.writeUInt32LE(16, 16);
  data.writeUInt16LE(1, 20);
  data.writeUInt16LE(2, 22);
  data.writeUInt32LE(rate, 24);
  data.writeUInt32LE(rate * 4, 28);
  data.writeUInt16LE(4, 32);
  data.writeUInt16LE(16, 34);
  data.write('data', 36);
  data.writeUInt32LE(mono.length * 4, 40);
  mono.forEach((v, i) => { data.writeInt16LE(v, 44 + 4 * i); data.writeInt16LE(v, 46 + 4 * i); });
  return data;
}
