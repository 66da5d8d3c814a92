// What a device does with a server/activate (specification: "server/activate").
import type { Category } from '../crypto/psk';
import type { ServerMessage } from '../wire/messages';
import { permits } from './pairing';

export type Activate = Extract<ServerMessage, { type: 'server/activate' }>;
export type Verdict = 'admissible' | 'pairing_required' | 'unauthorized' | 'method_not_supported';

/** Whether a set of activities is allowed for the PSK that keys the session. */
function allowed(set: string[], matched: Category, unpaired: boolean): boolean {
  if (new Set(set).size !== set.length) return false;
  return set.every((a) => (a === 'playback' ? matched === 'lt' || unpaired : a === 'pairing' && matched !== 'lt'));
}

/** Whether the connection may play with these activities. */
export const playbackCapable = (activities: string[], matched: Category, unpaired: boolean): boolean =>
  allowed(activities.includes('playback') ? activities : [...activities, 'playback'], matched, unpaired);

function ok(m: Activate, matched: Category, unpaired: boolean): boolean {
  if (!allowed(m.activities, matched, unpaired)) return false;
  if (m.roles?.length && !playbackCapable(m.activities, matched, unpaired)) return false;
  return !m.pairing || permits(matched, m.pairing.method, m.pairing.format);
}

/** Applies the rules in the order of the specification. */
export function judge(m: Activate, matched: Category, unpaired: boolean): Verdict {
  if (ok(m, matched, unpaired)) return 'admissible';
  if (matched !== 'lt' && !unpaired && ok(m, matched, true)) return 'pairing_required';
  if (!allowed(m.activities, matched, unpaired)) return 'unauthorized';
  if (m.roles?.length && !playbackCapable(m.activities, matched, unpaired)) return 'unauthorized';
  return 'method_not_supported';
}
