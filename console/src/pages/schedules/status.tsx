// What the schedule does with the zone at this moment, and how to do without it.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Group } from '../../api/types';
import { dateTime, t, timeOfDay } from '../../i18n';
import { may } from '../../state/store';
import { Badge, Button, Check, Notice } from '../../ui/controls';
import { Icon } from '../../ui/icons';
import { attempt } from '../../ui/toast';
import { skipUntil, SkipDialog } from './skip-dialog';
import { save, unskip } from './store';
import type { Schedule } from './types';
import { nextMorning } from './zoned';

const soon = (iso: string): string => (Date.parse(iso) - Date.now() < 18 * 3_600_000 ? timeOfDay(iso) : dateTime(iso));

export function Status({ schedule: s, group: g }: { schedule: Schedule; group: Group }): JSX.Element {
  const [asking, ask] = useState(false);
  const mine = may('operator', g.group_id);
  const skipped = s.skip_until !== undefined && Date.parse(s.skip_until) > Date.now();
  const now = g.schedule;
  return (
    <section class="card stack" aria-label={t('schedules.now')}>
      <div class="row wrap" role="status">
        <div class="grow stack tight">
          <span class="row wrap">
            <Icon name="schedules" size={20} />
            <b data-testid="in-force">{!s.enabled ? t('schedules.off') : now?.daypart ? t('schedules.in_force', { name: now.daypart }) : t('schedules.in_force.none')}</b>
            {s.enabled && now?.until && <span class="dim">{t('schedules.until', { time: soon(now.until) })}</span>}
            {now?.overridden && <Badge tone="warn" icon="user">{t('schedules.overridden')}</Badge>}
            {g.volume_cap !== undefined && <Badge tone="info" icon="muted">{t('schedules.quiet.at_most', { n: g.volume_cap })}</Badge>}
          </span>
          {s.enabled && now?.next && now.next_at && <span class="dim">{t('schedules.next', { name: now.next, when: soon(now.next_at) })}</span>}
          {now?.overridden && <span class="dim small">{t('schedules.overridden.text')}</span>}
        </div>
        {mine && <Check label={t('schedules.enabled')} checked={s.enabled} onChange={(enabled) => void attempt(() => save({ ...s, enabled }, s))} />}
      </div>
      {s.error && <Notice tone="bad">{t('schedules.error', { reason: s.error })}</Notice>}
      {skipped && (
        <Notice tone="warn">
          <div class="row wrap">
            <span class="grow">{t('schedules.skipped', { when: dateTime(s.skip_until!) })}</span>
            {mine && <Button onClick={() => attempt(() => unskip(s))}>{t('schedules.skip.undo')}</Button>}
          </div>
        </Notice>
      )}
      {mine && s.enabled && !skipped && (
        <div class="row wrap">
          <Button icon="next" onClick={() => attempt(() => skipUntil(s, nextMorning(new Date(), s.time_zone)))}>{t('schedules.skip.tomorrow')}</Button>
          <Button onClick={() => ask(true)}>{t('schedules.skip.time')}</Button>
        </div>
      )}
      {asking && <SkipDialog schedule={s} onClose={() => ask(false)} />}
    </section>
  );
}
