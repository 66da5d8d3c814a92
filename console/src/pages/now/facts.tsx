// What else is to be said of a zone: its cap, its schedule, why it stopped, what is announced.
import type { JSX } from 'preact';
import type { Group } from '../../api/types';
import { clock, t, timeOfDay } from '../../i18n';
import { may } from '../../state/store';
import { Button, Notice } from '../../ui/controls';
import { Icon } from '../../ui/icons';
import { cancelAnnouncement } from './actions';
import { useCapEnd } from './cap';

/** What the schedule does now and next, in one sentence; '' without a schedule. */
export function scheduleWords(g: Group): string {
  const s = g.schedule;
  if (!s) return '';
  const next = s.next && s.next_at ? t('now.schedule.next', { name: s.next, at: timeOfDay(s.next_at) }) : '';
  if (s.overridden) return [t('now.schedule.overridden'), next].filter(Boolean).join(' ');
  const now = s.daypart ? (s.until ? t('now.schedule.until', { name: s.daypart, at: timeOfDay(s.until) }) : t('now.schedule.now', { name: s.daypart })) : '';
  return [now, next].filter(Boolean).join(' ');
}

export function Facts({ group: g }: { group: Group }): JSX.Element | null {
  const schedule = scheduleWords(g);
  const until = useCapEnd(g);
  if (!schedule && g.volume_cap === undefined && !g.last_error) return null;
  return (
    <div class="stack tight now-facts">
      {g.volume_cap !== undefined && (
        <p class="row small"><Icon name="block" size={18} /><span>{until ? t('now.cap.until', { cap: g.volume_cap, at: timeOfDay(until) }) : t('now.cap', { cap: g.volume_cap })}</span></p>
      )}
      {schedule && <p class="row small dim"><Icon name="schedules" size={18} /><span>{schedule}</span></p>}
      {g.last_error && g.playback_state !== 'playing' && <Notice tone="bad"><span class="small">{t('now.stopped_by_itself', { reason: g.last_error })}</span></Notice>}
    </div>
  );
}

/** An announcement that waits or sounds, with the way to end it. */
export function Announced({ group: g }: { group: Group }): JSX.Element | null {
  const a = g.announcement;
  if (!a || (a.state !== 'queued' && a.state !== 'playing')) return null;
  return (
    <div class="now-announced row" role="status">
      <Icon name="megaphone" />
      <div class="grow">
        <strong>{t(`now.announcement.${a.state}`)}</strong>
        <span class="small ellipsis now-block">{a.text || (a.uri?.startsWith('clip:') ? t('now.announcement.clip') : a.uri)}{a.duration_ms ? ` · ${clock(a.duration_ms)}` : ''}</span>
      </div>
      {may('operator', g.group_id) && <Button onClick={() => void cancelAnnouncement(g, a.announcement_id)}>{t('common.cancel')}</Button>}
    </div>
  );
}
