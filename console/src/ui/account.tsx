// The person who is signed in: theme, language, password, the way out.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { put } from '../api/http';
import { language, languages, setLanguage, t, type Language } from '../i18n';
import { signOut } from '../state/session';
import { session } from '../state/store';
import { setTheme, theme, type Theme } from '../state/theme';
import { Button, Dialog, Field, Select } from './controls';
import { attempt, explain, toast } from './toast';

export function Account(): JSX.Element {
  const [open, setOpen] = useState(false);
  const name = session.value?.user?.name ?? '';
  return (
    <>
      <Button icon="user" kind="quiet" label={t('common.account', { name })} onClick={() => setOpen(true)} />
      {open && <Settings onClose={() => setOpen(false)} />}
    </>
  );
}

function Settings({ onClose }: { onClose: () => void }): JSX.Element {
  const user = session.value?.user;
  return (
    <Dialog title={user?.name ?? ''} onClose={onClose}
      foot={<Button icon="out" onClick={() => attempt(signOut)}>{t('common.sign_out')}</Button>}>
      <Select<Theme> label={t('common.theme')} value={theme.value} onChange={setTheme}
        options={(['auto', 'light', 'dark'] as const).map((value) => ({ value, label: t(`common.theme.${value}`) }))} />
      <Select<Language> label={t('common.language')} value={language.value} onChange={(l) => void setLanguage(l, true)}
        options={(Object.keys(languages) as Language[]).map((value) => ({ value, label: languages[value] }))} />
      <Password />
    </Dialog>
  );
}

function Password(): JSX.Element {
  const [old, setOld] = useState('');
  const [next, setNext] = useState('');
  const [error, setError] = useState('');
  const change = async () => {
    setError('');
    try {
      await put('/api/v1/session/password', { old_password: old, new_password: next });
      setOld('');
      setNext('');
      toast('good', t('common.password.changed'));
    } catch (err) {
      setError(explain(err));
    }
  };
  return (
    <details>
      <summary style={{ minHeight: 'var(--tap)', cursor: 'pointer' }}>{t('common.password.change')}</summary>
      <form class="stack" onSubmit={(e) => { e.preventDefault(); void change(); }}>
        <Field label={t('common.password.old')} type="password" autocomplete="current-password" value={old} onInput={setOld} required />
        <Field label={t('common.password.new')} type="password" autocomplete="new-password" value={next} onInput={setNext} hint={t('common.password.hint')} error={error} required />
        <Button type="submit">{t('common.save')}</Button>
      </form>
    </details>
  );
}
