// What has to be known before an attempt begins: a token, or the digits of a label.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Client } from '../../../api/types';
import { t } from '../../../i18n';
import { clients, name } from '../../../state/store';
import { Button, Field, Notice } from '../../../ui/controls';
import type { StartBody } from './attempt';
import { readToken, staticDigits, type Way } from './code';
import { places } from './methods';
import { Scan } from './scan';
import { Slots } from './slots';

interface Props {
  client: Client;
  way: Way;
  error: string;
  onStart: (body: StartBody) => Promise<boolean>;
  onBack: () => void;
}

/** Why a token cannot be this device's; '' when it can. */
export function tokenProblem(text: string, client: Client): string {
  const token = readToken(text);
  if (typeof token === 'string') return t(`devices.pair.token_no.${token}`);
  if (token.version === 1) return t('devices.pair.token_no.code');
  if (token.clientId === client.client_id) return '';
  const other = clients.value.get(token.clientId!);
  return other ? t('devices.pair.token_no.other_known', { name: name(other) }) : t('devices.pair.token_no.other_device');
}

export function TokenEntry({ client, way, token, error, onStart, onBack }: Props & { token: string }): JSX.Element {
  const [text, setText] = useState(token);
  const [checked, setChecked] = useState('');
  const problem = text.trim() ? tokenProblem(text, client) : '';
  const start = async () => {
    const no = tokenProblem(text, client);
    setChecked(no);
    if (no) return;
    const read = readToken(text);
    if (typeof read !== 'string') await onStart({ method: way.method, token: read.text });
  };
  const scanned = (s: string): string | void => {
    const no = tokenProblem(s, client);
    if (no) return no;
    setChecked('');
    setText(s);
  };
  return (
    <form class="card stack" onSubmit={(e) => { e.preventDefault(); void start(); }}>
      <h3>{t('devices.pair.way.token')}</h3>
      <p>{t('devices.pair.token_help', { where: places(way) })}</p>
      <Scan onText={scanned} />
      <Field label={t('devices.pair.token')} hint={t('devices.pair.token_hint')} value={text} onInput={(v) => { setText(v); setChecked(''); }} rows={3} maxLength={512} error={checked} />
      {text.trim() && !checked && (problem ? <p class="small dim">{problem}</p> : <Notice tone="good">{t('devices.pair.token_fits', { name: name(client) })}</Notice>)}
      {error && <Notice tone="bad" alert>{error}</Notice>}
      <div class="dv-acts"><Button icon="left" onClick={onBack}>{t('devices.pair.other_way')}</Button><Button kind="primary" icon="link" type="submit" disabled={!text.trim()}>{t('devices.pair')}</Button></div>
    </form>
  );
}

export function StaticEntry({ client, way, error, onStart, onBack }: Props): JSX.Element {
  const [code, setCode] = useState('');
  const [short, setShort] = useState(false);
  const [busy, setBusy] = useState(false);
  const start = async () => {
    if (code.length < staticDigits) return setShort(true);
    setBusy(true);
    await onStart({ method: way.method, code });
    setBusy(false);
  };
  return (
    <form class="card stack" onSubmit={(e) => { e.preventDefault(); void start(); }}>
      <h3>{t('devices.pair.way.static')}</h3>
      <p>{t('devices.pair.static_help', { where: places(way), name: name(client) })}</p>
      <Slots label={t('devices.pair.code_label')} length={staticDigits} value={code} onInput={(v) => { setCode(v); setShort(false); }} onEnter={start}
        error={short ? t('devices.pair.too_short', { n: staticDigits - code.length }) : undefined} disabled={busy} />
      <p class="small dim">{t('devices.pair.static_press')}</p>
      {error && <Notice tone="bad" alert>{error}</Notice>}
      <div class="dv-acts"><Button icon="left" onClick={onBack}>{t('devices.pair.other_way')}</Button><Button kind="primary" icon="link" type="submit" disabled={busy || code.length === 0}>{t('devices.pair')}</Button></div>
    </form>
  );
}
