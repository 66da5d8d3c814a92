// A zone's beginning, name and end.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Group } from '../../api/types';
import { t } from '../../i18n';
import { clientList, name as nameOf } from '../../state/store';
import { Button, Check, Dialog, Field } from '../../ui/controls';
import { createZone, deleteZone, groupOf, renameZone } from './actions';
import { close } from './open';
import { groupable } from './speakers';

/** The API's bound. */
const longest = 100;

export function CreateDialog(): JSX.Element {
  const [name, setName] = useState('');
  const [chosen, setChosen] = useState<string[]>([]);
  const [error, setError] = useState('');
  const submit = async () => {
    if (!name.trim()) return setError(t('now.zone.name_needed'));
    if (await createZone(name.trim(), chosen)) close();
  };
  const toggle = (id: string, on: boolean) => setChosen(on ? [...chosen, id] : chosen.filter((x) => x !== id));
  return (
    <Dialog title={t('now.zone.new')} onClose={close} foot={<><Button onClick={close}>{t('common.cancel')}</Button><Button kind="primary" onClick={submit}>{t('now.zone.create')}</Button></>}>
      <form onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        <Field label={t('now.zone.name')} hint={t('now.zone.name_hint')} value={name} onInput={(v) => { setName(v); setError(''); }} error={error} maxLength={longest} autofocus required />
      </form>
      <fieldset class="now-fieldset">
        <legend>{t('now.zone.members')}</legend>
        {clientList.value.filter(groupable).map((c) => {
          const other = groupOf(c.client_id);
          return (
            <Check key={c.client_id} checked={chosen.includes(c.client_id)} onChange={(on) => toggle(c.client_id, on)}
              label={<>{nameOf(c)}{other && !other.solo && <span class="small dim"> · {t('now.speakers.from', { zone: other.name })}</span>}</>} />
          );
        })}
      </fieldset>
    </Dialog>
  );
}

export function RenameDialog({ group: g }: { group: Group }): JSX.Element {
  const [name, setName] = useState(g.name);
  const submit = () => {
    if (!name.trim()) return;
    close();
    if (name.trim() !== g.name) void renameZone(g, name.trim());
  };
  return (
    <Dialog title={t('now.rename.title', { zone: g.name })} onClose={close} foot={<><Button onClick={close}>{t('common.cancel')}</Button><Button kind="primary" onClick={submit}>{t('common.save')}</Button></>}>
      <form onSubmit={(e) => { e.preventDefault(); submit(); }}>
        <Field label={t('now.zone.name')} value={name} onInput={setName} maxLength={longest} autofocus required />
      </form>
    </Dialog>
  );
}

export function DeleteDialog({ group: g }: { group: Group }): JSX.Element {
  return (
    <Dialog title={t('now.delete.title', { zone: g.name })} onClose={close}
      foot={<><Button onClick={close}>{t('common.cancel')}</Button><Button kind="danger" icon="trash" onClick={() => deleteZone(g).then((ok) => { if (ok) close(); })}>{t('now.delete')}</Button></>}>
      <p>{t('now.delete.text', { n: g.members.length })}</p>
    </Dialog>
  );
}
