// What the Admin page alone needs of the operator API.
import type { Role, ZoneRole } from '../../api/types';

/** A user as an administrator sees it. */
export interface Account {
  user_id: string;
  name: string;
  role: Role;
  zones: ZoneRole[];
  disabled: boolean;
  /** False for somebody who signs in elsewhere (OIDC) alone. */
  has_password?: boolean;
  language?: string;
  created_at: string;
  last_sign_in_at?: string;
}

export interface Token {
  token_id: string;
  name: string;
  role: Role;
  zones?: ZoneRole[];
  created_at: string;
  created_by?: string;
  expires_at?: string;
  last_used_at?: string;
}

/** A token at the one moment when its secret is known. */
export interface NewToken extends Token {
  token: string;
}

/** A line of the audit ledger. */
export interface AuditEvent {
  id: number;
  at: string;
  actor: string;
  kind: string;
  client_id?: string;
  detail: string;
}

/** What walking the ledger's chain of hashes found. */
export interface AuditCheck {
  ok: boolean;
  lines: number;
  head_id: number;
  head_hash: string;
  broken_at?: number;
  problem?: string;
}

export interface LibraryStatus {
  state: 'off' | 'scanning' | 'ready' | 'failed';
  files_found: number;
  files_read: number;
  tracks: number;
  playlists: number;
  unreadable: number;
  scanned_at?: string;
  error?: string;
  decoders: string[];
  encoders: string[];
}
