// Which lines of the ledger are shown. Pure, so that it can be tested alone.
import type { AuditEvent } from './types';

export interface AuditFilter {
  /** Words that must all be in the line, in any order and case. */
  text: string;
  actor: string;
  /** A kind, or its first part with a dot ("client."). */
  kind: string;
  clientId: string;
  /** Local times as <input type=datetime-local> gives them; '' is open. */
  from: string;
  to: string;
}

export const noFilter: AuditFilter = { text: '', actor: '', kind: '', clientId: '', from: '', to: '' };

export const isFiltered = (f: AuditFilter): boolean => Object.values(f).some((v) => v !== '');

const plain = (s: string): string => s.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

/** A test for lines; nameOf gives the name that a device has now, which may be searched for too. */
export function matcher(f: AuditFilter, nameOf: (clientId: string) => string): (e: AuditEvent) => boolean {
  const words = plain(f.text).split(/\s+/).filter(Boolean);
  const from = f.from ? Date.parse(f.from) : -Infinity;
  const to = f.to ? Date.parse(f.to) + 60_000 : Infinity; // the minute that is named is part of it
  return (e) => {
    if (f.actor && e.actor !== f.actor) return false;
    if (f.kind && !(f.kind.endsWith('.') ? e.kind.startsWith(f.kind) : e.kind === f.kind)) return false;
    if (f.clientId && e.client_id !== f.clientId) return false;
    const at = Date.parse(e.at);
    if (at < from || at >= to) return false;
    if (words.length === 0) return true;
    const line = plain(`${e.id} ${e.actor} ${e.kind} ${e.detail} ${e.client_id ?? ''} ${e.client_id ? nameOf(e.client_id) : ''}`);
    return words.every((w) => line.includes(w));
  };
}

/** Whether lines older than this one can still match. */
export const mayBeOlder = (f: AuditFilter, oldest: AuditEvent): boolean => !f.from || Date.parse(oldest.at) >= Date.parse(f.from);

/** The values of a field that occur, in order. */
export function values(events: AuditEvent[], of: (e: AuditEvent) => string | undefined): string[] {
  return [...new Set(events.map(of).filter((v): v is string => !!v))].sort();
}
