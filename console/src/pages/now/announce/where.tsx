// Where something is announced, and how loud.
import type { JSX } from 'preact';
import type { Group } from '../../../api/types';
import { t } from '../../../i18n';
import { clientName, groupList, may } from '../../../state/store';
import { Button, Check, Select } from '../../../ui/controls';
import { Range } from '../range';

/** Groups in which one can announce. */
export const reachable = (): Group[] => groupList.value.filter((g) => g.members.length > 0 && may('operator', g.group_id));

const title = (g: Group): string => (g.solo ? g.members.map(clientName).join(', ') : g.name);

export function Where({ chosen, onChange }: { chosen: string[]; onChange: (ids: string[]) => void }): JSX.Element {
  const all = reachable();
  const every = all.every((g) => chosen.includes(g.group_id));
  return (
    <fieldset class="now-fieldset">
      <legend>{t('now.announce.where')}</legend>
      {all.length > 1 && <Button kind="quiet" icon={every ? 'close' : 'check'} onClick={() => onChange(every ? [] : all.map((g) => g.group_id))}>{t(every ? 'now.announce.nowhere' : 'now.announce.everywhere')}</Button>}
      {all.map((g) => (
        <Check key={g.group_id} checked={chosen.includes(g.group_id)} onChange={(on) => onChange(on ? [...chosen, g.group_id] : chosen.filter((x) => x !== g.group_id))}
          label={<>{title(g)} <span class="small dim">· {g.solo ? t('now.announce.single') : t('now.speakers', { n: g.members.length })}</span></>} />
      ))}
      {all.length === 0 && <p class="dim">{t('now.announce.nobody')}</p>}
    </fieldset>
  );
}

/** dB that the music is quieter; the last is as good as silent. */
export const ducks = ['10', '18', '30', '60'] as const;
export type Duck = (typeof ducks)[number];

export function Loudness({ volume, duck, onVolume, onDuck }: { volume: number | undefined; duck: Duck; onVolume: (v: number | undefined) => void; onDuck: (d: Duck) => void }): JSX.Element {
  return (
    <details class="now-details">
      <summary>{t('now.announce.loudness')}</summary>
      <div class="stack">
        <Check label={t('now.announce.own_volume')} checked={volume !== undefined} onChange={(on) => onVolume(on ? 60 : undefined)} />
        {volume !== undefined && (
          <div class="row"><Range label={t('now.announce.volume')} value={volume} min={0} max={100} onSet={onVolume} onMove={(v) => { if (v !== null) onVolume(v); }} /><span class="now-level num">{volume}</span></div>
        )}
        {volume !== undefined && <p class="small dim">{t('now.announce.volume_hint')}</p>}
        <Select<Duck> label={t('now.announce.duck')} value={duck} onChange={onDuck} options={ducks.map((value) => ({ value, label: t(`now.announce.duck.${value}`) }))} />
      </div>
    </details>
  );
}
