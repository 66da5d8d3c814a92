// When a frame of the audio context is heard, on the page's clock. The context's clock is
// the sound card's; a line through many pairs of both times tells offset and rate.

interface Pair {
  /** Context's time (s). */
  ctx: number;
  /** performance.now() minus the context's time (ms). */
  gap: number;
}

/** Pairs are kept for this long (s). */
const window = 30;
/** Span from which the rate is looked at (s). */
const spanForRate = 4;
/** No crystal is further off. */
const maxRate = 500e-6;
/** A pair that is further off than this (ms) is not believed… */
const outlier = 5;
/**
 * …until there were so many in a row: then the output has changed. Smaller steps, as when a
 * sound card ran dry for a moment, are noticed by the median of as many pairs.
 */
const patience = 6;
/** The least step (ms) that is noticed; with more jitter it has to be larger. */
const leastStep = 0.3;

export class OutputClock {
  /** How often the line began anew: a device was changed, the context was suspended. */
  restarts = 0;
  private pairs: Pair[] = [];
  private strangers = 0;
  private line = { at: 0, gap: 0, rate: 0 };

  /** Takes a pair: contextTime (s) is heard at performanceTime (ms). */
  add(contextTime: number, performanceTime: number): void {
    const last = this.pairs[this.pairs.length - 1];
    if (contextTime <= 0 || (last && contextTime <= last.ctx)) return;
    const gap = performanceTime - contextTime * 1000;
    if (this.pairs.length > 3 && Math.abs(gap - this.gapAt(contextTime)) > outlier) {
      if (++this.strangers < patience) return;
      this.pairs = [];
      this.restarts++;
    }
    this.strangers = 0;
    this.pairs.push({ ctx: contextTime, gap });
    while (this.pairs[0]!.ctx < contextTime - window) this.pairs.shift();
    if (this.stepped()) {
      this.pairs = this.pairs.slice(-patience);
      this.restarts++;
    }
    this.fit();
  }

  /** Whether the newest pairs lie beside the line that those before them make. */
  private stepped(): boolean {
    if (this.pairs.length < 3 * patience) return false;
    const off = this.pairs.map((p) => p.gap - this.gapAt(p.ctx));
    const jitter = median(off.slice(0, -patience).map(Math.abs));
    const recent = off.slice(-patience);
    const step = median(recent);
    return Math.abs(step) > leastStep + 4 * jitter && recent.every((v) => Math.sign(v) === Math.sign(step));
  }

  reset(): void {
    this.pairs = [];
    this.strangers = 0;
    this.line = { at: 0, gap: 0, rate: 0 };
  }

  /** Whether the line may be used. */
  ready(): boolean {
    return this.pairs.length >= 3;
  }

  /** performance.now() (ms) at which a context's time (s) is heard. */
  heardAt(contextTime: number): number {
    return contextTime * 1000 + this.gapAt(contextTime);
  }

  /** ms of the page's clock in one second of the context's. */
  msPerSecond(): number {
    return 1000 + this.line.rate;
  }

  private gapAt(contextTime: number): number {
    return this.line.gap + this.line.rate * (contextTime - this.line.at);
  }

  /** Least squares; rate is in ms a second. */
  private fit(): void {
    const n = this.pairs.length;
    let at = 0;
    let gap = 0;
    for (const p of this.pairs) {
      at += p.ctx / n;
      gap += p.gap / n;
    }
    let sxy = 0;
    let sxx = 0;
    for (const p of this.pairs) {
      sxy += (p.ctx - at) * (p.gap - gap);
      sxx += (p.ctx - at) ** 2;
    }
    const span = this.pairs[n - 1]!.ctx - this.pairs[0]!.ctx;
    // A crystal stays the same over a step: until the line is long again, the old rate holds.
    const rate = span >= spanForRate ? Math.max(-maxRate, Math.min(maxRate, sxy / sxx / 1000)) * 1000 : this.line.rate;
    this.line = { at, gap, rate };
  }
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
