// Adding a person, changing one.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError, patch, post, seg } from '../../api/http';
import type { Role, ZoneRole } from '../../api/types';
import { languages, t } from '../../i18n';
import { Button, Check, Dialog, Field, Notice, Select } from '../../ui/controls';
import { explain, toast } from '../../ui/toast';
import { Choices } from './parts';
import { passwordProblem } from './person';
import type { Account } from './types';
import { ZoneRights } from './zones';

interface Problems {
  name?: string;
  password?: string;
  again?: string;
  other?: string;
}

export function PersonDialog(p: { user?: Account; last: boolean; onClose: () => void; onSaved: () => unknown }): JSX.Element {
  const u = p.user;
  const [name, setName] = useState(u?.name ?? '');
  const [role, setRole] = useState<Role>(u?.role ?? 'operator');
  const [zones, setZones] = useState<ZoneRole[]>(u?.zones ?? []);
  const [disabled, setDisabled] = useState(u?.disabled ?? false);
  const [lang, setLang] = useState(u?.language ?? '');
  const [password, setPassword] = useState('');
  const [again, setAgain] = useState('');
  const [error, setError] = useState<Problems>({});

  const submit = async () => {
    const wrong: Problems = {};
    if (!name.trim()) wrong.name = t('admin.people.name.bad');
    const bad = passwordProblem(password, again, !u);
    if (bad === 'short') wrong.password = t('admin.people.password.short');
    if (bad === 'differ') wrong.again = t('signin.differ');
    if (role === 'none' && zones.length === 0) wrong.other = t('admin.zones.needed');
    setError(wrong);
    if (Object.keys(wrong).length > 0) return;
    const body = {
      name: name.trim(), role, zones: role === 'admin' ? [] : zones,
      ...(u ? { disabled } : {}),
      ...(u || lang ? { language: lang } : {}),
      ...(password ? { password } : {}),
    };
    try {
      if (u) await patch(`/api/v1/users/${seg(u.user_id)}`, body);
      else await post('/api/v1/users', body);
    } catch (err) {
      return setError(blame(err));
    }
    toast('good', t(u ? 'admin.people.saved' : 'admin.people.made', { name: name.trim() }));
    void p.onSaved();
    p.onClose();
  };
  return (
    <Dialog title={u ? t('admin.people.edit', { name: u.name }) : t('admin.people.new')} onClose={p.onClose} foot={<>
      <Button onClick={p.onClose}>{t('common.cancel')}</Button>
      <Button kind="primary" onClick={submit}>{t(u ? 'common.save' : 'admin.people.make')}</Button>
    </>}>
      <form class="stack wide-gap" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        {p.last && <Notice tone="info">{t('admin.people.last')}</Notice>}
        <Field label={t('admin.people.name')} hint={t('admin.people.name.hint')} value={name} onInput={setName} error={error.name} maxLength={64} autocomplete="off" required autofocus={!u} />
        <Choices<Role> legend={t('admin.people.role')} value={role} onChange={setRole} disabled={p.last}
          options={(['none', 'viewer', 'operator', 'admin'] as const).map((value) => ({ value, title: t(`admin.role.${value}`), text: t(`admin.role.${value}.text`) }))} />
        {role !== 'admin' && <ZoneRights zones={zones} onChange={setZones} />}
        <Select label={t('common.language')} value={lang} onChange={setLang}
          options={[{ value: '', label: t('admin.people.language.any') }, ...Object.entries(languages).map(([value, label]) => ({ value, label }))]} />
        {u && <Check label={t('admin.people.disable')} checked={disabled} disabled={p.last} onChange={setDisabled} />}
        <Field label={t(u ? 'admin.people.password.new' : 'admin.people.password')} hint={t(u ? 'admin.people.password.keep' : 'common.password.hint')} type="password" autocomplete="new-password" value={password} onInput={setPassword} error={error.password} required={!u} />
        <Field label={t('admin.people.password.again')} type="password" autocomplete="new-password" value={again} onInput={setAgain} error={error.again} required={!u} />
        {error.other && <Notice tone="bad" alert>{error.other}</Notice>}
        <button type="submit" class="sr" tabIndex={-1} aria-hidden="true">{t('common.save')}</button>
      </form>
    </Dialog>
  );
}

/** Puts what the server refused at its field. */
function blame(err: unknown): Problems {
  if (!(err instanceof ApiError)) return { other: explain(err) };
  const at = (name: string) => err.fields.find((f) => f.location === `body.${name}`)?.message;
  const problems: Problems = { name: at('name'), password: at('password') };
  return problems.name || problems.password ? problems : { other: explain(err) };
}
