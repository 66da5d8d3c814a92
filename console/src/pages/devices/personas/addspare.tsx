import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { post, seg } from '../../../api/http';
import type { Persona } from '../../../api/types';
import { t } from '../../../i18n';
import { clients, name, personas } from '../../../state/store';
import { Button, Dialog, Select } from '../../../ui/controls';
import { change } from './persona';
import { candidates } from './swapping';

/** Puts a device into a place, as its spare; the first one becomes active. */
export function AddSpare({ persona: p, onClose }: { persona: Persona; onClose: () => void }): JSX.Element {
  const inside = new Set(p.devices.map((d) => d.client_id));
  const free = candidates({ client: undefined, clientId: '', persona: p }, [...personas.value.values()], clients.value).filter((x) => !inside.has(x.client.client_id) && (x.ready || p.devices.length > 0));
  const [id, setId] = useState(free[0]?.client.client_id ?? '');
  const add = async () => {
    if (await change(() => post<Persona>(`/api/v1/personas/${seg(p.persona_id)}/devices`, { client_id: id }))) onClose();
  };
  return (
    <Dialog title={t('devices.place.add_spare')} onClose={onClose} foot={<><Button onClick={onClose}>{t('common.cancel')}</Button><Button kind="primary" disabled={!id} onClick={add}>{t('devices.add_do')}</Button></>}>
      <p>{t('devices.place.spare_hint')}</p>
      {free.length === 0 ? <p class="dim">{t('devices.place.nobody_free')}</p>
        : <Select label={t('devices.place.device')} value={id} onChange={setId}
          options={free.map((x) => ({ value: x.client.client_id, label: `${name(x.client)} · ${x.client.fingerprint ?? ''}${x.ready ? '' : ` · ${t('devices.place.not_ready')}`}` }))} />}
    </Dialog>
  );
}
