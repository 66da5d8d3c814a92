// The week: seven columns on a desk, a day at a time on a phone.
import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { Button } from '../../ui/controls';
import { DayColumn } from './day-column';
import type { Day, Schedule } from './types';
import { useAdjust } from './use-adjust';
import type { Drawing } from './use-draw';
import { useMedia, useNow } from './use-now';
import { dayName, hourLabel, weekOrder } from './words';
import { wallTime } from './zoned';

/** A swipe is at least this far (px), and mostly sideways. */
const swipe = 60;

export interface WeekViewProps {
  schedule: Schedule;
  editable: boolean;
  onOpen: (index: number, day: Day) => void;
  onQuiet: (index: number) => void;
  onDrawn: (day: Day, d: Drawing) => void;
  onCopyDay: (day: Day) => void;
}

export function WeekView(p: WeekViewProps): JSX.Element {
  const adjusting = useAdjust(p.schedule);
  const now = wallTime(useNow(), p.schedule.time_zone);
  const foreign = p.schedule.time_zone !== '' && p.schedule.time_zone !== Intl.DateTimeFormat().resolvedOptions().timeZone;
  const narrow = useMedia('(max-width: 899px)');
  const order = weekOrder();
  const [chosen, choose] = useState<Day>(now.day);
  const at = order.indexOf(chosen);
  const turn = (n: number) => choose(order[(at + n + 7) % 7]!);
  const touch = useRef<{ x: number; y: number } | null>(null);
  const shown = narrow ? [chosen] : order;
  const start = (e: TouchEvent) => { touch.current = e.touches.length === 1 ? { x: e.touches[0]!.clientX, y: e.touches[0]!.clientY } : null; };
  const end = (e: TouchEvent) => {
    const from = touch.current;
    const to = e.changedTouches[0];
    if (!from || !to || !narrow) return;
    const [dx, dy] = [to.clientX - from.x, to.clientY - from.y];
    if (Math.abs(dx) > swipe && Math.abs(dx) > 2 * Math.abs(dy)) turn(dx < 0 ? 1 : -1);
  };
  return (
    <section aria-label={t('schedules.week')} class="week-box">
      {narrow && (
        <div class="day-picker" role="group" aria-label={t('schedules.days')}>
          <Button icon="left" kind="quiet" label={t('schedules.day.before')} onClick={() => turn(-1)} />
          {order.map((d) => (
            <button key={d} type="button" class={d === now.day ? 'today' : ''} aria-pressed={d === chosen} onClick={() => choose(d)}><span aria-hidden="true">{dayName(d, 'short')}</span><span class="sr">{dayName(d)}</span></button>
          ))}
          <Button icon="right" kind="quiet" label={t('schedules.day.after')} onClick={() => turn(1)} />
        </div>
      )}
      <div class={`week ${narrow ? 'one' : ''}`} onTouchStart={start} onTouchEnd={end}>
        <div class="corner" />
        {shown.map((d) => (
          <div key={d} class={`day-head ${d === now.day ? 'today' : ''}`}>
            <h2>{narrow ? dayName(d) : dayName(d, 'short')}{d === now.day && <>{' '}<span class="dim small">{t('schedules.today')}</span></>}</h2>
            {p.editable && <Button kind="quiet" icon="more" label={t('schedules.copy_day.of', { day: dayName(d) })} onClick={() => p.onCopyDay(d)} />}
          </div>
        ))}
        <div class="hours" aria-hidden="true">
          {Array.from({ length: 24 }, (_, h) => <span key={h} class="num">{h === 0 ? '' : hourLabel(h)}</span>)}
        </div>
        {shown.map((d) => (
          <DayColumn key={d} schedule={adjusting.schedule} adjusting={adjusting} day={d} editable={p.editable} now={d === now.day ? now.minute : undefined}
            onOpen={p.onOpen} onQuiet={p.onQuiet} onDrawn={p.onDrawn} />
        ))}
      </div>
      {foreign && <p class="dim small">{t('schedules.zone_hint', { zone: p.schedule.time_zone })}</p>}
      <p class="sr" role="status">{adjusting.said}</p>
      {p.editable && <p class="dim small" id="adjust-hint">{t('schedules.adjust.hint')}</p>}
      {p.editable && <p class="dim small">{t(narrow ? 'schedules.hint.touch' : 'schedules.hint')}</p>}
    </section>
  );
}
