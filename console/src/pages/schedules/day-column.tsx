// A day of the week: its blocks in the order of time, quiet hours behind them.
import type { JSX } from 'preact';
import { number, t } from '../../i18n';
import { Icon } from '../../ui/icons';
import type { Day, Schedule } from './types';
import { dragBlock, type Adjusting } from './use-adjust';
import { useDraw, type Drawing } from './use-draw';
import { blocksOf, freeAt, minutesPerDay, time, type Block } from './week';
import { clockTime, dayName, plays, rangeText, timeRange } from './words';

const share = (min: number): string => `${(min / minutesPerDay) * 100}%`;
const place = (b: { from: number; to: number }) => ({ top: share(b.from), height: share(b.to - b.from) });

export interface DayColumnProps {
  schedule: Schedule;
  day: Day;
  editable: boolean;
  /** Minutes since midnight, when it is this day. */
  now?: number;
  onOpen: (index: number, day: Day) => void;
  onQuiet: (index: number) => void;
  onDrawn: (day: Day, d: Drawing) => void;
  adjusting: Adjusting;
}

export function DayColumn(p: DayColumnProps): JSX.Element {
  const { drawing, onPointerDown } = useDraw(p.editable, (d) => p.onDrawn(p.day, d));
  const quiet = blocksOf(p.day, p.schedule.quiet_hours);
  const blocks = blocksOf(p.day, p.schedule.dayparts);
  return (
    <div class={`day-col ${p.editable ? 'editable' : ''}`} onPointerDown={onPointerDown} data-testid={`day-${p.day}`}>
      {quiet.map((b) => <Quiet key={`q${b.index}${b.from}`} {...p} block={b} at={freeAt(b, blocks)} />)}
      <ul class="plain" aria-label={dayName(p.day)}>
        {blocks.map((b) => <li key={`${b.index} ${b.continued}`}><Part {...p} block={b} /></li>)}
      </ul>
      {p.now !== undefined && <div class="now-line" style={{ top: share(p.now) }}><span class="sr">{t('schedules.now_is', { time: clockTime(p.now) })}</span></div>}
      {drawing && <div class="drawn" style={place(drawing)}>{rangeText(drawing.from, drawing.to)}</div>}
    </div>
  );
}

function Quiet(p: DayColumnProps & { block: Block; at: number }): JSX.Element {
  const q = p.schedule.quiet_hours[p.block.index]!;
  return (
    <>
      <div class="quiet-band" style={place(p.block)} />
      <button type="button" class="quiet-label" style={{ top: share(p.at) }} title={timeRange(q)} onClick={() => p.onQuiet(p.block.index)}>
        <Icon name="muted" size={16} />
        <span><span class="sr">{t('schedules.quiet')}, {dayName(p.day)}, {timeRange(q)}: </span>{t('schedules.quiet.at_most', { n: q.max_volume })}</span>
      </button>
    </>
  );
}

/** A block lower than this has one line alone (minutes). */
const low = 75;

/** What is read out and not seen. */
const Said = ({ children }: { children: string }) => <span class="sr">, {children}, </span>;

function Part(p: DayColumnProps & { block: Block }): JSX.Element {
  const b = p.block;
  const d = p.schedule.dayparts[b.index]!;
  const tip = [d.name, timeRange(d), plays(d), d.volume !== undefined && t('schedules.volume.is', { volume: number(d.volume) })].filter(Boolean).join(' · ');
  const kind = [b.continued && 'continued', b.continues && 'continues', d.stop && 'silent', d.holidays === 'only' && 'only', b.lanes > 1 && 'narrow', b.to - b.from < low && 'low'].filter(Boolean).join(' ');
  // What came over midnight is taken by where it began.
  const still = !p.editable || b.continued;
  const onPointerDown = (e: PointerEvent) => {
    const column = (e.currentTarget as HTMLElement).closest('.day-col')!;
    if (!still) dragBlock(e, column.getBoundingClientRect().height / minutesPerDay, b.index, d, p.adjusting);
  };
  const onKeyDown = (e: KeyboardEvent) => {
    const by = e.key === 'ArrowUp' ? -15 : e.key === 'ArrowDown' ? 15 : 0;
    if (still || !by || e.altKey || e.ctrlKey || e.metaKey) return;
    e.preventDefault();
    p.adjusting.adjust(b.index, e.shiftKey ? 'end' : 'both', by);
  };
  return (
    <button type="button" onPointerDown={onPointerDown} onKeyDown={onKeyDown} aria-describedby={still ? undefined : 'adjust-hint'} class={`part ${kind}`} style={{ ...place(b), '--lane': b.lane, '--lanes': b.lanes }} title={tip} data-start={time(b.from)} onClick={() => p.onOpen(b.index, b.startDay)}>
      <b>{d.name}</b>
      <Said>{dayName(p.day)}</Said>
      {b.continued && <Said>{t('schedules.from_before', { day: dayName(b.startDay) })}</Said>}
      <span class="num">{b.continued ? t('schedules.until', { time: clockTime(b.to) }) : b.continues ? timeRange(d) : rangeText(b.from, b.to)}</span>
      <Said>{plays(d)}</Said>
      <span class="row tight-row more" aria-hidden="true"><Icon name={d.stop ? 'stop' : 'music'} size={16} /><span class="clamp">{plays(d)}</span></span>
      {d.volume !== undefined && !d.stop && <>
        <span class="row tight-row num more" aria-hidden="true"><Icon name="volume" size={16} />{number(d.volume)}</span>
        <Said>{t('schedules.volume.is', { volume: number(d.volume) })}</Said>
      </>}
      {d.holidays !== 'as_usual' && <span class="clamp">{t(`schedules.holidays.${d.holidays}`)}</span>}
    </button>
  );
}
