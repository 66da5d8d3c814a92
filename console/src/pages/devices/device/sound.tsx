// Volume and its limits, channels, delay and format of a player.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { AudioFormat, Client } from '../../../api/types';
import { number, t } from '../../../i18n';
import { Button, Field, Select, Slider } from '../../../ui/controls';
import type { Tuning } from '../types';
import { save } from './save';

/** A format in words: FLAC 48 kHz, 24 bit, 2 channels. */
export function formatWords(f: AudioFormat): string {
  const parts = [f.codec.toUpperCase(), `${number(f.sample_rate / 1000, 1)} kHz`];
  if (f.codec !== 'opus' && f.bit_depth) parts.push(`${f.bit_depth} bit`);
  parts.push(t('devices.channels_n', { n: f.channels }));
  return parts.join(', ');
}

export const formatKey = (f: AudioFormat): string => `${f.codec}:${f.sample_rate}:${f.bit_depth}:${f.channels}`;

/** What a field of a limit asks for: a volume, null for none, undefined when it cannot be. */
export function limit(text: string): number | null | undefined {
  if (text.trim() === '') return null;
  const n = Number(text);
  return Number.isInteger(n) && n >= 0 && n <= 100 ? n : undefined;
}

export function SoundCard({ client: c }: { client: Client }): JSX.Element {
  const p = c.player!;
  const can = (command: string) => c.connected && p.supported_commands.includes(command);
  const tuning = (c.tuning ?? {}) as Tuning;
  const low = c.limits?.volume_min ?? 0;
  const high = c.limits?.volume_max ?? 100;
  const volume = p.volume;
  return (
    <section class="card stack">
      <h3>{t('devices.card.sound')}</h3>
      {volume !== undefined && (
        <div class="stack tight">
          <div class="row"><span class="grow">{t('devices.volume')}</span><span class="num">{volume}</span></div>
          <div class="row">
            <Button icon={p.muted ? 'muted' : 'volume'} kind="quiet" label={t('devices.mute')} pressed={!!p.muted} disabled={!can('mute')}
              onClick={() => save(c.client_id, { muted: !p.muted }, { player: { muted: !p.muted } }, true)} />
            <Slider label={t('devices.volume')} value={volume} min={low} max={high} disabled={!can('volume')}
              onSet={(v) => save(c.client_id, { volume: v }, { player: { volume: v } }, true)} />
          </div>
          {!can('volume') && <p class="small dim">{t(c.connected ? 'devices.volume_own' : 'devices.volume_away')}</p>}
        </div>
      )}
      <LimitsForm client={c} tuning={tuning} />
      <Select label={t('devices.channels')} value={tuning.channels || 'stereo'}
        options={['stereo', 'mono', 'left', 'right'].map((value) => ({ value, label: t(`devices.channels.${value}`) }))}
        onChange={(v) => save(c.client_id, { channels: v }, { tuning: { channels: v } })} />
      <Select label={t('devices.format')} hint={p.stream_format ? t('devices.format_now', { format: formatWords(p.stream_format) }) : t('devices.format_hint')}
        value={tuning.preferred_format ? formatKey(tuning.preferred_format) : ''}
        options={[{ value: '', label: t('devices.format_own') }, ...p.supported_formats.map((f) => ({ value: formatKey(f), label: formatWords(f) }))]}
        onChange={(v) => save(c.client_id, { preferred_format: p.supported_formats.find((f) => formatKey(f) === v) ?? null })} />
      <Delay client={c} can={can('set_output_delay')} />
    </section>
  );
}

function LimitsForm({ client: c, tuning }: { client: Client; tuning: Tuning }): JSX.Element {
  const text = (n: number | undefined) => (n === undefined ? '' : String(n));
  const kept = `${text(tuning.volume_min)}/${text(tuning.volume_max)}/${text(tuning.volume_startup)}`;
  const [min, setMin] = useState(text(tuning.volume_min));
  const [max, setMax] = useState(text(tuning.volume_max));
  const [start, setStart] = useState(text(tuning.volume_startup));
  const [error, setError] = useState('');
  useEffect(() => {
    setMin(text(tuning.volume_min));
    setMax(text(tuning.volume_max));
    setStart(text(tuning.volume_startup));
  }, [kept]);
  const submit = () => {
    const [a, b, s] = [limit(min), limit(max), limit(start)];
    if (a === undefined || b === undefined || s === undefined) return setError(t('devices.limit_wrong'));
    if ((a ?? 0) > (b ?? 100)) return setError(t('devices.limit_order'));
    setError('');
    void save(c.client_id, { volume_min: a, volume_max: b, volume_startup: s });
  };
  return (
    <form class="stack" onSubmit={(e) => { e.preventDefault(); submit(); }}>
      <div class="dv-thirds">
        <Field label={t('devices.volume_min')} type="number" inputMode="numeric" min={0} max={100} value={min} onInput={setMin} placeholder="0" />
        <Field label={t('devices.volume_max')} type="number" inputMode="numeric" min={0} max={100} value={max} onInput={setMax} placeholder="100" />
        <Field label={t('devices.volume_startup')} type="number" inputMode="numeric" min={0} max={100} value={start} onInput={setStart} placeholder="–" />
      </div>
      {error && <p class="dv-error" role="alert">{error}</p>}
      <p class="small dim">{t('devices.limit_hint')}</p>
      <div><Button type="submit" disabled={`${min}/${max}/${start}` === kept}>{t('devices.limit_save')}</Button></div>
    </form>
  );
}

function Delay({ client: c, can }: { client: Client; can: boolean }): JSX.Element {
  const now = c.player!.output_delay_ms;
  const [ms, setMs] = useState(String(now));
  useEffect(() => setMs(String(now)), [now]);
  const n = Number(ms);
  const ok = ms.trim() !== '' && Number.isInteger(n) && n >= 0 && n <= 5000;
  return (
    <form class="dv-tools" onSubmit={(e) => { e.preventDefault(); if (ok) void save(c.client_id, { output_delay_ms: n }, { player: { output_delay_ms: n } }); }}>
      <Field label={t('devices.delay')} hint={t(can ? 'devices.delay_hint' : 'devices.delay_own')} type="number" inputMode="numeric" min={0} max={5000} value={ms} onInput={setMs} disabled={!can}
        error={ok ? undefined : t('devices.delay_wrong')} />
      <Button type="submit" disabled={!can || !ok || n === now}>{t('common.save')}</Button>
    </form>
  );
}
