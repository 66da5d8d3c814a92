// What the client tells whoever shows it and plays its audio. Plain data: it crosses to
// another thread.
import type { Mapping } from '../clock/filter';
import type { Stored } from './store';

export interface SyncState extends Mapping {
  /** Standard deviation of the offset, and worst-case error of the newest exchange (µs). */
  stdDev: number;
  maxError: number;
  converged: boolean;
}

export type ClientEvent =
  | { kind: 'save'; stored: Stored }
  | { kind: 'open'; serverId: string; paired: boolean; mismatch: boolean }
  | { kind: 'server'; name: string }
  /** Roles and activities as they are from now on. */
  | { kind: 'active'; playing: boolean; activities: string[]; paired: boolean }
  | { kind: 'sync'; sync: SyncState }
  | { kind: 'stream'; rate: number; channels: number; bits: number; fresh: boolean }
  | { kind: 'clear' }
  | { kind: 'end' }
  /** channels: one array of samples each; arrived: client's µs. */
  | { kind: 'chunk'; timestamp: number; channels: Float32Array[]; arrived: number }
  | { kind: 'group'; playing: boolean; groupId: string; groupName: string }
  | { kind: 'player'; volume: number; muted: boolean; outputDelayMs: number; byServer: boolean }
  | { kind: 'pairing'; state: 'held' | 'started' | 'paired' | 'aborted' | 'left'; method: string; reason: string }
  | { kind: 'code'; format: 'digits' | 'qr_code'; code: string; round: number }
  | { kind: 'unpaired' }
  | { kind: 'closed'; reason: CloseReason };

/** Why a connection ended. */
export type CloseReason =
  | 'lost' | 'protocol' | 'refused' | 'silent' | 'stopped' | 'unpaired' | 'unauthorized' | 'pairing_required';
