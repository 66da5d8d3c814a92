import type { JSX } from 'preact';
import type { Client } from '../../../api/types';
import { t } from '../../../i18n';
import { groupList, groups, may } from '../../../state/store';
import { Select } from '../../../ui/controls';
import { save } from './save';

/** Where the device plays: a zone, or alone. */
export function ZoneCard({ client: c }: { client: Client }): JSX.Element {
  const now = c.group_id ? groups.value.get(c.group_id) : undefined;
  const zones = groupList.value.filter((g) => !g.solo && (may('operator', g.group_id) || g.group_id === c.group_id));
  const value = now && !now.solo ? now.group_id : '';
  return (
    <section class="card stack">
      <h3>{t('devices.card.zone')}</h3>
      <Select label={t('devices.zone')} hint={zones.length === 0 ? t('devices.zone_none') : t('devices.zone_hint')} value={value} disabled={zones.length === 0}
        options={[{ value: '', label: t('devices.zone_alone') }, ...zones.map((g) => ({ value: g.group_id, label: g.name }))]}
        onChange={(id) => save(c.client_id, { group_id: id }, id ? { group_id: id } : {})} />
    </section>
  );
}
