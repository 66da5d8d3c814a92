// Backups on their way: sealed files are not JSON.
import { send } from '../../api/http';

/** What a backup holds. */
export interface BackupContents {
  made_at: string;
  made_by: string;
  server_name: string;
  server_id: string;
  fingerprint: string;
  version: string;
  database: string;
  clients: number;
  groups: number;
  users: number;
  audit_lines: number;
  records: Record<string, number>;
}

const post = (path: string, headers: Record<string, string>, body: BodyInit): Promise<Response> => send(path, { method: 'POST', headers, body });

/** Makes a backup; its name as the server gave it. An answer that breaks off is none, and throws. */
export async function makeBackup(passphrase: string): Promise<{ name: string; file: Blob }> {
  const r = await post('/api/v1/backup', { 'Content-Type': 'application/json' }, JSON.stringify({ passphrase }));
  const name = /filename="([\w.-]+)"/.exec(r.headers.get('Content-Disposition') ?? '')?.[1] ?? 'tutti.backup';
  return { name, file: await r.blob() };
}

/** base64url without padding, of UTF-8: how a passphrase goes into a header. */
export function headerText(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

const sealed = (path: string, file: Blob, passphrase: string): Promise<Response> =>
  post(path, { 'Content-Type': 'application/octet-stream', 'Tutti-Passphrase': headerText(passphrase) }, file);

/** What is in a backup; nothing changes. */
export const checkBackup = async (file: Blob, passphrase: string): Promise<BackupContents> =>
  (await sealed('/api/v1/restore/check', file, passphrase)).json() as Promise<BackupContents>;

/** Brings a backup back: the server restarts with it. */
export async function restoreBackup(file: Blob, passphrase: string, acceptBroken: boolean): Promise<void> {
  await sealed(`/api/v1/restore${acceptBroken ? '?accept_broken_audit=true' : ''}`, file, passphrase);
}
