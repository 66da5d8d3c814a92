// Moving a row of a list by its handle, with a mouse or a finger.

/** Near the edge of what scrolls, it scrolls (pixels from it, pixels a frame). */
const edge = 64;
const pace = 10;

function scroller(of: HTMLElement): HTMLElement {
  for (let e = of.parentElement; e; e = e.parentElement) {
    if (e.scrollHeight > e.clientHeight && /auto|scroll/.test(getComputedStyle(e).overflowY)) return e;
  }
  return document.documentElement;
}

/** The index of the row whose middle is nearest to a place of the window. */
function rowAt(list: HTMLElement, y: number): number {
  let best = 0;
  let least = Infinity;
  for (const row of list.children as HTMLCollectionOf<HTMLElement>) {
    const box = row.getBoundingClientRect();
    const far = Math.abs(box.top + box.height / 2 - y);
    if (far < least) {
      least = far;
      best = Number(row.dataset.index);
    }
  }
  return best;
}

/** Follows the pointer: shows where the row would be, and places it when it is let go. */
export function dragRow(e: PointerEvent, list: HTMLElement, from: number, show: (h: { from: number; to: number } | null) => void, place: (from: number, to: number) => void): void {
  if (e.button !== 0) return;
  const id = e.pointerId;
  const box = scroller(list);
  let y = e.clientY;
  let to = from;
  let frame = 0;
  let going = false;
  const draw = () => {
    const r = box === document.documentElement ? { top: 0, bottom: innerHeight } : box.getBoundingClientRect();
    const by = y < r.top + edge ? -pace : y > r.bottom - edge ? pace : 0;
    if (by) box.scrollBy(0, by);
    const at = rowAt(list, y);
    if (at !== to) {
      to = at;
      show({ from, to });
    }
    frame = requestAnimationFrame(draw);
  };
  const follow = (m: PointerEvent) => {
    if (m.pointerId !== id) return;
    if (!going && Math.abs(m.clientY - e.clientY) < 5) return;
    m.preventDefault();
    y = m.clientY;
    if (!going) {
      going = true;
      show({ from, to });
      frame = requestAnimationFrame(draw);
    }
  };
  const end = (drop: boolean) => {
    cancelAnimationFrame(frame);
    removeEventListener('pointermove', follow);
    removeEventListener('pointerup', up);
    removeEventListener('pointercancel', cancel);
    removeEventListener('keydown', key, true);
    show(null);
    if (drop && going) place(from, to);
  };
  const up = (u: PointerEvent) => { if (u.pointerId === id) end(true); };
  const cancel = (c: PointerEvent) => { if (c.pointerId === id) end(false); };
  const key = (k: KeyboardEvent) => {
    if (k.key !== 'Escape') return;
    k.stopPropagation();
    k.preventDefault();
    end(false);
  };
  addEventListener('pointermove', follow, { passive: false });
  addEventListener('pointerup', up);
  addEventListener('pointercancel', cancel);
  addEventListener('keydown', key, true);
}
