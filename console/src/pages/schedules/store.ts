// The schedules as the server has them, and changes to them.
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { del, get, post, put, seg } from '../../api/http';
import { t } from '../../i18n';
import { onEvent } from '../../state/store';
import { attempt, toast } from '../../ui/toast';
import type { Holiday, Schedule } from './types';

/** By zone; null until they are here. */
export const schedules = signal<ReadonlyMap<string, Schedule> | null>(null);
export const holidays = signal<Holiday[]>([]);
export const loadError = signal<unknown>(null);

const byZone = (list: Schedule[]) => new Map(list.map((s) => [s.group_id, s]));

function keep(s: Schedule): Schedule {
  schedules.value = byZone([...(schedules.value?.values() ?? [])].filter((x) => x.schedule_id !== s.schedule_id).concat(s));
  return s;
}

function drop(id: string): void {
  schedules.value = byZone([...(schedules.value?.values() ?? [])].filter((x) => x.schedule_id !== id));
}

export async function load(): Promise<void> {
  try {
    const [s, h] = await Promise.all([get<{ schedules: Schedule[] }>('/api/v1/schedules'), get<{ holidays: Holiday[] }>('/api/v1/holidays')]);
    schedules.value = byZone(s.schedules);
    holidays.value = h.holidays;
    loadError.value = null;
  } catch (err) {
    loadError.value = err;
  }
}

/** Keeps the schedules true while the page is shown. */
export function useSchedules(): void {
  useEffect(() => {
    const off = [
      onEvent('schedule.updated', (s) => keep(s as Schedule)),
      onEvent('schedule.removed', (s) => drop((s as { schedule_id: string }).schedule_id)),
      onEvent('reset', () => void load()),
    ];
    void load();
    return () => off.forEach((f) => f());
  }, []);
}

/** A schedule as it is sent. A skip that is left out would end. */
const body = ({ group_id, name, enabled, time_zone, dayparts, quiet_hours, skip_until }: Omit<Schedule, 'schedule_id'>) =>
  ({ group_id, name, enabled, time_zone, dayparts, quiet_hours, skip_until });

/** Makes a schedule for a zone. */
export const create = async (s: Omit<Schedule, 'schedule_id'>): Promise<Schedule> =>
  keep(await post<Schedule>('/api/v1/schedules', body(s)));

/** Replaces a schedule; where `was` is given, a message offers to put that back. */
export async function save(s: Schedule, was?: Schedule): Promise<Schedule> {
  const answer = keep(await put<Schedule>(`/api/v1/schedules/${seg(s.schedule_id)}`, body(s)));
  if (was) toast('good', t('schedules.saved'), { label: t('schedules.undo'), run: () => attempt(() => save(was)) });
  return answer;
}

export async function remove(s: Schedule): Promise<void> {
  await del(`/api/v1/schedules/${seg(s.schedule_id)}`);
  drop(s.schedule_id);
  const { schedule_id: _, skip_until: __, ...rest } = s;
  toast('good', t('schedules.deleted'), { label: t('schedules.undo'), run: () => attempt(() => create(rest)) });
}

export async function skip(s: Schedule, until: Date): Promise<void> {
  await post(`/api/v1/schedules/${seg(s.schedule_id)}/skip`, { until: until.toISOString() });
  keep({ ...(schedules.value?.get(s.group_id) ?? s), skip_until: until.toISOString() });
}

export async function unskip(s: Schedule): Promise<void> {
  await del(`/api/v1/schedules/${seg(s.schedule_id)}/skip`);
  keep({ ...(schedules.value?.get(s.group_id) ?? s), skip_until: undefined });
}

export async function saveHolidays(list: Holiday[]): Promise<void> {
  const sorted = [...list].sort((a, b) => a.date.localeCompare(b.date));
  holidays.value = (await put<{ holidays: Holiday[] }>('/api/v1/holidays', { holidays: sorted }))?.holidays ?? sorted;
}
