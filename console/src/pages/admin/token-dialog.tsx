// Making a token, and showing its secret the once.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ApiError, post } from '../../api/http';
import type { Role, ZoneRole } from '../../api/types';
import { t } from '../../i18n';
import { Button, Dialog, Field, Notice, Select } from '../../ui/controls';
import { explain } from '../../ui/toast';
import { expiresAt, lifetimes, validDay, type Lifetime } from './expiry';
import { Choices, Copyable } from './parts';
import type { NewToken } from './types';
import { ZoneRights } from './zones';

/** What the server takes as a name. */
const goodName = /^[A-Za-z0-9][A-Za-z0-9 ._-]*$/;

export function TokenDialog(p: { onClose: () => void; onMade: () => unknown }): JSX.Element {
  const [made, setMade] = useState<NewToken | null>(null);
  return made ? <Secret token={made} onClose={p.onClose} /> : <Form {...p} onToken={setMade} />;
}

function Form(p: { onClose: () => void; onMade: () => unknown; onToken: (x: NewToken) => void }): JSX.Element {
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('viewer');
  const [zones, setZones] = useState<ZoneRole[]>([]);
  const [life, setLife] = useState<Lifetime>('90');
  const [day, setDay] = useState('');
  const [error, setError] = useState<{ name?: string; day?: string; other?: string }>({});

  const submit = async () => {
    const wrong: typeof error = {};
    if (!goodName.test(name.trim())) wrong.name = t('admin.tokens.name.bad');
    if (life === 'date' && !validDay(day, new Date())) wrong.day = t('admin.tokens.day.bad');
    if (role === 'none' && zones.length === 0) wrong.other = t('admin.zones.needed');
    setError(wrong);
    if (Object.keys(wrong).length > 0) return;
    try {
      const made = await post<NewToken>('/api/v1/tokens', {
        name: name.trim(), role, expires_at: expiresAt(life, day, new Date()),
        ...(role !== 'admin' && zones.length > 0 ? { zones } : {}),
      });
      void p.onMade();
      p.onToken(made);
    } catch (err) {
      if (err instanceof ApiError && err.status === 409) setError({ name: explain(err) });
      else setError({ other: explain(err) });
    }
  };
  return (
    <Dialog title={t('admin.tokens.new')} onClose={p.onClose} foot={<>
      <Button onClick={p.onClose}>{t('common.cancel')}</Button>
      <Button kind="primary" onClick={submit}>{t('admin.tokens.make')}</Button>
    </>}>
      <form class="stack wide-gap" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        <Field label={t('admin.tokens.name')} hint={t('admin.tokens.name.hint')} value={name} onInput={setName} error={error.name} maxLength={64} required autofocus />
        <Choices<Role> legend={t('admin.role')} value={role} onChange={setRole}
          options={(['none', 'viewer', 'operator', 'admin'] as const).map((value) => ({ value, title: t(`admin.role.${value}`), text: t(`admin.role.${value}.text`) }))} />
        {role !== 'admin' && <ZoneRights zones={zones} onChange={setZones} />}
        <Select<Lifetime> label={t('admin.tokens.expires')} value={life} onChange={setLife} options={lifetimes.map((value) => ({ value, label: t(`admin.tokens.life.${value}`) }))} />
        {life === 'date' && <Field label={t('admin.tokens.day')} type="date" value={day} onInput={setDay} error={error.day} required />}
        {error.other && <Notice tone="bad" alert>{error.other}</Notice>}
        <button type="submit" class="sr" tabIndex={-1} aria-hidden="true">{t('admin.tokens.make')}</button>
      </form>
    </Dialog>
  );
}

function Secret({ token, onClose }: { token: NewToken; onClose: () => void }): JSX.Element {
  // A slip beside the dialog must not cost the secret: the first try to leave only asks.
  const [leaving, leave] = useState(false);
  return (
    <Dialog title={t('admin.tokens.secret', { name: token.name })} onClose={() => (leaving ? onClose() : leave(true))}
      foot={<Button kind="primary" onClick={onClose}>{t('admin.tokens.secret.kept')}</Button>}>
      <Notice tone="warn">{t('admin.tokens.secret.once')}</Notice>
      <Copyable label={t('admin.tokens.secret.label')} text={token.token} testId="token-secret" />
      <p class="dim">{t('admin.tokens.secret.use')}</p>
      {leaving && <Notice tone="bad" alert>{t('admin.tokens.secret.leave')}</Notice>}
    </Dialog>
  );
}
