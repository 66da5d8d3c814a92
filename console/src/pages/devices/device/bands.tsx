// The bands of an equalizer, one by one.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { t } from '../../../i18n';
import { Button, Check, Field, Select } from '../../../ui/controls';
import type { Band, Equalizer } from '../types';
import { bandProblems, bounds, mostBands } from './eq';

const kinds: Band['kind'][] = ['peak', 'low_shelf', 'high_shelf', 'low_pass', 'high_pass'];

export function Bands({ equalizer, onSave }: { equalizer: Equalizer; onSave: (e: Equalizer | null) => Promise<boolean> }): JSX.Element {
  const [e, set] = useState(equalizer);
  const change = (i: number, part: Partial<Band>) => set({ ...e, bands: e.bands.map((b, j) => (j === i ? { ...b, ...part } : b)) });
  const wrong = e.bands.some((b) => bandProblems(b).length > 0) || !(e.preamp_db >= -24 && e.preamp_db <= 12);
  const num = (i: number, k: 'frequency' | 'gain_db' | 'q') => {
    const b = e.bands[i]!;
    const bad = bandProblems(b).includes(k);
    return (
      <Field label={t(`devices.eq.${k}`)} type="number" inputMode="decimal" value={Number.isNaN(b[k]) ? '' : String(b[k])} min={bounds[k][0]} max={bounds[k][1]}
        onInput={(v) => change(i, { [k]: v.trim() === '' ? NaN : Number(v) })} error={bad ? t('devices.eq.range', { from: bounds[k][0], to: bounds[k][1] }) : undefined} />
    );
  };
  return (
    <form class="stack" noValidate onSubmit={(x) => { x.preventDefault(); if (!wrong) void onSave(e.bands.length === 0 && e.preamp_db === 0 ? null : e); }}>
      <Field label={t('devices.eq.preamp')} type="number" inputMode="decimal" min={-24} max={12} value={Number.isNaN(e.preamp_db) ? '' : String(e.preamp_db)} onInput={(v) => set({ ...e, preamp_db: v.trim() === '' ? NaN : Number(v) })} />
      {e.bands.map((b, i) => (
        <fieldset class="dv-set stack" key={i}>
          <legend>{t('devices.eq.band', { n: i + 1 })}</legend>
          <Select label={t('devices.eq.kind')} value={b.kind} options={kinds.map((value) => ({ value, label: t(`devices.eq.kind.${value}`) }))} onChange={(kind) => change(i, { kind })} />
          <div class="dv-thirds">{num(i, 'frequency')}{b.kind.endsWith('pass') ? null : num(i, 'gain_db')}{num(i, 'q')}</div>
          <div><Button icon="trash" kind="quiet" onClick={() => set({ ...e, bands: e.bands.filter((_, j) => j !== i) })}>{t('devices.eq.remove', { n: i + 1 })}</Button></div>
        </fieldset>
      ))}
      <Check label={t('devices.eq.limiter')} checked={e.limiter} onChange={(limiter) => set({ ...e, limiter })} />
      <div class="dv-acts">
        <Button icon="plus" disabled={e.bands.length >= mostBands} onClick={() => set({ ...e, bands: [...e.bands, { kind: 'peak', frequency: 1000, gain_db: 0, q: 1 }] })}>{t('devices.eq.add')}</Button>
        <Button kind="primary" type="submit" disabled={wrong}>{t('common.save')}</Button>
      </div>
    </form>
  );
}
