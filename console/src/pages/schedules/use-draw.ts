// Drawing a new block on the empty part of a day: with a mouse at once, with a finger after
// it has rested, so that a page can still be scrolled over the week.
import { useEffect, useRef, useState } from 'preact/hooks';
import { drawn, minutesPerDay } from './week';

/** A finger rests this long before it draws (ms). */
const rest = 350;
/** A movement of less is a tap (px). */
const still = 6;
/** What a tap makes (minutes). */
const tapLength = 120;

export interface Drawing {
  from: number;
  to: number;
}

export function useDraw(enabled: boolean, onDrawn: (d: Drawing) => void): { drawing: Drawing | null; onPointerDown: (e: PointerEvent) => void } {
  const [drawing, set] = useState<Drawing | null>(null);
  const stop = useRef<() => void>(() => {});
  useEffect(() => () => stop.current(), []);

  const onPointerDown = (e: PointerEvent) => {
    const column = e.currentTarget as HTMLElement;
    if (!enabled || e.button !== 0 || (e.target as HTMLElement).closest('button')) return;
    stop.current();
    const box = column.getBoundingClientRect();
    const minute = (y: number) => Math.max(0, Math.min(minutesPerDay, ((y - box.top) / box.height) * minutesPerDay));
    const start = e.clientY;
    const touch = e.pointerType !== 'mouse';
    let armed = !touch;
    let moved = false;
    let last: Drawing = drawn(minute(start), minute(start) + tapLength);
    const show = () => set(last);
    const timer = touch ? setTimeout(() => { armed = true; show(); }, rest) : undefined;
    const scrolling = (ev: TouchEvent) => { if (armed) ev.preventDefault(); };
    const move = (ev: PointerEvent) => {
      if (ev.pointerId !== e.pointerId) return;
      const far = Math.abs(ev.clientY - start) > still || Math.abs(ev.clientX - e.clientX) > 4 * still;
      if (!armed) {
        if (far) end(); // it scrolls or swipes
        return;
      }
      if (!far && !moved) return;
      moved = true;
      // The box moves with the page when it is scrolled meanwhile.
      const now = column.getBoundingClientRect();
      last = drawn(minute(start), ((ev.clientY - now.top) / now.height) * minutesPerDay);
      show();
    };
    const up = (ev: PointerEvent) => {
      if (ev.pointerId !== e.pointerId) return;
      const done = armed;
      end();
      if (done) onDrawn(last);
    };
    const end = () => {
      clearTimeout(timer);
      removeEventListener('pointermove', move);
      removeEventListener('pointerup', up);
      removeEventListener('pointercancel', end);
      column.removeEventListener('touchmove', scrolling);
      set(null);
      stop.current = () => {};
    };
    stop.current = end;
    addEventListener('pointermove', move);
    addEventListener('pointerup', up);
    addEventListener('pointercancel', end);
    column.addEventListener('touchmove', scrolling, { passive: false });
    if (!touch) e.preventDefault(); // no marking of text
  };
  return { drawing, onPointerDown };
}
