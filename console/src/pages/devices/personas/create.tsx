import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { post } from '../../../api/http';
import type { Persona } from '../../../api/types';
import { t } from '../../../i18n';
import { clientList, name, personas, putPersona } from '../../../state/store';
import { Button, Dialog, Field, Notice, Select } from '../../../ui/controls';
import { explain } from '../../../ui/toast';
import { isPlayer, ready } from './swapping';

/** Makes a place, mostly of a device that stands there already. */
export function Create({ onClose, onDone }: { onClose: () => void; onDone: (p: Persona) => void }): JSX.Element {
  const placed = new Set([...personas.value.values()].filter((p) => !p.retired).flatMap((p) => p.devices.map((d) => d.client_id)));
  const free = clientList.value.filter((c) => ready(c) && isPlayer(c) && !placed.has(c.client_id));
  const [title, setTitle] = useState('');
  const [device, setDevice] = useState('');
  const [error, setError] = useState('');
  const choose = (id: string) => {
    setDevice(id);
    const c = free.find((x) => x.client_id === id);
    if (c && !title.trim()) setTitle(name(c).slice(0, 64));
  };
  const create = async () => {
    setError('');
    try {
      const p = await post<Persona>('/api/v1/personas', { name: title.trim(), ...(device ? { client_id: device } : {}) });
      putPersona(p);
      onDone(p);
    } catch (err) {
      setError(explain(err));
    }
  };
  return (
    <Dialog title={t('devices.place.create')} onClose={onClose}>
      <form class="stack" onSubmit={(e) => { e.preventDefault(); void create(); }}>
        <Select label={t('devices.place.first')} hint={t('devices.place.first_hint')} value={device} onChange={choose}
          options={[{ value: '', label: t('devices.place.no_device') }, ...free.map((c) => ({ value: c.client_id, label: name(c) }))]} />
        <Field label={t('devices.place.name')} hint={t('devices.place.name_hint')} value={title} onInput={setTitle} maxLength={64} required />
        {error && <Notice tone="bad" alert>{error}</Notice>}
        <Button kind="primary" type="submit" disabled={!title.trim()}>{t('devices.place.create_do')}</Button>
      </form>
    </Dialog>
  );
}
