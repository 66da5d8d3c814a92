// Schedules: what each zone plays when.
import '../admin/admin.css';
import './schedules.css';
import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';
import type { Group } from '../../api/types';
import { t } from '../../i18n';
import { go, route } from '../../router';
import { groupList, may } from '../../state/store';
import { Button, Empty, Notice, Select, Spinner } from '../../ui/controls';
import { attempt, explain } from '../../ui/toast';
import { create, load, loadError, schedules, useSchedules } from './store';
import { ZoneSchedule } from './zone-schedule';

export function Schedules(): JSX.Element {
  useSchedules();
  const zones = groupList.value.filter((g) => !g.solo);
  // Without a zone in the address, the first with a schedule; and that one stays when others come.
  const first = useRef('');
  if (!zones.some((z) => z.group_id === first.current)) first.current = schedules.value === null ? '' : (zones.find((z) => schedules.value!.has(z.group_id)) ?? zones[0])?.group_id ?? '';
  const wanted = route.value[1] ?? first.current;
  const g = zones.find((z) => z.group_id === wanted);
  return (
    <div class="sched">
      <div class="page-head">
        <h1>{t('common.page.schedules')}</h1>
        {zones.length > 1 && (
          <div class="zone-choice">
            <Select label={t('schedules.for_zone')} value={wanted} onChange={(id) => go('schedules', id)} options={[...(g ? [] : [{ value: wanted, label: '…' }]), ...zones.map((z) => ({ value: z.group_id, label: z.name }))]} />
          </div>
        )}
      </div>
      {loadError.value !== null && <Notice tone="bad" alert><p>{explain(loadError.value)}</p><Button onClick={load}>{t('common.retry')}</Button></Notice>}
      {schedules.value === null ? loadError.value === null && <Spinner />
        : !g ? zones.length === 0 || !wanted ? <Empty icon="schedules" title={t('schedules.no_zone')}><p>{t('schedules.no_zone.text')}</p></Empty>
          : <Empty icon="schedules" title={t('schedules.zone_gone')}><p>{t('schedules.zone_gone.text')}</p></Empty>
        : <Zone key={g.group_id} group={g} />}
    </div>
  );
}

function Zone({ group: g }: { group: Group }): JSX.Element {
  const s = schedules.value?.get(g.group_id);
  if (s) return <ZoneSchedule schedule={s} group={g} />;
  const begin = () => attempt(() => create({
    group_id: g.group_id, name: g.name, enabled: true, time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone, dayparts: [], quiet_hours: [],
  }));
  return (
    <Empty icon="schedules" title={t('schedules.none', { zone: g.name })}>
      <p class="reading">{t('schedules.none.text')}</p>
      {may('operator', g.group_id) && <Button icon="plus" kind="primary" onClick={begin}>{t('schedules.create')}</Button>}
    </Empty>
  );
}
