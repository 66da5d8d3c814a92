// One clock for everything that moves on the page: it runs while something plays.
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

const beat = signal(0);
/** Between two redraws of a position (ms). */
const period = 250;
let users = 0;
let timer: ReturnType<typeof setInterval> | undefined;

/** Draws the caller again at every beat while active. */
export function useTick(active: boolean): void {
  useEffect(() => {
    if (!active) return;
    if (users++ === 0) timer = setInterval(() => { beat.value++; }, period);
    return () => { if (--users === 0) clearInterval(timer); };
  }, [active]);
  if (active) void beat.value;
}
