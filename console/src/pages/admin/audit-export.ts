// Lines of the ledger as a file for other programs, made in the browser.
import type { AuditEvent } from './types';

const columns = ['id', 'at', 'actor', 'kind', 'client_id', 'detail'] as const;

/**
 * A field of CSV (RFC 4180). What a spreadsheet would take for a formula gets an apostrophe
 * before it: names of devices are in these lines, and anybody on the network chooses those.
 */
export function csvField(value: string | number | undefined): string {
  let s = value === undefined ? '' : String(value);
  if (typeof value === 'string' && /^[\s\u0000-\u001f\u00a0\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]/.test(s) || /^[\t\r\n]/.test(s)) s = `'${s}`;
  return /[",\r\n;\t]/.test(s) || s !== s.trim() ? `"${s.replace(/"/g, '""')}"` : s;
}

export const toCsv = (events: AuditEvent[]): string =>
  [columns.join(','), ...events.map((e) => columns.map((c) => csvField(e[c])).join(','))].join('\r\n') + '\r\n';

export const toJsonLines = (events: AuditEvent[]): string => events.map((e) => JSON.stringify(e) + '\n').join('');

/** Hands a file to the person. */
export function save(name: string, data: Blob): void {
  const a = document.createElement('a');
  a.href = URL.createObjectURL(data);
  a.download = name;
  document.body.append(a);
  a.click();
  a.remove();
  setTimeout(() => URL.revokeObjectURL(a.href), 60_000);
}
