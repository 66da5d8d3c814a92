// What a tap does: shown at once, asked of the server, taken back with its reason when it
// refuses. Every action resolves to whether it was done.
import { signal } from '@preact/signals';
import { del, patch, post, put, seg } from '../../api/http';
import type { Client, Group } from '../../api/types';
import { clientName, clients, groups, onEvent, optimistic, positionAt, putGroup } from '../../state/store';
import { attempt } from '../../ui/toast';
import { position } from './logic';

export const groupPath = (id: string, ...rest: string[]): string => ['/api/v1/groups', seg(id), ...rest].join('/');
const clientPath = (id: string): string => `/api/v1/clients/${seg(id)}`;

/** Places that were asked for and are not confirmed: where, and when that was true. */
export const sought = signal<ReadonlyMap<string, { position: number; at: number }>>(new Map());

/** Where a group's title is at `now` (performance.now()). */
export function positionOf(g: Group, now = performance.now()): number {
  const np = g.now_playing;
  if (!np) return 0;
  const s = sought.value.get(g.group_id);
  const playing = g.playback_state === 'playing';
  if (s) return position({ ...np, position_ms: s.position }, playing, now - s.at);
  return position(np, playing, now - (positionAt.get(g.group_id) ?? now));
}

type Place = { position: number; at: number };

function hold(id: string, place: Place | null): void {
  const next = new Map(sought.value);
  if (place) next.set(id, place);
  else next.delete(id);
  sought.value = next;
}

function command(g: Group, verb: string, body: unknown, shown: Partial<Group>): Promise<boolean> {
  return attempt(() => optimistic('group', g.group_id, shown, () => post<Group>(groupPath(g.group_id, verb), body)), g.name);
}

/** Keeps the place that is shown while the answer is under way. */
async function keeping(g: Group, at: number, run: () => Promise<boolean>): Promise<boolean> {
  const mine = { position: at, at: performance.now() };
  hold(g.group_id, mine);
  try {
    return await run();
  } finally {
    if (sought.value.get(g.group_id) === mine) hold(g.group_id, null);
  }
}

export const play = (g: Group) => keeping(g, positionOf(g), () => command(g, 'play', undefined, { playback_state: 'playing', paused: false }));
export const playUri = (g: Group, uri: string) => command(g, 'play', { uri }, {});
export const pause = (g: Group) => keeping(g, positionOf(g), () => command(g, 'pause', undefined, { playback_state: 'stopped', paused: true }));
export const stop = (g: Group) => command(g, 'stop', undefined, { playback_state: 'stopped', paused: false });
export const next = (g: Group) => command(g, 'next', undefined, {});
export const previous = (g: Group) => command(g, 'previous', undefined, {});
export const shuffle = (g: Group, enabled: boolean) => command(g, 'shuffle', { enabled }, { shuffle: enabled });
export const repeat = (g: Group, mode: Group['repeat']) => command(g, 'repeat', { mode }, { repeat: mode });

export function seek(g: Group, to: number): Promise<boolean> {
  const at = Math.max(0, Math.min(Math.round(to), g.now_playing?.duration_ms ?? 0));
  const ask = async () => putGroup(await post<Group>(groupPath(g.group_id, 'seek'), { position_ms: at }));
  return keeping(g, at, () => attempt(() => inTurn(`${g.group_id} seek`, ask), g.name));
}

/** How long a speaker may take to report what was set (ms). */
const report = 1500;

/** Resolves when an event says so, or after a while: then the server's own word counts. */
function heard<T>(kind: string, is: (x: T) => boolean): { done: Promise<void>; give: () => void } {
  let give = () => {};
  const done = new Promise<void>((resolve) => {
    const off = onEvent(kind, (x) => { if (is(x as T)) give(); });
    const timer = setTimeout(() => give(), report);
    give = () => { clearTimeout(timer); off(); resolve(); };
  });
  return { done, give: () => give() };
}

const lanes = new Map<string, { skip?: () => void }>();

/**
 * Asks for one thing after the other, and of what waits for the newest alone: a slider
 * gives many values, and the last one must be the last to arrive.
 */
