// Binary messages and their fragments (specification: "Fragmentation").
import { concat, ProtocolError } from '../crypto/bytes';
import { maxPlaintext } from '../crypto/cipher';

export const idJson = 0;
const idFragment = 1;
export const idAudio = 4;

const flagLast = 1;
const flagFirst = 2;

export interface Binary {
  id: number;
  payload: Uint8Array;
}

/** Puts plaintexts of transport messages together. Throws ProtocolError. */
export class Assembler {
  private id = -1; // of the message in flight
  private parts: Uint8Array[] = [];
  private size = 0;

  /** limit: bytes of a message. wants: ids whose fragments are kept. */
  constructor(private readonly limit: number, private readonly wants: (id: number) => boolean) {}

  /** Takes the next plaintext; returns a message when it is complete. */
  add(plain: Uint8Array): Binary | null {
    if (plain.length === 0) throw new ProtocolError('a transport message without an id');
    if (plain[0] !== idFragment) {
      if (this.id >= 0) throw new ProtocolError('another message while a fragmented one is in flight');
      if (plain.length - 1 > this.limit) throw new ProtocolError('a message is too large');
      return { id: plain[0]!, payload: plain.subarray(1) };
    }
    const data = this.fragment(plain);
    if (this.wants(this.id)) {
      this.size += data.length;
      if (this.size > this.limit) throw new ProtocolError('a message is too large');
      this.parts.push(data);
    }
    if ((plain[1]! & flagLast) === 0) return null;
    const done = this.wants(this.id) ? { id: this.id, payload: concat(...this.parts) } : null;
    this.id = -1;
    this.parts = [];
    this.size = 0;
    return done;
  }

  private fragment(plain: Uint8Array): Uint8Array {
    const flags = plain[1];
    if (flags === undefined || (flags & ~(flagFirst | flagLast)) !== 0) throw new ProtocolError('a fragment without flags, or with reserved ones');
    if ((flags & flagFirst) === 0) {
      if (this.id < 0) throw new ProtocolError('a later fragment with no message in flight');
      return plain.slice(2);
    }
    if (this.id >= 0) throw new ProtocolError('a first fragment while a message is in flight');
    const id = plain[2];
    if (id === undefined || id === idFragment) throw new ProtocolError('a first fragment without its type');
    this.id = id;
    return plain.slice(3);
  }
}

/** The plaintexts that carry a message. */
export function split(id: number, payload: Uint8Array): Uint8Array[] {
  if (payload.length < maxPlaintext) return [concat(Uint8Array.of(id), payload)];
  const out: Uint8Array[] = [];
  for (let at = 0; at < payload.length; ) {
    const first = at === 0;
    const room = maxPlaintext - (first ? 3 : 2);
    const part = payload.subarray(at, at + room);
    at += part.length;
    const flags = (first ? flagFirst : 0) | (at === payload.length ? flagLast : 0);
    out.push(concat(first ? Uint8Array.of(idFragment, flags, id) : Uint8Array.of(idFragment, flags), part));
  }
  return out;
}

export interface AudioChunk {
  /** Server's µs at which the first sample is to be heard. */
  timestamp: number;
  /** µs of lead; 0 and 2^32-1 mean that none was measured. */
  sendAhead: number;
  data: Uint8Array;
}

export const audioHeader = 12; // behind the id

/** Reads an audio chunk's payload. Throws ProtocolError. */
export function parseAudio(payload: Uint8Array): AudioChunk {
  if (payload.length < audioHeader) throw new ProtocolError('an audio chunk without its header');
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const timestamp = Number(view.getBigInt64(0));
  if (!Number.isSafeInteger(timestamp)) throw new ProtocolError('an impossible timestamp');
  return { timestamp, sendAhead: view.getUint32(8), data: payload.subarray(audioHeader) };
}

/** Samples of PCM, one array for each channel, from -1 to 1. Throws ProtocolError for a broken frame. */
export function pcm(data: Uint8Array, channels: number, bits: number): Float32Array[] {
  const bytes = bits / 8;
  const frame = bytes * channels;
  if (![2, 3, 4].includes(bytes) || data.length % frame !== 0) throw new ProtocolError('a chunk is not whole PCM frames');
  const frames = data.length / frame;
  const out = Array.from({ length: channels }, () => new Float32Array(frames));
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let c = 0; c < channels; c++) {
    const to = out[c]!;
    for (let i = 0, at = c * bytes; i < frames; i++, at += frame) {
      if (bytes === 2) to[i] = view.getInt16(at, true) / 32768;
      else if (bytes === 3) to[i] = (view.getUint8(at) | (view.getInt16(at + 1, true) << 8)) / 8388608;
      else to[i] = view.getInt32(at, true) / 2147483648;
    }
  }
  return out;
}
