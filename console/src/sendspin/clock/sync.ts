// When client/time is sent, and what of the answers goes to the filter (specification:
// "Clock Synchronization"): bursts, of which the best exchange counts. A state machine
// without a clock; times are the client's, in µs.
import { TimeFilter } from './filter';

export const burstSize = 8;
const burstInterval = 10_000_000;
const answerTimeout = 2_000_000;
/** µs of uncertainty up to which bursts come at the plain interval. */
const settledStdDev = 80;
const leastGap = 1_000_000;
const firstGaps = [100_000, 400_000, 1_000_000, 2_000_000];

const half = (n: number): number => Math.trunc(n / 2);

/** The offset that an exchange observed, and its worst-case error. */
export function exchange(t1: number, t2: number, t3: number, t4: number): { offset: number; maxError: number } {
  return { offset: half(t2 - t1 + (t3 - t4)), maxError: half(t4 - t1 - (t3 - t2)) };
}

interface Measurement {
  offset: number;
  maxError: number;
  at: number;
}

export class Sync {
  readonly filter = new TimeFilter();
  /** Worst-case error of the newest measurement (µs). */
  maxError = 0;
  /** client/time messages in a row without an answer. */
  lost = 0;
  private left = 0;
  private sent = 0;
  private waiting = false;
  private best: Measurement | null = null;
  private bursts = 0;
  private next = Infinity;
  private answerBy = Infinity;

  /** Makes the first burst due now, unless the plan runs already. */
  begin(now: number): void {
    if (this.next === Infinity && !this.waiting && this.left === 0) this.next = now;
  }

  /** When tick next has something to do. */
  due(): number {
    return Math.min(this.next, this.answerBy);
  }

  /** Does what is due; true when a client/time is to be sent now. */
  tick(now: number, size = burstSize): boolean {
    if (now >= this.answerBy) {
      this.answerBy = Infinity;
      this.waiting = false;
      this.lost++;
      if (this.left > 0) return true;
      this.end(now);
      return false;
    }
    if (now < this.next) return false;
    this.next = Infinity;
    this.left = size;
    this.waiting = false;
    this.best = null;
    return true;
  }

  /** Takes note of the transmit time, read as late as possible. */
  sending(t1: number): boolean {
    if (this.waiting || this.left === 0) return false;
    this.left--;
    this.sent = t1;
    this.waiting = true;
    this.answerBy = t1 + answerTimeout;
    return true;
  }

  /** Takes an answer. send: another client/time is due; fed: the filter took a measurement. */
  answer(t1: number, t2: number, t3: number, t4: number): { send: boolean; fed: boolean } {
    if (!this.waiting || t1 !== this.sent) return { send: false, fed: false };
    this.waiting = false;
    this.answerBy = Infinity;
    this.lost = 0;
    const m = { ...exchange(t1, t2, t3, t4), at: t4 };
    // A server that claims to have worked longer than the round trip took says nothing.
    if (m.maxError >= 0 && (!this.best || m.maxError < this.best.maxError)) this.best = m;
    if (this.left > 0) return { send: true, fed: false };
    return { send: false, fed: this.end(t4) };
  }

  private end(now: number): boolean {
    this.bursts++;
    const best = this.best;
    if (best) {
      this.filter.update(best.offset, best.maxError, best.at);
      this.maxError = best.maxError;
    }
    this.next = now + this.gap();
    return best !== null;
  }

  /** The first bursts follow each other quickly; later ones as the filter needs them. */
  private gap(): number {
    const first = firstGaps[this.bursts - 1];
    if (first !== undefined) return Math.min(burstInterval, first);
    const calm = settledStdDev / this.filter.stdDev();
    if (calm >= 1) return burstInterval;
    return Math.max(leastGap, Math.trunc(burstInterval * calm * calm));
  }
}
