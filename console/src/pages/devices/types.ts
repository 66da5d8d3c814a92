// Objects of the operator API that this page alone uses.
import type { AudioFormat, Persona } from '../../api/types';

/** An address where a device may be. */
export interface Sighting {
  key: string;
  url: string;
  name?: string;
  via: 'mdns' | 'dns-sd' | 'static' | 'api' | string;
  present: boolean;
  last_seen_at?: string;
}

/** What an operator set for a player. */
export interface Tuning {
  volume_min?: number;
  volume_max?: number;
  volume_startup?: number;
  channels?: 'stereo' | 'mono' | 'left' | 'right' | string;
  equalizer?: Equalizer;
  preferred_format?: AudioFormat;
}

export interface Equalizer {
  preamp_db: number;
  bands: Band[];
  limiter: boolean;
  limiter_db: number;
}

export interface Band {
  kind: 'peak' | 'low_shelf' | 'high_shelf' | 'low_pass' | 'high_pass';
  frequency: number;
  gain_db: number;
  q: number;
}

/** A pairing token that waits for its device, or did. */
export interface Enrolment {
  client_id: string;
  fingerprint?: string;
  name?: string;
  state: 'waiting' | 'pairing' | 'paired' | 'failed';
  detail?: string;
  attempts: number;
  actor: string;
  added_at: string;
  updated_at?: string;
}

/** What became of one token of a request. */
export interface EnrolResult {
  index: number;
  client_id?: string;
  state: 'waiting' | 'already_paired' | 'duplicate' | 'invalid';
  error?: string;
}

export interface RosterExport {
  persona_id: string;
  seq: number;
  roster: string;
  sealed: boolean;
}

export interface RosterImport {
  persona: Persona;
  changes: string[];
  accepted: boolean;
}
