// The messages that a server sends to a player, read strictly: what breaks the
// specification is a ProtocolError, unknown fields and types are ignored ("Forward
// compatibility"). Times are whole microseconds.
import { fromBase64url, fromBase64urlAny, fromUtf8, ProtocolError } from '../crypto/bytes';

export interface AudioFormat {
  codec: string;
  sample_rate: number;
  channels: number;
  bit_depth: number;
}

export type ServerMessage =
  | { type: 'server/init'; serverId: string; serverKey: Uint8Array }
  | { type: 'server/error'; reason: string }
  | { type: 'noise/handshake'; data: Uint8Array }
  | { type: 'server/hello'; name: string; languages: string[] }
  | { type: 'server/activate'; activities: string[]; roles: string[] | null; pairing: { method: string; format: string } | null }
  | { type: 'server/time'; t1: number; t2: number; t3: number }
  | { type: 'server/command'; player: PlayerCommand | null }
  | { type: 'stream/start'; transmitted: number; player: AudioFormat | null }
  | { type: 'stream/clear'; transmitted: number; roles: string[] | null }
  | { type: 'stream/end'; roles: string[] | null }
  | { type: 'group/update'; playing: boolean; groupId: string; groupName: string }
  | { type: 'server/unpair' }
  | { type: 'server/pair-init'; nonce: Uint8Array | null }
  | { type: 'server/pair-auth'; share: Uint8Array }
  | { type: 'server/pair-confirm'; tag: Uint8Array }
  | { type: 'server/pair-finalize' }
  | { type: 'pair/abort'; reason: string }
  | { type: 'ignored'; name: string };

export type PlayerCommand =
  | { command: 'volume'; volume: number }
  | { command: 'mute'; mute: boolean }
  | { command: 'set_output_delay'; ms: number }
  | { command: 'other' };

type Fields = Record<string, unknown>;

const bad = (what: string): never => {
  throw new ProtocolError(what);
};
const object = (v: unknown, what: string): Fields =>
  v !== null && typeof v === 'object' && !Array.isArray(v) ? (v as Fields) : bad(`${what} is not an object`);
const text = (o: Fields, k: string): string => (typeof o[k] === 'string' ? (o[k] as string) : bad(`${k} is not a string`));
const int = (o: Fields, k: string, min = -Number.MAX_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER): number => {
  const v = o[k];
  return typeof v === 'number' && Number.isSafeInteger(v) && v >= min && v <= max ? v : bad(`${k} is not an integer in its range`);
};
const strings = (v: unknown, what: string): string[] =>
  Array.isArray(v) && v.every((x) => typeof x === 'string') ? (v as string[]) : bad(`${what} is not a list of strings`);
const optional = <T>(v: unknown, read: (v: unknown) => T): T | null => (v === undefined ? null : read(v));

/** Roles of stream/clear and stream/end: absent, or a list that is not empty. */
function targets(p: Fields): string[] | null {
  const roles = optional(p.roles, (v) => strings(v, 'roles'));
  return roles?.length === 0 ? bad('roles is empty') : roles;
}

function playerCommand(v: unknown): PlayerCommand {
  const o = object(v, 'player');
  switch (text(o, 'command')) {
    case 'volume': return { command: 'volume', volume: int(o, 'volume', 0, 100) };
    case 'mute': return { command: 'mute', mute: typeof o.mute === 'boolean' ? o.mute : bad('mute is not a boolean') };
    case 'set_output_delay': return { command: 'set_output_delay', ms: int(o, 'output_delay_ms', 0, 5000) };
  }
  return { command: 'other' };
}

function format(v: unknown): AudioFormat {
  const o = object(v, 'player');
  const codec = text(o, 'codec');
  return {
    codec, sample_rate: int(o, 'sample_rate', 1, 1_000_000), channels: int(o, 'channels', 1, 64),
    bit_depth: codec === 'opus' && o.bit_depth === undefined ? 0 : int(o, 'bit_depth', 0, 64),
  };
}

