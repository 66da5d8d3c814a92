// What the console knows of the server: signals that GETs fill and the event feed keeps
// true. Pages read signals; nobody else writes them but act, which shows a change before
// the server has confirmed it.
import { batch, computed, signal, type ReadonlySignal, type Signal } from '@preact/signals';
import { get } from '../api/http';
import type { Client, Group, InboxEntry, Pairing, Persona, Server, Session } from '../api/types';

/** Who is signed in. Null until the server has said so. */
export const session = signal<Session | null>(null);
export const server = signal<Server | null>(null);
export const clients = signal<ReadonlyMap<string, Client>>(new Map());
export const groups = signal<ReadonlyMap<string, Group>>(new Map());
export const inbox = signal<InboxEntry[]>([]);
/** The last word on each pairing attempt, by client id. */
export const pairings = signal<ReadonlyMap<string, Pairing>>(new Map());
export const personas = signal<ReadonlyMap<string, Persona>>(new Map());

/** When the group's position was true, by group id (performance.now(), ms). */
export const positionAt = new Map<string, number>();

/** loading: first data not here yet. live: the feed is open. lost: it is not; it mends itself. */
export type Link = 'loading' | 'live' | 'lost';
export const link = signal<Link>('loading');

/** Counts the openings of the feed and its gaps: what a page read beside the store is to be read anew. */
export const feedEpoch = signal(0);

/** Kinds of events that pages listen to beyond the store's own. */
type Listener = (data: unknown) => void;
const listeners = new Map<string, Set<Listener>>();

/** Calls f with every event of a kind until the returned function is called. */
export function onEvent(kind: string, f: Listener): () => void {
  let set = listeners.get(kind);
  if (!set) {
    set = new Set();
    listeners.set(kind, set);
    source?.addEventListener(kind, deliver);
  }
  set.add(f);
  return () => set.delete(f);
}

function deliver(e: MessageEvent): void {
  const data = JSON.parse(e.data);
  listeners.get(e.type)?.forEach((f) => f(data));
}

export const name = (c: Client | undefined, id = ''): string => c?.label || c?.name || c?.client_id.slice(0, 8) || id.slice(0, 8);
export const clientName = (id: string): string => name(clients.value.get(id), id);

/** Zones first in the order of names, then solo groups. */
export const groupList: ReadonlySignal<Group[]> = computed(() =>
  [...groups.value.values()].sort((a, b) => Number(a.solo) - Number(b.solo) || a.name.localeCompare(b.name)));
export const clientList: ReadonlySignal<Client[]> = computed(() =>
  [...clients.value.values()].sort((a, b) => name(a).localeCompare(name(b))));

/** What the present user may do in a group ('' : everywhere). The server decides; this only hides. */
export function may(role: 'viewer' | 'operator' | 'admin', groupId = ''): boolean {
  const user = session.value?.user;
  if (!user) return false;
  const rank = { none: 0, viewer: 1, operator: 2, admin: 3 };
  let have = rank[user.role];
  for (const z of user.zones) if (groupId && z.group_id === groupId) have = Math.max(have, rank[z.role]);
  return have >= rank[role];
}

function put<T>(s: Signal<ReadonlyMap<string, T>>, key: string, value: T | undefined): void {
  const next = new Map(s.value);
  if (value === undefined) next.delete(key);
  else next.set(key, value);
  s.value = next;
}

export const putClient = (c: Client) => put(clients, c.client_id, shown('client', c.client_id, c));
export const putGroup = (g: Group) => {
  positionAt.set(g.group_id, performance.now());
  put(groups, g.group_id, shown('group', g.group_id, g));
};
export const putPairing = (p: Pairing) => put(pairings, p.client_id, p);
export const putPersona = (p: Persona) => put(personas, p.persona_id, p);

// ---- What was asked for and not confirmed yet lies over what the server says.

interface Overlay {
  kind: 'client' | 'group';
  id: string;
  patch: Record<string, unknown>;
}
const overlays = new Set<Overlay>();
const confirmed = new Map<string, unknown>();

function shown<T>(kind: 'client' | 'group', id: string, value: T): T {
  confirmed.set(`${kind} ${id}`, value);
  let out = value;
  for (const o of overlays) if (o.kind === kind && o.id === id) out = merge(out, o.patch);
  return out;
}

function merge<T>(value: T, patch: Record<string, unknown>): T {
  const out = { ...value } as Record<string, unknown>;
  for (const [k, v] of Object.entries(patch)) {
    const old = out[k];
    const nested = v && typeof v === 'object' && !Array.isArray(v) && old && typeof old === 'object';
    out[k] = nested ? { ...(old as object), ...(v as object) } : v;
  }
  return out as T;
}

