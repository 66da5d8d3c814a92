// The door: sign-in, and the set-up of the first administrator with the printed code.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError } from '../../api/http';
import { language, languages, setLanguage, t, type Language } from '../../i18n';
import { setUp, signIn } from '../../state/session';
import { session } from '../../state/store';
import { Button, Field, Notice, Select } from '../../ui/controls';
import { explain } from '../../ui/toast';

export function SignIn(): JSX.Element {
  const s = session.value!;
  return (
    <main class="stack" style={{ maxWidth: '420px', margin: '8dvh auto 0', padding: '24px' }}>
      <div class="row"><img src="/icon.svg" alt="" width={48} height={48} /><h1>Tutti</h1></div>
      {s.setup_needed ? <SetUp /> : <Form />}
      {s.oidc && !s.setup_needed && <a class="btn" href={s.oidc.url}>{t('signin.oidc', { name: s.oidc.name })}</a>}
      <Select<Language> label={t('common.language')} value={language.value} onChange={(l) => void setLanguage(l, true)}
        options={(Object.keys(languages) as Language[]).map((value) => ({ value, label: languages[value] }))} />
    </main>
  );
}

function Form(): JSX.Element {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    setError('');
    try {
      await signIn(name.trim(), password);
    } catch (err) {
      setError(err instanceof ApiError && err.status === 401 ? t('signin.wrong') : explain(err));
      setPassword('');
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="card stack" onSubmit={(e) => { e.preventDefault(); if (!busy) void submit(); }}>
      <h2>{t('signin.title')}</h2>
      <Field label={t('signin.name')} value={name} onInput={setName} autocomplete="username" required autofocus />
      <Field label={t('signin.password')} type="password" value={password} onInput={setPassword} autocomplete="current-password" required />
      {error && <Notice tone="bad" alert>{error}</Notice>}
      <Button kind="primary" type="submit" big disabled={busy}>{t('signin.submit')}</Button>
      <p class="small dim">{t('signin.forgotten')}</p>
    </form>
  );
}

function SetUp(): JSX.Element {
  const [code, setCode] = useState('');
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [again, setAgain] = useState('');
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    if (password !== again) return setError(t('signin.differ'));
    setBusy(true);
    setError('');
    try {
      await setUp(code.trim(), name.trim(), password);
    } catch (err) {
      setError(explain(err));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="card stack" onSubmit={(e) => { e.preventDefault(); if (!busy) void submit(); }}>
      <h2>{t('signin.setup.title')}</h2>
      <p>{t('signin.setup.text')}</p>
      <Field label={t('signin.setup.code')} value={code} onInput={setCode} hint={t('signin.setup.code_hint')} required autofocus />
      <Field label={t('signin.name')} value={name} onInput={setName} autocomplete="username" required maxLength={64} />
      <Field label={t('signin.setup.password')} type="password" value={password} onInput={setPassword} autocomplete="new-password" hint={t('common.password.hint')} required />
      <Field label={t('signin.setup.again')} type="password" value={again} onInput={setAgain} autocomplete="new-password" required />
      {error && <Notice tone="bad" alert>{error}</Notice>}
      <Button kind="primary" type="submit" big disabled={busy}>{t('signin.setup.submit')}</Button>
    </form>
  );
}
