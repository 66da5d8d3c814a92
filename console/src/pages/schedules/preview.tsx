// What will happen tonight, or on a day: in words, as the server has worked it out.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { get } from '../../api/http';
import { number, t } from '../../i18n';
import { Badge, Button, Field, Notice, Spinner } from '../../ui/controls';
import { Icon } from '../../ui/icons';
import { explain } from '../../ui/toast';
import { holidays } from './store';
import type { PreviewEvent, Schedule } from './types';
import { clockTime, dayName, plays } from './words';
import { addDays, nextMorning, wallTime, wholeDay } from './zoned';

type When = 'tonight' | 'tomorrow' | string;

function range(when: When, zone: string): { from: Date; to: Date } {
  const now = new Date();
  if (when === 'tonight') return { from: now, to: nextMorning(now, zone) };
  return wholeDay(when === 'tomorrow' ? addDays(wallTime(now, zone).date, 1) : when, zone);
}

export function Preview({ schedule: s }: { schedule: Schedule }): JSX.Element {
  const [when, setWhen] = useState<When>('tonight');
  const [events, setEvents] = useState<PreviewEvent[] | null>(null);
  const [error, setError] = useState('');
  const zone = s.time_zone;
  const isDay = when !== 'tonight' && when !== 'tomorrow';
  useEffect(() => {
    const stop = new AbortController();
    const { from, to } = range(when, zone);
    setEvents(null);
    setError('');
    get<{ events: PreviewEvent[] }>(`/api/v1/schedules/preview?group_id=${encodeURIComponent(s.group_id)}&from=${from.toISOString()}&to=${to.toISOString()}`, { signal: stop.signal })
      .then((a) => { if (!stop.signal.aborted) setEvents(a.events); })
      .catch((err: unknown) => { if (!stop.signal.aborted) setError(explain(err)); });
    return () => stop.abort();
  }, [when, s, holidays.value]);
  return (
    <section class="card stack" aria-labelledby="preview-title">
      <h2 id="preview-title">{t('schedules.preview')}</h2>
      <div class="row wrap end">
        <Button pressed={when === 'tonight'} onClick={() => setWhen('tonight')}>{t('schedules.preview.tonight')}</Button>
        <Button pressed={when === 'tomorrow'} onClick={() => setWhen('tomorrow')}>{t('schedules.preview.tomorrow')}</Button>
        <Field label={t('schedules.preview.day')} type="date" value={isDay ? when : ''} onInput={(v) => setWhen(/^\d{4}-\d\d-\d\d$/.test(v) ? v : 'tonight')} />
      </div>
      <div aria-live="polite" class="stack">
        {!s.enabled && <Notice tone="info">{t('schedules.preview.off')}</Notice>}
        {error && <Notice tone="bad">{error}</Notice>}
        {!events && !error && <Spinner />}
        {events && events.length === 0 && <p class="dim">{t('schedules.preview.nothing')}</p>}
        {events && events.length > 0 && <ol class="plain preview" data-testid="preview">{events.map((e, i) => <Line key={`${e.at} ${i}`} event={e} zone={zone} />)}</ol>}
      </div>
    </section>
  );
}

function Line({ event: e, zone }: { event: PreviewEvent; zone: string }): JSX.Element {
  const [at, until] = [wallTime(new Date(e.at), zone), wallTime(new Date(e.until), zone)];
  const quiet = e.kind === 'quiet_hours';
  return (
    <li class={quiet ? 'quiet' : ''}>
      <span class="when num"><time dateTime={e.at}>{clockTime(at.minute)}</time><span class="dim small"> {t('schedules.until', { time: clockTime(until.minute) + (until.date === at.date ? '' : ` ${dayName(until.day, 'short')}`) })}</span></span>
      <span class="what stack tight">
        <span class="row wrap"><Icon name={quiet ? 'muted' : e.stop ? 'stop' : 'music'} size={20} /><b>{quiet ? t('schedules.quiet') : e.name}</b>{e.holiday && <Badge tone="info">{e.holiday}</Badge>}</span>
        <span class="dim">
          {quiet ? t('schedules.quiet.at_most', { n: e.max_volume ?? 0 })
            : [plays(e), e.volume !== undefined && t('schedules.volume.is', { volume: number(e.volume) })].filter(Boolean).join(' · ')}
        </span>
      </span>
    </li>
  );
}
