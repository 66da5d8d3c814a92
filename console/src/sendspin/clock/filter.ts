// The specification's time filter: a Kalman filter of two states, the offset of the
// server's clock to the client's and its drift. Times are whole microseconds.

const driftVariance = 1e-11 * 1e-11;
const forgetVariance = 2.0 * 2.0;
const adaptiveCutoff = 3.0;
const minSamples = 100;
const significance = 2.0 * 2.0;
const maxErrorScale = 0.5;
/** µs of uncertainty below which playback can be scheduled: a quarter of the accuracy floor. */
const convergedStdDev = 250;

/** Rounds to the nearest integer, halves away from zero. */
const round = (v: number): number => Math.sign(v) * Math.round(Math.abs(v));

/** What conversions need of a filter, as plain data for another thread. */
export interface Mapping {
  offset: number;
  drift: number;
  lastUpdate: number;
}

/** The server's time at a client's, not rounded. */
export const serverTime = (m: Mapping, client: number): number => client + m.offset + m.drift * (client - m.lastUpdate);

export class TimeFilter {
  private offset = 0;
  private drift = 0;
  private poo = Infinity;
  private pod = 0;
  private pdd = 0;
  private last = 0;
  private n = 0;
  private useDrift = false;

  /** Feeds the measurement of one exchange; t4 is when its answer arrived. */
  update(measurement: number, maxError: number, t4: number): void {
    if (t4 <= this.last) return;
    const dt = t4 - this.last;
    this.last = t4;
    const sd = maxErrorScale * maxError;
    const r = sd * sd;
    if (this.n === 0) {
      this.offset = measurement;
      this.poo = r;
      this.drift = 0;
      this.n = 1;
    } else if (this.n === 1) {
      this.drift = (measurement - this.offset) / dt;
      this.pdd = (this.poo + r) / (dt * dt);
      this.offset = measurement;
      this.poo = r;
      this.n = 2;
    } else {
      this.correct(measurement, r, maxError, dt);
    }
  }

  private correct(z: number, r: number, maxError: number, dt: number): void {
    const offset = this.offset + this.drift * dt;
    let poo = this.poo + 2 * this.pod * dt + this.pdd * dt * dt;
    let pod = this.pod + this.pdd * dt;
    let pdd = this.pdd + driftVariance * dt;
    const y = z - offset;
    if (this.n < minSamples) this.n++;
    else if (Math.abs(y) > adaptiveCutoff * maxError) {
      poo *= forgetVariance;
      pod *= forgetVariance;
      pdd *= forgetVariance;
    }
    const s = poo + r;
    if (s === 0) {
      // No round trip at all and a state that is certain: the prediction stands.
      this.offset = offset;
      this.poo = poo;
      this.pod = pod;
      this.pdd = pdd;
      return;
    }
    const ko = poo / s;
    const kd = pod / s;
    this.offset = offset + ko * y;
    this.drift += kd * y;
    this.poo = poo - ko * poo;
    this.pod = pod - kd * poo;
    this.pdd = pdd - kd * pod;
    this.useDrift = this.drift * this.drift > significance * this.pdd;
  }

  serverTime(client: number): number {
    const m = this.mapping();
    return client + round(m.offset + m.drift * (client - m.lastUpdate));
  }

  clientTime(server: number): number {
    const m = this.mapping();
    return round((server - m.offset + m.drift * m.lastUpdate) / (1 + m.drift));
  }

  /** The estimate as conversions use it: drift is 0 until it is significant. */
  mapping(): Mapping {
    return { offset: this.offset, drift: this.useDrift ? this.drift : 0, lastUpdate: this.last };
  }

  /** Standard deviation of the offset (µs); infinite at first. */
  stdDev(): number {
    return Math.sqrt(this.poo);
  }

  count(): number {
    return this.n;
  }

  /** Whether playback can be scheduled by it. */
  converged(): boolean {
    return (this.n >= 2 && this.stdDev() <= convergedStdDev) || this.n >= 5;
  }
}
