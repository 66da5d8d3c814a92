// Who may stand in for a broken speaker.
import type { Client, Persona } from '../../../api/types';

/** Places whose speaker can be changed here. */
export const changeable = (p: Persona): boolean => p.kind === 'endpoint' && !p.imported && !p.retired;

/** Only a device that is trusted by itself can become active. */
export const ready = (c: Client | undefined): boolean => !!c && !c.blocked && !c.warning && !c.unpairing && (c.trust === 'paired' || c.trust === 'approved');

export const isPlayer = (c: Client): boolean => c.supported_roles.some((r) => r.startsWith('player@'));

/** What may be swapped: the active device of a place, or a trusted speaker that has none yet. */
export interface Broken {
  client: Client | undefined;
  clientId: string;
  persona?: Persona;
}

/** All that may be swapped, those that are away first: a broken speaker mostly is. */
export function swappable(personas: Persona[], clients: ReadonlyMap<string, Client>): Broken[] {
  const out: Broken[] = [];
  const placed = new Set<string>();
  for (const p of personas.filter((x) => !x.retired)) p.devices.forEach((d) => placed.add(d.client_id));
  for (const p of personas.filter(changeable)) if (p.active_device) out.push({ client: clients.get(p.active_device), clientId: p.active_device, persona: p });
  for (const c of clients.values()) if (!placed.has(c.client_id) && ready(c) && isPlayer(c)) out.push({ client: c, clientId: c.client_id });
  const away = (b: Broken) => (b.client?.connected ? 1 : 0);
  return out.sort((a, b) => away(a) - away(b));
}

export interface Candidate {
  client: Client;
  /** It waits in the place already. */
  spare: boolean;
  ready: boolean;
}

/** Who could take the place: its spares first, then free speakers, then those that must be paired first. */
export function candidates(broken: Broken, personas: Persona[], clients: ReadonlyMap<string, Client>): Candidate[] {
  const spares = new Set((broken.persona?.devices ?? []).map((d) => d.client_id));
  const elsewhere = new Set<string>();
  for (const p of personas.filter((x) => !x.retired && x.persona_id !== broken.persona?.persona_id)) p.devices.forEach((d) => elsewhere.add(d.client_id));
  const out: Candidate[] = [];
  for (const c of clients.values()) {
    if (c.client_id === broken.clientId || elsewhere.has(c.client_id) || c.blocked || !isPlayer(c)) continue;
    out.push({ client: c, spare: spares.has(c.client_id), ready: ready(c) });
  }
  const rank = (x: Candidate) => (x.spare ? 0 : 4) + (x.ready ? 0 : 2) + (x.client.connected ? 0 : 1);
  return out.sort((a, b) => rank(a) - rank(b));
}

/** A device of a place by its own name: the active one is labelled as the place is. */
export const ownName = (p: Pick<Persona, 'name'> | undefined, c: Client | undefined, id: string): string =>
  (c?.label && c.label !== p?.name ? c.label : c?.name) || c?.label || id.slice(0, 8);
