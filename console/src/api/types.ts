// The objects of the operator API as the console uses them. docs: /docs of the server.
// Areas of one page alone keep their types beside that page.

export type Role = 'none' | 'viewer' | 'operator' | 'admin';

export interface ZoneRole {
  group_id: string;
  role: Role;
}

export interface User {
  user_id: string;
  name: string;
  /** What the user may do everywhere; `none` with zones for somebody of one zone. */
  role: Role;
  zones: ZoneRole[];
  language?: string;
}

export interface Session {
  signed_in: boolean;
  /** Nobody can sign in yet: the first person sets a password with the printed code. */
  setup_needed: boolean;
  user?: User;
  csrf_token?: string;
  expires_at?: string;
  /** Another way to sign in, where one is set up. */
  oidc?: { name: string; url: string };
}

export interface AudioFormat {
  codec: string;
  sample_rate: number;
  channels: number;
  bit_depth: number;
}

export interface PairMethod {
  method: 'pairing_psk' | 'dynamic_pairing_code' | 'static_pairing_code' | string;
  formats?: string[];
  out_channels?: string[];
  locations?: string[];
}

export interface Limits {
  volume_min: number;
  volume_max: number;
  volume_startup?: number;
}

export interface Player {
  volume?: number;
  muted?: boolean;
  output_delay_ms: number;
  required_lead_time_ms: number;
  min_buffer_ms: number;
  supported_commands: string[];
  supported_formats: AudioFormat[];
  preferred_format?: AudioFormat;
  stream_format?: AudioFormat;
  buffered_ms: number;
  buffered_bytes: number;
  chunks_late?: number;
  chunks_late_10s?: number;
  min_lead_ms?: number;
}

export interface Client {
  client_id: string;
  name: string;
  label?: string;
  fingerprint?: string;
  device_info?: { product_name?: string; manufacturer?: string; software_version?: string; mac_address?: string };
  supported_roles: string[];
  active_roles: string[];
  activities: string[];
  connected: boolean;
  connection: 'outbound' | 'inbound' | null;
  connected_at?: string;
  address?: string;
  gateway?: string;
  dialect: string | null;
  suite?: string;
  stage?: string;
  last_error?: string;
  reconnects?: number;
  trust: 'paired' | 'approved' | 'unapproved' | 'credential_mismatch' | 'denied';
  waiting?: string;
  pair_methods: PairMethod[];
  unpaired_access: boolean;
  source_allowed?: boolean;
  blocked: boolean;
  controller_allowed: boolean;
  approval_ends_at?: string;
  approval_until_disconnect: boolean;
  unpairing: boolean;
  paired_at?: string;
  persona_id?: string;
  warning?: string;
  available: boolean | null;
  group_id?: string;
  tuning?: Record<string, unknown>;
  limits?: Limits;
  ignored?: string[];
  unknown_roles?: string[];
  player?: Player;
  source?: { signal?: string; streaming: boolean; error?: string };
  sync?: { rtt_us: number; last_time_exchange_at: string };
  first_seen_at: string;
  last_seen_at: string;
  last_goodbye?: string;
}

export interface NowPlaying {
  title?: string;
  artist?: string;
  album?: string;
  duration_ms: number;
  position_ms: number;
  artwork?: string;
  colors?: { background_dark: string; background_light: string; primary: string; accent: string; on_dark: string; on_light: string };
}

export interface Announcement {
  announcement_id: string;
  state: 'queued' | 'playing' | 'done' | 'failed' | 'cancelled';
  uri?: string;
  text?: string;
  duration_ms?: number;
  position_ms?: number;
  error?: string;
  players: { client_id: string; state: string; sent_ms: number; reason?: string }[];
}

export interface MemberStatus {
  client_id: string;
  state: 'ok' | 'late' | 'absent' | 'unavailable' | 'not_streaming';
  format?: AudioFormat;
  buffered_ms: number;
  chunks_late: number;
  lead_ms: number;
  detail?: string;
}

export interface Group {
  group_id: string;
  name: string;
  solo: boolean;
  members: string[];
  playback_state: 'playing' | 'stopped';
  paused: boolean;
  volume: number;
  volume_range: { min: number; max: number };
  muted: boolean;
  repeat: 'off' | 'one' | 'all';
  shuffle: boolean;
  now_playing?: NowPlaying;
  queue_length: number;
  source?: string;
  crossfade_ms: number;
  normalization: string;
  live: boolean;
  announcement?: Announcement;
  last_error?: string;
  lead_client?: string;
  member_status: MemberStatus[];
  /** Set while quiet hours hold the volume down. */
  volume_cap?: number;
  /** What the schedule does with the zone now and next; absent without a schedule. */
  schedule?: { schedule_id: string; daypart?: string; until?: string; next?: string; next_at?: string; overridden?: boolean };
}

export interface InboxEntry {
  client_id: string;
  name: string;
  address: string;
  fingerprint: string;
  first_seen_at: string;
  expires_at?: string;
  reason: string;
  warning?: string;
  detail?: string;
  manufacturer?: string;
  product_name?: string;
  mac_address?: string;
  supported_roles: string[];
  connected: boolean;
  pair_methods: PairMethod[];
  unpaired_access: boolean;
}

export interface Pairing {
  client_id: string;
  attempt_id?: string;
  state: 'connecting' | 'pending' | 'awaiting_code' | 'verifying' | 'paired' | 'failed' | 'cancelled';
  method: string;
  format?: 'digits' | 'qr_code';
  round: number;
  code_length?: number;
  message?: string;
  reason?: string;
  detail?: string;
  started_at: string;
  expires_at?: string;
  actor: string;
}

export interface Persona {
  persona_id: string;
  name: string;
  kind: 'endpoint' | 'server';
  public_key: string;
  active_device?: string;
  devices: { client_id: string; active: boolean; added_at?: string }[];
  volume_min?: number;
  volume_max?: number;
  output_delay_ms?: number;
  group_id?: string;
  seq: number;
  roster: string;
  imported: boolean;
  retired: boolean;
}

export interface Server {
  server_id: string;
  name: string;
  version: string;
  languages: string[];
  policy: { pairing: 'required' | 'optional'; rosters: 'ask' | 'accept'; controller: 'paired_only' | 'approved' };
  mode: 'embedded' | 'distributed';
  instances: { service: string; instance_id: string; started_at: string; version?: string; host?: string; addresses?: string[]; ready: boolean; draining: boolean; capacity?: number }[];
  house_clock: { now_us: number; leader: string; uncertainty_us: number };
}
