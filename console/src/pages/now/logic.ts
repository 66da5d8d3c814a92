// Arithmetic of the page Now, without a page: tested in test/now.test.ts.
import type { Client, Group, NowPlaying } from '../../api/types';

/**
 * Where a title is (ms): what the server said `since` ms ago, moved on while it plays, and
 * inside the title where its length is known.
 */
export function position(np: NowPlaying, playing: boolean, since: number): number {
  const at = Math.max(0, np.position_ms + (playing ? Math.max(0, since) : 0));
  return np.duration_ms > 0 ? Math.min(at, np.duration_ms) : at;
}

/** Steps back that are a correction of the clock and not a seek (ms). */
const correction = 2000;

/** Stands still instead of stepping back a little: a bar that twitches looks broken. */
export const steady = (shown: number, now: number): number => (shown > now && shown - now < correction ? shown : now);

/** Whether one can seek in what a group plays. */
export const seekable = (g: Group): boolean => !g.live && (g.now_playing?.duration_ms ?? 0) > 0;

/** What a slider may do. value: what is true, also outside the range. reason: why nothing can be set, a key of now.cannot. */
export interface VolumeRange {
  value: number;
  min: number;
  max: number;
  reason?: 'absent' | 'fixed' | 'empty' | 'trust' | 'silent';
}

/** Whether the server may set the player's volume now, and why not. */
export function speakerVolume(c: Client | undefined): VolumeRange {
  const min = c?.limits?.volume_min ?? 0;
  const max = c?.limits?.volume_max ?? 100;
  const value = c?.player?.volume ?? min;
  const reason = !c ? 'absent' : !c.player ? 'silent' : !c.connected ? 'absent'
    : !c.active_roles.some((r) => r.startsWith('player@')) ? 'trust'
      : !c.player.supported_commands.includes('volume') ? 'fixed' : undefined;
  return { value, min, max, reason };
}

/** The zone's own slider: inside its range, and under the cap of quiet hours. */
export function zoneVolume(g: Group, find: (id: string) => Client | undefined): VolumeRange {
  const cap = g.volume_cap ?? 100;
  const min = Math.min(g.volume_range.min, cap);
  const max = Math.max(min, Math.min(g.volume_range.max, cap));
  const ranges = g.members.map((id) => speakerVolume(find(id)));
  const reason = g.members.length === 0 ? 'empty' : ranges.every((r) => r.reason) ? (ranges.find((r) => r.reason !== 'absent')?.reason ?? 'absent') : undefined;
  return { value: g.volume, min, max, reason };
}

/** How much of a slider lies left of its thumb, percent. */
export const fill = (value: number, min: number, max: number): number =>
  max <= min ? 100 : Math.round(((Math.min(Math.max(value, min), max) - min) / (max - min)) * 1000) / 10;

/** Zones in the order in which they are wanted: what plays, what is paused, then by name. */
export function byImportance(a: Group, b: Group): number {
  const rank = (g: Group) => (g.playback_state === 'playing' ? 0 : g.paused ? 1 : g.now_playing ? 2 : 3);
  return rank(a) - rank(b) || a.name.localeCompare(b.name);
}

/** A list with the item at `from` at `to`. */
export function moved<T>(list: readonly T[], from: number, to: number): T[] {
  const out = [...list];
  const [item] = out.splice(from, 1);
  if (item === undefined) return [...list];
  out.splice(Math.max(0, Math.min(to, out.length)), 0, item);
  return out;
}

/** Where the index of what plays is after a move. */
export function movedIndex(index: number, from: number, to: number): number {
  if (index === from) return to;
  if (from < index && to >= index) return index - 1;
  if (from > index && to <= index) return index + 1;
  return index;
}

/** A number that is the same for the same words: for generated pictures. */
export function seed(text: string): number {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return h >>> 0;
}

/** What is worth saying of a uri when no title is known. */
export function uriName(uri: string): string {
  if (/^https?:/i.test(uri)) {
    try {
      const u = new URL(uri);
      const last = u.pathname.split('/').filter(Boolean).pop();
      return last ? `${decodeURIComponent(last)} (${u.host})` : u.host;
    } catch {
      return uri;
    }
  }
  const last = uri.split('/').filter(Boolean).pop() ?? uri;
  return last.replace(/\.[A-Za-z0-9]{2,5}$/, '') || uri;
}
