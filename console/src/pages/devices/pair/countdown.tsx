// How long the present wait still lasts. It ticks for the eye; a screen reader hears it
// once when it begins, and at one minute and at ten seconds.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { clock, t } from '../../../i18n';

const saidAt = [60, 10];

/** skew: this browser's clock less the server's (ms). */
export function Countdown({ until, skew = 0 }: { until: string; skew?: number }): JSX.Element {
  const end = new Date(until).getTime() + skew;
  const left = () => Math.max(0, Math.ceil((end - Date.now()) / 1000));
  const [s, set] = useState(left);
  const [spoken, speak] = useState('');
  useEffect(() => {
    let before = left();
    set(before);
    speak(t('devices.pair.left', { time: clock(before * 1000) }));
    const timer = setInterval(() => {
      const now = left();
      const crossed = saidAt.find((x) => before > x && now <= x);
      if (crossed !== undefined) speak(t('devices.pair.left', { time: clock(now * 1000) }));
      before = now;
      set(now);
    }, 1000);
    return () => clearInterval(timer);
  }, [end]);
  return (
    <p class="small dim num">
      <span aria-hidden="true">{t('devices.pair.left', { time: clock(s * 1000) })}</span>
      <span class="sr" aria-live="polite">{spoken}</span>
    </p>
  );
}