async function inTurn(key: string, ask: () => Promise<unknown>): Promise<void> {
  const lane = lanes.get(key);
  if (lane) {
    lane.skip?.();
    if (!await new Promise<boolean>((go) => {
      lane.skip = () => go(false);
      waiting.set(lane, () => go(true));
    })) return;
  }
  const mine = lane ?? {};
  lanes.set(key, mine);
  mine.skip = undefined;
  try {
    await ask();
  } finally {
    const next = waiting.get(mine);
    waiting.delete(mine);
    if (next) next();
    else lanes.delete(key);
  }
}
const waiting = new WeakMap<object, () => void>();

/** Volumes are true when the speakers report them: what was asked for shows until then. */
async function reported(kind: 'client' | 'group', id: string, shown: Record<string, unknown>, is: (x: any) => boolean, ask: () => Promise<unknown>): Promise<void> {
  const h = heard(`${kind}.updated`, is);
  try {
    await optimistic(kind, id, shown, async () => {
      await inTurn(`${id} ${Object.keys(shown)}`, ask);
      await h.done;
    });
  } finally {
    h.give();
  }
}

export const setVolume = (g: Group, volume: number) => attempt(() =>
  reported('group', g.group_id, { volume }, (x: Group) => x.group_id === g.group_id && x.volume === volume,
    () => post(groupPath(g.group_id, 'volume'), { volume })), g.name);

export const setMute = (g: Group, muted: boolean) => attempt(() =>
  reported('group', g.group_id, { muted }, (x: Group) => x.group_id === g.group_id && x.muted === muted,
    () => post(groupPath(g.group_id, 'mute'), { muted })), g.name);

export const setSpeakerVolume = (id: string, volume: number) => attempt(() =>
  reported('client', id, { player: { volume } }, (x: Client) => x.client_id === id && x.player?.volume === volume,
    () => patch(clientPath(id), { volume })), clientName(id));

export const setSpeakerMute = (id: string, muted: boolean) => attempt(() =>
  reported('client', id, { player: { muted } }, (x: Client) => x.client_id === id && x.player?.muted === muted,
    () => patch(clientPath(id), { muted })), clientName(id));

/** The group that a speaker is in, as it is shown. */
export const groupOf = (clientId: string): Group | undefined =>
  [...groups.value.values()].find((g) => g.members.includes(clientId));

/** Moves a speaker into a group; '' : to itself. */
export function move(clientId: string, to: string): Promise<boolean> {
  const from = groupOf(clientId);
  const into = to ? groups.value.get(to) : undefined;
  const ask = () => (to ? put(groupPath(to, 'members', seg(clientId))) : del(groupPath(from?.group_id ?? '', 'members', seg(clientId))));
  if (from && from.group_id === to) return Promise.resolve(true);
  if (!to && (!from || from.solo)) return Promise.resolve(true);
  const leave = (run: () => Promise<unknown>) => (from ? optimistic('group', from.group_id, { members: from.members.filter((m) => m !== clientId) }, run) : run());
  const join = (run: () => Promise<unknown>) => (into ? optimistic('group', into.group_id, { members: [...into.members, clientId] }, run) : run());
  const run = () => (clients.value.has(clientId) ? optimistic('client', clientId, { group_id: to }, ask) : ask());
  return attempt(() => leave(() => join(run)), clientName(clientId));
}

/** Makes a zone; its id, or '' when it was refused. */
export async function createZone(name: string, members: string[]): Promise<string> {
  let id = '';
  await attempt(async () => { id = (await post<Group>('/api/v1/groups', { name, members })).group_id; }, name);
  return id;
}

export const renameZone = (g: Group, name: string) => attempt(() => optimistic('group', g.group_id, { name }, () => patch<Group>(groupPath(g.group_id), { name })), g.name);
export const deleteZone = (g: Group) => attempt(() => del(groupPath(g.group_id)), g.name);

export const cancelAnnouncement = (g: Group, id: string) => attempt(() =>
  optimistic('group', g.group_id, { announcement: { state: 'cancelled' } }, () => del(groupPath(g.group_id, 'announcements', seg(id)))), g.name);