function activate(p: Fields): ServerMessage {
  const activities = strings(p.activities, 'activities');
  const roles = optional(p.active_roles, (v) => strings(v, 'active_roles'));
  if (!activities.includes('pairing')) return { type: 'server/activate', activities, roles, pairing: null };
  const o = object(p.pairing, 'pairing');
  const method = text(o, 'method');
  const form = optional(o.format, () => text(o, 'format')) ?? '';
  if (method === 'dynamic_pairing_code' && !form) bad('pairing.format is missing');
  return { type: 'server/activate', activities, roles, pairing: { method, format: form } };
}

const readers: Record<string, (p: Fields) => ServerMessage> = {
  'server/init': (p) => {
    if (int(p, 'version') !== 1) bad('the server speaks another version');
    const serverId = text(p, 'server_id');
    return { type: 'server/init', serverId, serverKey: fromBase64url(serverId, 32) };
  },
  'server/error': (p) => ({ type: 'server/error', reason: text(p, 'reason') }),
  'noise/handshake': (p) => ({ type: 'noise/handshake', data: fromBase64urlAny(p.data) }),
  'server/hello': (p) => ({ type: 'server/hello', name: text(p, 'name'), languages: optional(p.languages, (v) => strings(v, 'languages')) ?? [] }),
  'server/activate': activate,
  'server/time': (p) => ({ type: 'server/time', t1: int(p, 'client_transmitted'), t2: int(p, 'server_received'), t3: int(p, 'server_transmitted') }),
  'server/command': (p) => ({ type: 'server/command', player: optional(p.player, playerCommand) }),
  'stream/start': (p) => ({ type: 'stream/start', transmitted: int(p, 'server_transmitted'), player: optional(p.player, format) }),
  'stream/clear': (p) => ({ type: 'stream/clear', transmitted: int(p, 'server_transmitted'), roles: targets(p) }),
  'stream/end': (p) => ({ type: 'stream/end', roles: targets(p) }),
  'group/update': (p) => {
    const state = text(p, 'playback_state');
    if (state !== 'playing' && state !== 'stopped') bad('playback_state is neither playing nor stopped');
    return { type: 'group/update', playing: state === 'playing', groupId: text(p, 'group_id'), groupName: text(p, 'group_name') };
  },
  'server/state': () => ({ type: 'ignored', name: 'server/state' }), // of roles that this client does not have
  'server/unpair': () => ({ type: 'server/unpair' }),
  'server/pair-init': (p) => ({ type: 'server/pair-init', nonce: optional(p.nonce_A, (v) => fromBase64url(v, 32)) }),
  'server/pair-auth': (p) => ({ type: 'server/pair-auth', share: fromBase64url(p.pake_msg_1, 32) }),
  'server/pair-confirm': (p) => ({ type: 'server/pair-confirm', tag: fromBase64url(p.server_kc, 64) }),
  'server/pair-finalize': () => ({ type: 'server/pair-finalize' }),
  'pair/abort': (p) => ({ type: 'pair/abort', reason: text(p, 'reason') }),
};

/** Reads a JSON message. Throws ProtocolError. */
export function decode(body: string | Uint8Array): ServerMessage {
  let parsed: unknown;
  try {
    parsed = JSON.parse(typeof body === 'string' ? body : fromUtf8(body));
  } catch (err) {
    throw err instanceof ProtocolError ? err : new ProtocolError('not JSON');
  }
  const envelope = object(parsed, 'a message');
  const type = text(envelope, 'type');
  const payload = object(envelope.payload, 'payload');
  if (Object.prototype.hasOwnProperty.call(readers, type)) return readers[type]!(payload);
  if (type.startsWith('client/') || type.startsWith('client-stream/')) bad("a client's message came from the server");
  return { type: 'ignored', name: type.slice(0, 64) };
}

/** Writes a JSON message. */
export const encode = (type: string, payload: Record<string, unknown>): string => JSON.stringify({ type, payload });

/** Payload of Noise message 1. Throws ProtocolError. */
export function decodeHandshakePayload(b: Uint8Array): { pskId: string; category: 'lt' | 'pr' | 'sn' } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(fromUtf8(b));
  } catch {
    throw new ProtocolError('malformed handshake payload');
  }
  const o = object(parsed, 'the handshake payload');
  const pskId = text(o, 'psk_id');
  fromBase64url(pskId, 32);
  const category = text(o, 'psk_category');
  if (category !== 'lt' && category !== 'pr' && category !== 'sn') throw new ProtocolError('an unknown psk_category');
  return { pskId, category };
}
