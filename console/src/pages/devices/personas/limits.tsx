import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { patch, seg } from '../../../api/http';
import type { Persona } from '../../../api/types';
import { t } from '../../../i18n';
import { Button, Field } from '../../../ui/controls';
import { limit } from '../device/sound';
import { change } from './persona';

/** Name, limits and delay of a place: they go over to whichever device is active. */
export function Limits({ persona: p }: { persona: Persona }): JSX.Element {
  const text = (n: number | undefined) => (n === undefined ? '' : String(n));
  const [title, setTitle] = useState(p.name);
  const [min, setMin] = useState(text(p.volume_min));
  const [max, setMax] = useState(text(p.volume_max));
  const [delay, setDelay] = useState(text(p.output_delay_ms));
  const [error, setError] = useState('');
  useEffect(() => {
    setTitle(p.name);
    setMin(text(p.volume_min));
    setMax(text(p.volume_max));
    setDelay(text(p.output_delay_ms));
  }, [p.name, p.volume_min, p.volume_max, p.output_delay_ms]);
  const submit = () => {
    const [a, b] = [limit(min), limit(max)];
    const d = delay.trim() === '' ? -1 : Number(delay);
    if (a === undefined || b === undefined) return setError(t('devices.limit_wrong'));
    if ((a ?? 0) > (b ?? 100)) return setError(t('devices.limit_order'));
    if (!Number.isInteger(d) || d < -1 || d > 5000) return setError(t('devices.delay_wrong'));
    setError('');
    void change(() => patch<Persona>(`/api/v1/personas/${seg(p.persona_id)}`, { name: title.trim(), volume_min: a ?? -1, volume_max: b ?? -1, output_delay_ms: d }));
  };
  return (
    <form class="card stack" onSubmit={(e) => { e.preventDefault(); submit(); }}>
      <h3>{t('devices.place.settings')}</h3>
      <Field label={t('devices.place.name')} value={title} onInput={setTitle} maxLength={64} required />
      <div class="dv-thirds">
        <Field label={t('devices.volume_min')} type="number" inputMode="numeric" min={0} max={100} value={min} onInput={setMin} placeholder="0" />
        <Field label={t('devices.volume_max')} type="number" inputMode="numeric" min={0} max={100} value={max} onInput={setMax} placeholder="100" />
        <Field label={t('devices.delay')} type="number" inputMode="numeric" min={0} max={5000} value={delay} onInput={setDelay} placeholder="–" />
      </div>
      {error && <p class="dv-error" role="alert">{error}</p>}
      <p class="small dim">{t('devices.place.settings_hint')}</p>
      <div><Button type="submit" disabled={!title.trim()}>{t('common.save')}</Button></div>
    </form>
  );
}
