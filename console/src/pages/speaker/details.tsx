// What installers look at: pairing, the quality of the synchronization, the output's delay.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { number, t } from '../../i18n';
import { allowPairing, cancelPairing, figures, pairingToken, setOutputDelay, type SpeakerState } from '../../sendspin/speaker';
import { Button, Field, Notice } from '../../ui/controls';
import { toast } from '../../ui/toast';
import { Qr } from './qr';

/** The code that the server asks its operator for, large. */
export function PairingCode({ s }: { s: SpeakerState }): JSX.Element {
  const { format, code, round } = s.code!;
  const grouped = `${code.slice(0, 3)}-${code.slice(3)}`;
  return (
    <div class="stack" role="group" aria-label={t('speaker.code')}>
      <h2>{t('speaker.code')}</h2>
      {format === 'digits'
        ? <><p class="code"><span aria-hidden="true" data-testid="pairing-code">{grouped}</span><span class="sr">{[...code].join(' ')}</span></p><p>{t('speaker.code.digits')}</p></>
        : <><Qr text={code} label={t('speaker.code.qr')} /><p>{t('speaker.code.scan')}</p></>}
      {round > 1 && <Notice tone="warn" alert>{t('speaker.code.again')}</Notice>}
      <div><Button onClick={cancelPairing}>{t('speaker.code.cancel')}</Button></div>
    </div>
  );
}

export function Pairing({ s }: { s: SpeakerState }): JSX.Element {
  const [shown, show] = useState(false);
  const token = shown ? pairingToken() : '';
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(token);
      toast('good', t('speaker.token.copied'));
    } catch {
      toast('info', t('speaker.token.select')); // without HTTPS a page may not copy
    }
  };
  const p = s.pairing;
  return (
    <details class="card">
      <summary>{t('speaker.pairing')}</summary>
      <div class="stack">
        <p>{t(s.paired ? 'speaker.pairing.paired' : 'speaker.pairing.what')}</p>
        {p?.state === 'held' && <Notice tone="warn"><p>{t('speaker.pairing.held')}</p><Button onClick={allowPairing}>{t('speaker.pairing.allow')}</Button></Notice>}
        {p?.state === 'aborted' && <Notice tone="warn">{t(p.reason === 'attempt_timeout' ? 'speaker.pairing.timeout' : 'speaker.pairing.aborted')}</Notice>}
        <div><Button icon="key" expanded={shown} onClick={() => show(!shown)}>{t(shown ? 'speaker.token.hide' : 'speaker.token.show')}</Button></div>
        {shown && <>
          <p class="small">{t('speaker.token.what')}</p>
          <Qr text={token} label={t('speaker.token.qr')} />
          <p class="mono small" data-testid="pairing-token">{token}</p>
          <div><Button onClick={copy}>{t('speaker.token.copy')}</Button></div>
        </>}
      </div>
    </details>
  );
}

const us = (n: number | undefined): string => (n === undefined || !Number.isFinite(n) ? '–' : `${number(Math.round(n))} µs`);

export function Figures({ s }: { s: SpeakerState }): JSX.Element {
  const [delay, setDelay] = useState(String(s.outputDelayMs));
  useEffect(() => setDelay(String(s.outputDelayMs)), [s.outputDelayMs]);
  const f = figures.value;
  const value = Number(delay);
  const wrong = !Number.isInteger(value) || value < 0 || value > 5000;
  const rows: [string, string][] = [
    ['offset', us(s.sync?.stdDev)],
    ['error', f?.playing ? us(f.errorUs) : '–'],
    ['drift', f ? `${number(f.driftPpm, 1)} ppm` : '–'],
    ['speed', f ? `${number(f.speedPpm, 1)} ppm` : '–'],
    ['buffer', f ? `${number(Math.round(f.bufferedMs))} ms` : '–'],
    ['late', f ? number(f.late) : '–'],
    ['resyncs', f ? number(f.resyncs + f.stalls) : '–'],
    ['underruns', f ? number(f.underruns) : '–'],
    ['latency', f ? `${number(Math.round(f.outputLatencyMs))} ms` : '–'],
    ['format', s.format ? `${number(s.format.rate / 1000, 1)} kHz · ${s.format.bits} bit` : '–'],
  ];
  return (
    <details class="card">
      <summary>{t('speaker.figures')}</summary>
      <div class="stack">
        <dl class="figures" data-testid="figures">
          {rows.map(([k, v]) => <div key={k}><dt>{t(`speaker.figure.${k}`)}</dt><dd data-testid={`figure-${k}`}>{v}</dd></div>)}
        </dl>
        <form class="row wrap" onSubmit={(e) => { e.preventDefault(); if (!wrong) setOutputDelay(value); }}>
          <div class="delay"><Field label={t('speaker.delay')} type="number" inputMode="numeric" min={0} max={5000} value={delay} onInput={setDelay} error={wrong ? t('speaker.delay.range') : undefined} /></div>
          <Button type="submit" disabled={wrong || value === s.outputDelayMs}>{t('common.save')}</Button>
        </form>
        <p class="small dim">{t('speaker.delay.what')}</p>
      </div>
    </details>
  );
}
