// Rights: everywhere, and in single zones.
import type { JSX } from 'preact';
import type { Role, ZoneRole } from '../../api/types';
import { t } from '../../i18n';
import { groupList, groups } from '../../state/store';
import { Badge, Select } from '../../ui/controls';

/** Chooses a right in each zone, for somebody who has less than that everywhere. */
export function ZoneRights(p: { zones: ZoneRole[]; onChange: (zones: ZoneRole[]) => void }): JSX.Element {
  const set = (id: string, role: Role) => {
    const rest = p.zones.filter((z) => z.group_id !== id);
    p.onChange(role === 'none' ? rest : [...rest, { group_id: id, role }]);
  };
  const named = groupList.value.filter((g) => !g.solo || p.zones.some((z) => z.group_id === g.group_id));
  const gone = p.zones.filter((z) => !groups.value.has(z.group_id));
  return (
    <fieldset class="choices">
      <legend>{t('admin.zones')}</legend>
      <p class="dim small">{t('admin.zones.hint')}</p>
      {named.length === 0 && <p class="dim">{t('admin.zones.none')}</p>}
      <div class="zone-rights">
        {named.map((g) => (
          <Select<Role> key={g.group_id} label={g.name} value={p.zones.find((z) => z.group_id === g.group_id)?.role ?? 'none'} onChange={(r) => set(g.group_id, r)}
            options={(['none', 'viewer', 'operator'] as const).map((value) => ({ value, label: t(`admin.zone_role.${value}`) }))} />
        ))}
        {gone.map((z) => (
          <Select<Role> key={z.group_id} label={t('admin.zones.gone', { id: z.group_id })} value={z.role} onChange={(r) => set(z.group_id, r)}
            options={(['none', z.role] as const).map((value) => ({ value, label: t(`admin.zone_role.${value}`) }))} />
        ))}
      </div>
    </fieldset>
  );
}

/** A right in words, with the zones. */
export function RoleBadges(p: { role: Role; zones: ZoneRole[] }): JSX.Element {
  const zoneName = (id: string) => groups.value.get(id)?.name ?? id.slice(0, 8);
  return (
    <span class="row wrap">
      {(p.role !== 'none' || p.zones.length === 0) && <Badge tone={p.role === 'admin' ? 'info' : 'plain'} icon={p.role === 'admin' ? 'admin' : undefined}>{t(`admin.role.${p.role}`)}</Badge>}
      {p.zones.map((z) => <Badge key={z.group_id} tone="plain">{t(`admin.in_zone.${z.role}`, { zone: zoneName(z.group_id) })}</Badge>)}
    </span>
  );
}