function redraw(kind: 'client' | 'group', id: string): void {
  const value = confirmed.get(`${kind} ${id}`);
  if (value === undefined) return;
  const s = (kind === 'client' ? clients : groups) as Signal<ReadonlyMap<string, unknown>>;
  if (s.value.has(id)) put(s, id, shown(kind, id, value));
}

/**
 * Shows patch on a client or group at once, runs the request, and takes the patch back when
 * it is answered: then the server's own word shows, whether it agreed or not. Throws what
 * run throws, for the caller to say (see ui/toast, attempt).
 */
export async function optimistic<T>(kind: 'client' | 'group', id: string, patch: Record<string, unknown>, run: () => Promise<T>): Promise<T> {
  const o: Overlay = { kind, id, patch };
  overlays.add(o);
  redraw(kind, id);
  try {
    const answer = await run();
    overlays.delete(o);
    if (answer && typeof answer === 'object') {
      if ('playback_state' in answer) putGroup(answer as unknown as Group);
      else if ('supported_roles' in answer && 'trust' in answer) putClient(answer as unknown as Client);
    }
    return answer;
  } finally {
    overlays.delete(o);
    redraw(kind, id);
  }
}

// ---- Loading and the feed.

let source: EventSource | null = null;
let loading = 0;
/** What the feed has told since the present load began: it is newer than what the load brings. */
let meanwhile: (() => void)[] = [];
/** The newest load that has come to its end. */
let loaded = 0;

/** Reads the whole state. Called at the beginning and when events were missed. */
export async function load(): Promise<void> {
  const mine = ++loading;
  meanwhile = [];
  const admin = may('admin');
  const [s, c, g, i, p] = await Promise.all([
    get<Server>('/api/v1/server'),
    get<{ clients: Client[] }>('/api/v1/clients'),
    get<{ groups: Group[] }>('/api/v1/groups'),
    admin ? get<{ waiting: InboxEntry[] }>('/api/v1/inbox') : { waiting: [] },
    admin ? get<{ personas: Persona[] }>('/api/v1/personas') : { personas: [] },
  ]);
  if (mine !== loading) return; // a newer load is under way
  const now = performance.now();
  batch(() => {
    server.value = s;
    clients.value = new Map(c.clients.map((x) => [x.client_id, shown('client', x.client_id, x)]));
    groups.value = new Map(g.groups.map((x) => [x.group_id, shown('group', x.group_id, x)]));
    g.groups.forEach((x) => positionAt.set(x.group_id, now));
    inbox.value = i.waiting;
    personas.value = new Map(p.personas.map((x) => [x.persona_id, x]));
    meanwhile.forEach((tell) => tell());
  });
  loaded = mine;
  meanwhile = [];
}

/** Opens the feed, then loads: nothing that happens in between is missed. */
export function connect(): void {
  disconnect();
  const es = new EventSource('/api/v1/events');
  source = es;
  const on = (kind: string, f: (data: any) => void) => es.addEventListener(kind, (e) => {
    const data = JSON.parse((e as MessageEvent).data);
    f(data);
    if (loaded !== loading) meanwhile.push(() => f(data));
  });
  on('client.updated', putClient);
  on('client.removed', (d) => put(clients, d.client_id, undefined));
  on('group.updated', putGroup);
  on('group.removed', (d) => put(groups, d.group_id, undefined));
  on('inbox.updated', (d) => { inbox.value = d.waiting; });
  on('pairing.updated', putPairing);
  on('persona.updated', putPersona);
  on('server.updated', (d) => { server.value = d; });
  es.addEventListener('reset', () => void reload());
  for (const kind of listeners.keys()) es.addEventListener(kind, deliver);
  es.onopen = () => void reload();
  es.onerror = () => {
    link.value = 'lost';
    // A browser gives up when the answer is not a stream (a proxy's error page, 401).
    if (es.readyState === EventSource.CLOSED && source === es) retry();
  };
}

let wait: ReturnType<typeof setTimeout> | undefined;
let tries = 0;

function retry(): void {
  clearTimeout(wait);
  wait = setTimeout(() => {
    // A request with the session's cookie finds out whether we are still signed in.
    get('/api/v1/server').then(connect, () => { if (source) retry(); });
  }, Math.min(1000 * 2 ** tries++, 15_000));
}

async function reload(): Promise<void> {
  feedEpoch.value++;
  try {
    await load();
    tries = 0;
    link.value = 'live';
  } catch {
    link.value = 'lost';
    if (source) retry();
  }
}

/** Closes the feed, when nobody is signed in. */
export function disconnect(): void {
  clearTimeout(wait);
  source?.close();
  source = null;
}
