// Add a device by its address, where mDNS does not reach.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError, post } from '../../api/http';
import { t } from '../../i18n';
import { Button, Dialog, Field } from '../../ui/controls';
import { explain, toast } from '../../ui/toast';

/** Whatever a person types for an address: the scheme may be left out. */
export const completeUrl = (typed: string): string => {
  const s = typed.trim();
  return /^[a-z]+:\/\//i.test(s) ? s : `ws://${s}`;
};

export function AddDevice({ onClose, onAdded }: { onClose: () => void; onAdded: () => void }): JSX.Element {
  const [url, setUrl] = useState('');
  const [error, setError] = useState('');
  const add = async () => {
    setError('');
    try {
      await post('/api/v1/clients', { url: completeUrl(url) });
      toast('good', t('devices.added'));
      onAdded();
      onClose();
    } catch (err) {
      const field = err instanceof ApiError ? err.fields[0]?.message : undefined;
      setError(field ? t('devices.add_wrong', { why: field }) : explain(err));
    }
  };
  return (
    <Dialog title={t('devices.add')} onClose={onClose}>
      <form class="stack" onSubmit={(e) => { e.preventDefault(); void add(); }}>
        <Field label={t('devices.add_address')} hint={t('devices.add_hint')} value={url} onInput={setUrl} error={error} inputMode="url" required autofocus maxLength={2048} placeholder="192.168.1.20" />
        <Button kind="primary" type="submit" disabled={!url.trim()}>{t('devices.add_do')}</Button>
      </form>
    </Dialog>
  );
}
