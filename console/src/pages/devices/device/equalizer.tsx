// The equalizer of a player: three sliders, or its bands one by one.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Client } from '../../../api/types';
import { number, t } from '../../../i18n';
import { Button, Slider } from '../../../ui/controls';
import type { Equalizer, Tuning } from '../types';
import { Bands } from './bands';
import { full, simple, simpleMost, type Simple } from './eq';
import { save } from './save';

const off: Equalizer = { preamp_db: 0, bands: [], limiter: true, limiter_db: -1 };

/** +3 dB, −2 dB, 0 dB. */
export const dB = (n: number): string => `${n > 0 ? '+' : n < 0 ? '−' : ''}${number(Math.abs(n), 1)} dB`;

export function EqualizerCard({ client: c }: { client: Client }): JSX.Element {
  const set = (c.tuning as Tuning | undefined)?.equalizer;
  const easy = simple(set);
  const [bands, setBands] = useState(easy === null);
  const [moved, setMoved] = useState<Simple | null>(null);
  const kept = JSON.stringify(set ?? null);
  useEffect(() => {
    setMoved(null);
    if (simple(set) === null) setBands(true);
  }, [kept]);
  const shown = moved ?? easy ?? { bass: 0, middle: 0, treble: 0 };
  const send = (e: Equalizer | null) => save(c.client_id, { equalizer: e });
  const slide = (k: keyof Simple, v: number) => {
    const next = { ...shown, [k]: v };
    setMoved(next);
    void save(c.client_id, { equalizer: full(next) }, {}, true).then((ok) => { if (!ok) setMoved(null); });
  };
  return (
    <section class="card stack">
      <div class="row wrap">
        <h3 class="grow">{t('devices.card.equalizer')}</h3>
        {easy !== null && <Button kind="quiet" pressed={bands} onClick={() => setBands(!bands)}>{t('devices.eq.bands')}</Button>}
      </div>
      {bands
        ? <Bands key={kept} equalizer={set ?? off} onSave={send} />
        : (['bass', 'middle', 'treble'] as const).map((k) => (
          <div class="stack tight" key={k}>
            <div class="row"><span class="grow">{t(`devices.eq.${k}`)}</span><span class="num">{dB(shown[k])}</span></div>
            <Slider label={t(`devices.eq.${k}`)} valueText={dB(shown[k])} min={-simpleMost} max={simpleMost} value={shown[k]} live={false}
              onMove={(v) => setMoved({ ...shown, [k]: v })} onSet={(v) => slide(k, v)} />
          </div>
        ))}
      <div class="row wrap"><Button disabled={!set} onClick={() => send(null)}>{t('devices.eq.flat')}</Button>{!set && <span class="small dim">{t('devices.eq.off')}</span>}</div>
    </section>
  );
}
