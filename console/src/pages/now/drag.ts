// Dragging a speaker onto a zone, with a mouse, a pen or a finger. A target is an element
// with data-drop: the id of a zone, or "" for "by itself".
import { signal } from '@preact/signals';
import { groupOf, move } from './actions';

export interface Drag {
  clientId: string;
  x: number;
  y: number;
  /** The target under the finger; null where there is none. */
  over: string | null;
}

export const drag = signal<Drag | null>(null);

/** What a finger may move before it is a drag and not a tap (pixels). */
const threshold = 6;
/** Near the edge of the window the page scrolls (pixels from it, pixels a frame). */
const edge = 80;
const pace = 12;

/** The target at a place of the window. */
export function targetAt(x: number, y: number): string | null {
  const hit = document.elementFromPoint(x, y)?.closest<HTMLElement>('[data-drop]');
  return hit ? hit.dataset.drop! : null;
}

/** Follows the pointer from here until it is lifted; then moves the speaker. */
export function beginDrag(e: PointerEvent, clientId: string): void {
  if (e.button !== 0 || drag.value) return;
  const from = { x: e.clientX, y: e.clientY };
  const id = e.pointerId;
  let frame = 0;
  if (e.pointerType !== 'touch') e.preventDefault(); // no selecting of text

  const scroll = () => {
    const d = drag.value;
    if (!d) return;
    const by = d.y < edge ? -pace : d.y > innerHeight - edge ? pace : 0;
    if (by) {
      scrollBy(0, by);
      drag.value = { ...d, over: targetAt(d.x, d.y) };
    }
    frame = requestAnimationFrame(scroll);
  };
  const follow = (m: PointerEvent) => {
    if (m.pointerId !== id) return;
    if (!drag.value && Math.hypot(m.clientX - from.x, m.clientY - from.y) < threshold) return;
    if (!drag.value) frame = requestAnimationFrame(scroll);
    m.preventDefault();
    drag.value = { clientId, x: m.clientX, y: m.clientY, over: targetAt(m.clientX, m.clientY) };
  };
  const end = (drop: boolean) => {
    cancelAnimationFrame(frame);
    removeEventListener('pointermove', follow);
    removeEventListener('pointerup', up);
    removeEventListener('pointercancel', cancel);
    removeEventListener('keydown', key, true);
    const d = drag.value;
    drag.value = null;
    if (!d) return;
    // A click that ends a drag is not a tap on what lies there.
    const swallow = (c: Event) => { c.stopPropagation(); c.preventDefault(); };
    addEventListener('click', swallow, { capture: true, once: true });
    setTimeout(() => removeEventListener('click', swallow, true), 50);
    const to = drop ? targetAt(d.x, d.y) : null;
    if (to !== null && groupOf(clientId)?.group_id !== to) void move(clientId, to);
  };
  const up = (u: PointerEvent) => { if (u.pointerId === id) end(true); };
  const cancel = (c: PointerEvent) => { if (c.pointerId === id) end(false); };
  const key = (k: KeyboardEvent) => {
    if (k.key !== 'Escape') return;
    k.stopPropagation();
    end(false);
  };
  addEventListener('pointermove', follow, { passive: false });
  addEventListener('pointerup', up);
  addEventListener('pointercancel', cancel);
  addEventListener('keydown', key, true);
}
