// Blocks that are moved and resized where they are, by keys or by dragging: shown at once,
// saved when hand and keys rest, and taken back with the reason when that is refused.
import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { explain, toast } from '../../ui/toast';
import { save } from './store';
import type { Daypart, Schedule } from './types';
import { adjusted, clash, type Adjust } from './week';
import { dayName, ruleText, timeRange } from './words';

/** Several keys in a row are one change (ms). */
const rest = 700;

export interface Adjusting {
  /** The schedule as it is shown. */
  schedule: Schedule;
  /** What a screen reader is told. */
  said: string;
  /** Moves or resizes a daypart by minutes, as it was when held began or as it is shown. */
  adjust: (index: number, how: Adjust, by: number, from?: Daypart) => void;
  /** Saves now, or (undone) shows what the server has. */
  finish: (undone?: boolean) => void;
}

export function useAdjust(s: Schedule): Adjusting {
  const [draft, setDraft] = useState<Schedule | null>(null);
  const [said, say] = useState('');
  const latest = useRef<Schedule | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  const server = useRef(s);
  server.current = s;
  const show = (d: Schedule | null) => {
    latest.current = d;
    setDraft(d);
  };

  const finish = (undone = false) => {
    clearTimeout(timer.current);
    const d = latest.current;
    if (!d) return;
    if (undone) return show(null);
    // One that goes on while this is saved keeps its own draft.
    const over = () => { if (latest.current === d) show(null); };
    save(d, server.current).then(over, (err) => {
      over();
      say(t('schedules.adjust.refused', { reason: explain(err) }));
      toast('bad', t('schedules.adjust.refused', { reason: explain(err) }));
    });
  };
  useEffect(() => () => finish(), []); // who leaves the page meant it

  const adjust = (index: number, how: Adjust, by: number, from?: Daypart) => {
    const base = latest.current ?? server.current;
    const next = adjusted(from ?? base.dayparts[index]!, how, by);
    if (!next) return;
    const other = clash(next, base.dayparts, index);
    if (other) return say(t('schedules.clash.two', { a: next.name, b: other.rule.name, day: dayName(other.day), range: timeRange(other.rule) }));
    clearTimeout(timer.current);
    show({ ...base, dayparts: base.dayparts.map((d, i) => (i === index ? next : d)) });
    say(t('schedules.adjust.said', { name: next.name, when: ruleText(next) }));
    if (!from) timer.current = setTimeout(() => finish(), rest);
  };
  return { schedule: draft ?? s, said, adjust, finish };
}

/** A movement of less is a click (px). */
const still = 5;
/** This near to its lower edge a block is taken by it (px). */
const edge = 8;
/** A finger rests this long before it drags (ms). */
const hold = 350;

/** Drags a block from where it was taken. */
export function dragBlock(e: PointerEvent, perMinute: number, index: number, from: Daypart, a: Adjusting): void {
  if (e.button !== 0) return;
  const block = e.currentTarget as HTMLElement;
  const how: Adjust = block.getBoundingClientRect().bottom - e.clientY <= edge ? 'end' : 'both';
  const start = e.clientY;
  const touch = e.pointerType !== 'mouse';
  let armed = !touch;
  let moved = false;
  const timer = touch ? setTimeout(() => { armed = true; block.classList.add('held'); }, hold) : undefined;
  const scrolling = (ev: TouchEvent) => { if (armed) ev.preventDefault(); };
  const end = () => {
    clearTimeout(timer);
    block.classList.remove('held');
    removeEventListener('pointermove', move);
    removeEventListener('pointerup', up);
    removeEventListener('pointercancel', cancel);
    removeEventListener('keydown', key);
    block.removeEventListener('touchmove', scrolling);
  };
  const move = (ev: PointerEvent) => {
    if (ev.pointerId !== e.pointerId) return;
    const by = ev.clientY - start;
    if (!armed) {
      if (Math.abs(by) > still) end(); // it scrolls
      return;
    }
    if (!moved && Math.abs(by) <= still) return;
    moved = true;
    a.adjust(index, how, Math.round(by / perMinute / 15) * 15, from);
  };
  const up = (ev: PointerEvent) => {
    if (ev.pointerId !== e.pointerId) return;
    end();
    if (!moved) return;
    // The click that follows is none; without one (let go elsewhere) nothing waits for it.
    const swallow = (c: Event) => { c.stopPropagation(); c.preventDefault(); };
    addEventListener('click', swallow, { capture: true, once: true });
    setTimeout(() => removeEventListener('click', swallow, { capture: true }), 0);
    a.finish();
  };
  const cancel = () => { end(); a.finish(true); };
  const key = (ev: KeyboardEvent) => { if (ev.key === 'Escape') cancel(); };
  addEventListener('pointermove', move);
  addEventListener('pointerup', up);
  addEventListener('pointercancel', cancel);
  addEventListener('keydown', key);
  block.addEventListener('touchmove', scrolling, { passive: false });
}
