// Where a device stands with us, in one word: what a person must see at a glance.
import type { Client } from '../../api/types';
import type { IconName } from '../../ui/icons';
import type { Tone } from '../../ui/controls';
import type { Sighting } from './types';

export type Standing = 'pretending' | 'mismatch' | 'waiting' | 'found' | 'paired' | 'approved' | 'unpairing' | 'denied' | 'blocked';

/** Headings of the list, the most urgent first. */
export type Section = 'pretending' | 'waiting' | 'mismatch' | 'found' | 'trusted' | 'refused';
export const sections: Section[] = ['pretending', 'waiting', 'mismatch', 'found', 'trusted', 'refused'];

type Standed = Pick<Client, 'blocked' | 'warning' | 'trust' | 'unpairing' | 'waiting'>;

/**
 * The one standing of a device. What must not be overlooked comes first: a device that is
 * held to pose as another one is shown as that, whatever else it is.
 */
export function standing(c: Standed): Standing {
  if (c.blocked) return 'blocked';
  if (c.warning) return 'pretending';
  if (c.trust === 'credential_mismatch') return 'mismatch';
  if (c.unpairing) return 'unpairing';
  if (c.trust === 'paired' || c.trust === 'approved' || c.trust === 'denied') return c.trust;
  return c.waiting ? 'waiting' : 'found';
}

export function section(s: Standing): Section {
  if (s === 'paired' || s === 'approved') return 'trusted';
  if (s === 'denied' || s === 'blocked' || s === 'unpairing') return 'refused';
  return s;
}

/** The sign and the colour of a standing; its word is in the catalogue (devices.standing.*). */
export const signs: Record<Standing, { icon: IconName; tone: Tone }> = {
  pretending: { icon: 'mask', tone: 'bad' },
  mismatch: { icon: 'key', tone: 'warn' },
  waiting: { icon: 'question', tone: 'info' },
  found: { icon: 'search', tone: 'plain' },
  paired: { icon: 'link', tone: 'good' },
  approved: { icon: 'check', tone: 'good' },
  unpairing: { icon: 'out', tone: 'warn' },
  denied: { icon: 'close', tone: 'plain' },
  blocked: { icon: 'block', tone: 'plain' },
};

/** Host and port of a device's address, or '' when it has none that can be read. */
export function hostPort(url: string): string {
  const m = /^(?:wss?:\/\/)?(\[[^\]]+\]|[^/:?#]+)(?::(\d+))?/.exec(url);
  return m ? `${m[1]!.toLowerCase()}:${m[2] ?? '8928'}` : '';
}

/** Addresses where nothing has answered yet: what answers is a client and is shown as that. */
export function unanswered(sightings: Sighting[], clients: Client[]): Sighting[] {
  const known = new Set(clients.filter((c) => c.connection !== 'inbound').map((c) => c.address && hostPort(c.address)));
  return sightings.filter((s) => !known.has(hostPort(s.url)) && (s.present || s.via === 'static' || s.via === 'api'));
}

/** Whether a device is what was searched for: name, label, address, maker, fingerprint, key. */
export function matches(c: Client, search: string): boolean {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const hay = [c.label, c.name, c.address, c.fingerprint, c.fingerprint?.replaceAll('-', ''), c.device_info?.manufacturer, c.device_info?.product_name, c.device_info?.mac_address, c.client_id]
    .filter(Boolean).join('\n').toLowerCase();
  return words.every((w) => hay.includes(w));
}
