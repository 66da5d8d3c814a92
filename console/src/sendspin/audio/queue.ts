// Decoded chunks on the stream's timeline: frames are numbered, and every number has a
// server time.

interface Piece {
  /** Number of its first frame. */
  start: number;
  /** Server's µs of its first frame. */
  timestamp: number;
  channels: Float32Array[];
}

/** Chunks join when they are closer than this (µs); timestamps are rounded to whole µs. */
const joint = 10;

export class Queue {
  private pieces: Piece[] = [];

  constructor(readonly rate: number, readonly channels: number) {}

  /** Adds a chunk. False: it lies before what is there already. */
  push(timestamp: number, channels: Float32Array[]): boolean {
    const frames = channels[0]?.length ?? 0;
    if (frames === 0 || channels.length !== this.channels) return false;
    const last = this.pieces[this.pieces.length - 1];
    let start = 0;
    if (last) {
      const end = last.start + last.channels[0]!.length;
      const due = last.timestamp + (last.channels[0]!.length * 1e6) / this.rate;
      if (timestamp < due - joint) return false;
      start = end + (timestamp > due + joint ? Math.round(((timestamp - due) * this.rate) / 1e6) : 0);
    }
    this.pieces.push({ start, timestamp, channels });
    return true;
  }

  get empty(): boolean {
    return this.pieces.length === 0;
  }

  /** Number behind the last frame. */
  end(): number {
    const p = this.pieces[this.pieces.length - 1];
    return p ? p.start + p.channels[0]!.length : 0;
  }

  /** Server's µs at the first and behind the last frame; null when there is none. */
  span(): { from: number; to: number } | null {
    const a = this.pieces[0];
    const b = this.pieces[this.pieces.length - 1];
    return a && b ? { from: a.timestamp, to: b.timestamp + (b.channels[0]!.length * 1e6) / this.rate } : null;
  }

  /** The frame, with its fraction, at a server time. */
  indexAt(timestamp: number): number {
    let p = this.pieces[0]!;
    for (const q of this.pieces) {
      if (q.timestamp > timestamp) break;
      p = q;
    }
    return p.start + ((timestamp - p.timestamp) * this.rate) / 1e6;
  }

  /** The server time of a frame. */
  timeAt(index: number): number {
    let p = this.pieces[0]!;
    for (const q of this.pieces) {
      if (q.start > index) break;
      p = q;
    }
    return p.timestamp + ((index - p.start) * 1e6) / this.rate;
  }

  /** Frames from..to of a channel; silence where there are none. */
  read(channel: number, from: number, to: number): Float32Array {
    const out = new Float32Array(Math.max(0, to - from));
    for (const p of this.pieces) {
      const data = p.channels[channel]!;
      const a = Math.max(from, p.start);
      const b = Math.min(to, p.start + data.length);
      if (a < b) out.set(data.subarray(a - p.start, b - p.start), a - from);
    }
    return out;
  }

  /** Forgets what lies wholly before a frame. One chunk always stays, for the timeline. */
  dropBefore(index: number): void {
    while (this.pieces.length > 1 && this.pieces[0]!.start + this.pieces[0]!.channels[0]!.length <= index) this.pieces.shift();
  }
}
