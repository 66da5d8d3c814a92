// What a device keeps over restarts: its identity, its pairing PSK, the pairing records,
// and the player's settings. It is plain data, kept by whoever runs the client.
import { base64url, fromBase64url } from '../crypto/bytes';
import { keyPair, type KeyPair } from '../crypto/noise';
import { pskId, type Category } from '../crypto/psk';

export interface Stored {
  version: 1;
  /** Secret keys in base64url. */
  identity: string;
  pairing_psk: string;
  records: { server_id: string; psk: string; used: number }[];
  volume: number;
  muted: boolean;
  output_delay_ms: number;
  /** Rounds of pairing since the last that succeeded. */
  rounds: number;
}

/** At least 5 (specification: "Pairing Records"). */
const maxRecords = 8;

/** A new device. random draws from a CSPRNG. */
export function fresh(random: (n: number) => Uint8Array): Stored {
  return {
    version: 1, identity: base64url(random(32)), pairing_psk: base64url(random(32)), records: [],
    volume: 60, muted: false, output_delay_ms: 0, rounds: 0,
  };
}

const whole = (v: unknown, min: number, max: number, or: number): number =>
  typeof v === 'number' && Number.isInteger(v) && v >= min && v <= max ? v : or;

/** Reads what was kept; null when it is nothing, or damaged. */
export function restore(v: unknown): Stored | null {
  try {
    const s = v as Stored;
    fromBase64url(s.identity, 32);
    fromBase64url(s.pairing_psk, 32);
    const records = (Array.isArray(s.records) ? s.records : []).filter((r) => {
      try {
        return fromBase64url(r.server_id, 32) && fromBase64url(r.psk, 32) && typeof r.used === 'number';
      } catch {
        return false;
      }
    });
    return {
      version: 1, identity: s.identity, pairing_psk: s.pairing_psk, records,
      volume: whole(s.volume, 0, 100, 60), muted: s.muted === true,
      output_delay_ms: whole(s.output_delay_ms, 0, 5000, 0), rounds: whole(s.rounds, 0, 1e6, 0),
    };
  } catch {
    return null;
  }
}

/** The device's memory while it runs. save is called after every change. */
export class Store {
  readonly identity: KeyPair;
  readonly pairingPsk: Uint8Array;

  constructor(readonly data: Stored, private readonly save: (s: Stored) => void) {
    this.identity = keyPair(fromBase64url(data.identity, 32));
    this.pairingPsk = fromBase64url(data.pairing_psk, 32);
  }

  get clientId(): string {
    return base64url(this.identity.public);
  }

  change(patch: Partial<Stored>): void {
    Object.assign(this.data, patch);
    this.save(this.data);
  }

  /**
   * The PSK with an id among those of a category: null is a miss. 'misbound' is a record
   * of another server, which fails the handshake.
   */
  find(serverId: string, id: string, category: Category): Uint8Array | 'misbound' | null {
    if (category === 'pr') return pskId(this.pairingPsk) === id ? this.pairingPsk : null;
    if (category !== 'lt') return null;
    for (const r of this.data.records) {
      const psk = fromBase64url(r.psk, 32);
      if (pskId(psk) === id) return r.server_id === serverId ? psk : 'misbound';
    }
    return null;
  }

  /** Keeps a record; replaces the server's former one, and at capacity the one least used. */
  put(serverId: string, psk: Uint8Array, now: number): void {
    let records = this.data.records.filter((r) => r.server_id !== serverId);
    records.sort((a, b) => a.used - b.used);
    records = records.slice(-(maxRecords - 1));
    this.change({ records: [...records, { server_id: serverId, psk: base64url(psk), used: now }] });
  }

  remove(serverId: string): void {
    this.change({ records: this.data.records.filter((r) => r.server_id !== serverId) });
  }

  touch(serverId: string, now: number): void {
    const r = this.data.records.find((x) => x.server_id === serverId);
    if (!r) return;
    r.used = now;
    this.save(this.data);
  }
}
