// Scan the token of any device, wherever it stands: one that is known is paired at once,
// one that is not is paired when it appears.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { post } from '../../api/http';
import { t } from '../../i18n';
import { go } from '../../router';
import { clients, name } from '../../state/store';
import { Button, Dialog, Field, Notice } from '../../ui/controls';
import { attempt } from '../../ui/toast';
import { readToken, type Token } from './pair/code';
import { waiting } from './pair/handover';
import { Scan } from './pair/scan';
import type { EnrolResult } from './types';

export function ScanToken({ onClose }: { onClose: () => void }): JSX.Element {
  const [text, setText] = useState('');
  const [stranger, setStranger] = useState<Token | null>(null);
  const [error, setError] = useState('');

  const take = (s: string): string | void => {
    const token = readToken(s);
    if (typeof token === 'string') return t(`devices.pair.token_no.${token}`);
    if (token.version === 1) return t('devices.pair.token_no.code');
    const known = clients.value.get(token.clientId!);
    if (!known) return setStranger(token);
    if (known.trust === 'paired') return t('devices.scan.paired_already', { name: name(known) });
    waiting.put(known.client_id, token.text);
    onClose();
    go('devices', 'pair', known.client_id);
  };
  const enrol = () => attempt(async () => {
    const { results } = await post<{ results: EnrolResult[] }>('/api/v1/pairing/tokens', { tokens: [stranger!.text] });
    if (results[0]?.state === 'invalid') throw new Error(results[0].error);
    onClose();
    go('devices', 'enrol');
  });
  return (
    <Dialog title={t('devices.scan.token')} onClose={onClose}>
      {stranger ? (
        <>
          <Notice tone="info">{t('devices.scan.stranger')}</Notice>
          <div class="dv-acts"><Button onClick={() => setStranger(null)}>{t('common.back')}</Button><Button kind="primary" icon="plus" onClick={enrol}>{t('devices.scan.enrol')}</Button></div>
        </>
      ) : (
        <form class="stack" onSubmit={(e) => { e.preventDefault(); setError(take(text) ?? ''); }}>
          <p>{t('devices.scan.token_what')}</p>
          <Scan onText={take} />
          <Field label={t('devices.pair.token')} hint={t('devices.pair.token_hint')} value={text} onInput={(v) => { setText(v); setError(''); }} rows={3} maxLength={512} error={error} />
          <Button kind="primary" type="submit" disabled={!text.trim()}>{t('devices.scan.go_on')}</Button>
        </form>
      )}
    </Dialog>
  );
}
