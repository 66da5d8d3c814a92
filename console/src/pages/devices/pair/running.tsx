// An attempt that runs: what happens now, what the person does, how long there is.
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Client, Pairing } from '../../../api/types';
import { t } from '../../../i18n';
import { name } from '../../../state/store';
import { Button, Field, Notice } from '../../../ui/controls';
import { Icon } from '../../../ui/icons';
import { codeLength, readToken, ways } from './code';
import { Countdown } from './countdown';
import { spoken } from './methods';
import { Scan } from './scan';
import { Slots } from './slots';

interface Props {
  client: Client;
  attempt: Pairing;
  error: string;
  skew: number;
  onSend: (code: string) => Promise<boolean>;
  onCancel: () => Promise<void>;
}

export function Running(p: Props): JSX.Element {
  const { attempt: a, client } = p;
  return (
    <section class="card stack" data-state={a.state} aria-label={t(`devices.pair.state.${a.state}`)}>
      {a.state === 'awaiting_code'
        ? (a.format === 'qr_code' ? <QrStep {...p} key={`${a.attempt_id} ${a.round}`} /> : <CodeStep {...p} />)
        : (
          <div class="row" role="status">
            <span class="spinner" />
            <p class="grow"><strong>{t(`devices.pair.state.${a.state}`)}</strong><br />{t(`devices.pair.doing.${a.state}`, { name: name(client) })}</p>
          </div>
        )}
      {a.state === 'pending' && <DeviceSays message={a.message} />}
      {p.error && <Notice tone="bad" alert>{p.error}</Notice>}
      <div class="row wrap">
        <span class="grow">{a.expires_at && <Countdown until={a.expires_at} skew={p.skew} />}</span>
        <Button icon="close" onClick={p.onCancel}>{t('devices.pair.cancel')}</Button>
      </div>
    </section>
  );
}

/** The device's own words, as the device's: it may say anything. */
function DeviceSays({ message }: { message?: string }): JSX.Element {
  if (!message) return <p>{t('devices.pair.pending_silent')}</p>;
  return (
    <figure class="dv-says">
      <figcaption class="small dim"><Icon name="devices" size={18} /> {t('devices.pair.device_says')}</figcaption>
      <blockquote>{message}</blockquote>
    </figure>
  );
}

function CodeStep({ client, attempt: a, onSend }: Props): JSX.Element {
  const length = codeLength(a);
  const [code, setCode] = useState('');
  const [short, setShort] = useState(false);
  const [sent, setSent] = useState(false);
  const round = useRef(a.round);
  useEffect(() => {
    if (round.current === a.round) return;
    round.current = a.round;
    setCode('');
    setSent(false);
  }, [a.round]);
  const send = async () => {
    if (sent) return;
    if (code.length < length) return setShort(true);
    setSent(true);
    if (!(await onSend(code))) setSent(false);
  };
  const offer = ways(client).find((w) => w.kind === 'digits');
  const how = a.method === 'static_pairing_code' ? 'static' : offer && spoken(offer) ? 'spoken' : 'shown';
  return (
    <form class="stack" onSubmit={(e) => { e.preventDefault(); void send(); }}>
      {a.round > 1 && <Notice tone="warn" alert><strong>{t('devices.pair.wrong')}</strong><p>{t(`devices.pair.wrong_hint.${how === 'static' ? 'static' : 'dynamic'}`, { n: a.round })}</p></Notice>}
      <p>{t(`devices.pair.enter.${how}`, { name: name(client) })}</p>
      <Slots label={t('devices.pair.code_label')} length={length} value={code} onInput={(v) => { setCode(v); setShort(false); }} onEnter={send} disabled={sent}
        error={short ? t('devices.pair.too_short', { n: length - code.length }) : undefined} />
      <Button kind="primary" big icon="check" type="submit" disabled={sent || code.length === 0}>{t('devices.pair.send')}</Button>
    </form>
  );
}

function QrStep({ client, attempt: a, onSend }: Props): JSX.Element {
  const [text, setText] = useState('');
  const [error, setError] = useState('');
  const [sent, setSent] = useState(false);
  const problem = (s: string): string => {
    const token = readToken(s);
    if (typeof token === 'string') return t(`devices.pair.qr_no.${token}`);
    return token.version === 1 ? '' : t('devices.pair.qr_no.psk');
  };
  const send = async (s: string) => {
    const no = problem(s);
    setError(no);
    const token = readToken(s);
    if (no || typeof token === 'string' || sent) return;
    setSent(true);
    if (!(await onSend(token.text))) setSent(false);
  };
  return (
    <form class="stack" onSubmit={(e) => { e.preventDefault(); void send(text); }}>
      {a.round > 1 && <Notice tone="warn" alert><strong>{t('devices.pair.wrong')}</strong><p>{t('devices.pair.wrong_hint.qr')}</p></Notice>}
      <p>{t('devices.pair.enter.qr', { name: name(client) })}</p>
      {!sent && <Scan onText={(s) => { const no = problem(s); if (no) return no; void send(s); }} />}
      <details>
        <summary>{t('devices.pair.qr_text')}</summary>
        <div class="stack">
          <Field label={t('devices.pair.qr_text_label')} value={text} onInput={(v) => { setText(v); setError(''); }} error={error} disabled={sent} maxLength={512} />
          <Button type="submit" disabled={sent || !text.trim()}>{t('devices.pair.send')}</Button>
        </div>
      </details>
    </form>
  );
}
