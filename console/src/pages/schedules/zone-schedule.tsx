// The schedule of one zone.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Group } from '../../api/types';
import { date, t } from '../../i18n';
import { may } from '../../state/store';
import { Button } from '../../ui/controls';
import { Icon } from '../../ui/icons';
import { CopyDayDialog, CopyScheduleDialog } from './copy-dialogs';
import { DaypartDialog } from './daypart-dialog';
import { HolidaysDialog } from './holidays-dialog';
import { Preview } from './preview';
import { QuietDialog } from './quiet-dialog';
import { SettingsDialog } from './settings-dialog';
import { Status } from './status';
import { holidays } from './store';
import type { Day, Daypart, Schedule } from './types';
import { days } from './types';
import { time } from './week';
import { useMedia } from './use-now';
import { WeekView } from './week-view';
import { ruleText } from './words';

type Open =
  | { what: 'part'; index: number; daypart: Daypart; day?: Day }
  | { what: 'quiet'; index: number }
  | { what: 'copy-day'; day: Day }
  | { what: 'copy' | 'settings' | 'holidays' };

const fresh = (list: Day[], start: string, end: string): Daypart => ({ name: '', days: list, holidays: 'as_usual', start, end });

export function ZoneSchedule({ schedule: s, group: g }: { schedule: Schedule; group: Group }): JSX.Element {
  const [open, set] = useState<Open | null>(null);
  const mine = may('operator', g.group_id);
  const close = () => set(null);
  const part = (index: number, day?: Day) => { if (mine) set({ what: 'part', index, daypart: s.dayparts[index]!, day }); };
  return (
    <div class="stack wide-gap">
      <Status schedule={s} group={g} />
      {mine && <Actions onOpen={set} />}
      <WeekView schedule={s} editable={mine} onOpen={part} onQuiet={(index) => { if (mine) set({ what: 'quiet', index }); }}
        onDrawn={(day, d) => set({ what: 'part', index: -1, daypart: fresh([day], time(d.from), time(d.to)), day })} onCopyDay={(day) => set({ what: 'copy-day', day })} />
      <div class="cards two">
        <Preview schedule={s} />
        <Rules schedule={s} editable={mine} onQuiet={(index) => set({ what: 'quiet', index })} onHolidays={() => set({ what: 'holidays' })} />
      </div>
      {open?.what === 'part' && <DaypartDialog schedule={s} index={open.index} daypart={open.daypart} day={open.day} onClose={close} />}
      {open?.what === 'quiet' && <QuietDialog schedule={s} index={open.index} onClose={close} />}
      {open?.what === 'copy-day' && <CopyDayDialog schedule={s} day={open.day} onClose={close} />}
      {open?.what === 'copy' && <CopyScheduleDialog schedule={s} onClose={close} />}
      {open?.what === 'settings' && <SettingsDialog schedule={s} onClose={close} />}
      {open?.what === 'holidays' && <HolidaysDialog schedule={s} onClose={close} />}
    </div>
  );
}

/** What can be done with the schedule; on a phone the seldom things are behind a button. */
function Actions({ onOpen }: { onOpen: (o: Open) => void }): JSX.Element {
  const narrow = useMedia('(max-width: 699px)');
  const [more, setMore] = useState(false);
  return (
    <div class="row wrap">
      <Button icon="plus" kind="primary" onClick={() => onOpen({ what: 'part', index: -1, daypart: fresh([...days], '10:00', '12:00') })}>{t('schedules.daypart.new')}</Button>
      {narrow && <Button icon="more" label={t('schedules.more')} expanded={more} onClick={() => setMore(!more)} />}
      {(!narrow || more) && <>
        <Button icon="muted" onClick={() => onOpen({ what: 'quiet', index: -1 })}>{t('schedules.quiet.new')}</Button>
        <Button icon="sun" onClick={() => onOpen({ what: 'holidays' })}>{t('schedules.holidays.title')}</Button>
        <Button icon="swap" onClick={() => onOpen({ what: 'copy' })}>{t('schedules.copy_zone')}</Button>
        <Button icon="edit" onClick={() => onOpen({ what: 'settings' })}>{t('schedules.settings')}</Button>
      </>}
    </div>
  );
}

/** Quiet hours and holidays in words. */
function Rules(p: { schedule: Schedule; editable: boolean; onQuiet: (index: number) => void; onHolidays: () => void }): JSX.Element {
  const today = new Date().toISOString().slice(0, 10);
  const coming = holidays.value.filter((h) => h.date >= today);
  return (
    <section class="card stack" aria-labelledby="rules-title">
      <h2 id="rules-title">{t('schedules.quiet')}</h2>
      {p.schedule.quiet_hours.length === 0 && <p class="dim">{t('schedules.quiet.none')}</p>}
      <ul class="plain">
        {p.schedule.quiet_hours.map((q, i) => (
          <li key={i} class="row" data-testid="quiet">
            <Icon name="muted" size={20} />
            <span class="grow stack tight"><b>{t('schedules.quiet.at_most', { n: q.max_volume })}</b><span class="dim small">{ruleText(q)}</span></span>
            {p.editable && <Button icon="edit" kind="quiet" label={t('schedules.quiet.edit', { when: ruleText(q) })} onClick={() => p.onQuiet(i)} />}
          </li>
        ))}
      </ul>
      {p.schedule.quiet_hours.length > 0 && <p class="dim small">{t('schedules.quiet.promise')}</p>}
      <h2>{t('schedules.holidays.title')}</h2>
      <p class="dim">{coming.length === 0 ? t('schedules.holidays.none') : coming.slice(0, 3).map((h) => `${h.name} (${date(`${h.date}T12:00`)})`).join(', ')}</p>
      {p.editable && <div><Button icon="edit" onClick={p.onHolidays}>{t('schedules.holidays.edit')}</Button></div>}
    </section>
  );
}
