// Backups: one sealed file out, and one in.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { t } from '../../i18n';
import { Button, Check, Field, Notice } from '../../ui/controls';
import { explain, toast } from '../../ui/toast';
import { save } from './audit-export';
import { RestoreCard } from './restore';
import { makeBackup } from './sealed';
import { strength, strengths } from './strength';

export function BackupTab(): JSX.Element {
  return (
    <div class="cards two">
      <MakeCard />
      <RestoreCard />
    </div>
  );
}

function MakeCard(): JSX.Element {
  const [pass, setPass] = useState('');
  const [again, setAgain] = useState('');
  const [shown, show] = useState(false);
  const [error, setError] = useState<{ pass?: string; again?: string; other?: string }>({});
  const make = async () => {
    if (strength(pass) === 'short') return setError({ pass: t('admin.backup.short') });
    if (pass !== again) return setError({ again: t('admin.backup.differ') });
    setError({});
    try {
      const { name, file } = await makeBackup(pass);
      save(name, file);
      setPass('');
      setAgain('');
      toast('good', t('admin.backup.made', { name }));
    } catch (err) {
      setError({ other: explain(err) });
    }
  };
  return (
    <section class="card">
      <form class="stack" onSubmit={(e) => e.preventDefault()}>
        <h2>{t('admin.backup.make')}</h2>
        <p class="dim small">{t('admin.backup.about')}</p>
        <Field label={t('admin.backup.passphrase')} type={shown ? 'text' : 'password'} autocomplete="new-password" value={pass} onInput={setPass} hint={t('admin.backup.passphrase.hint')} error={error.pass} maxLength={1024} required />
        <Meter text={pass} />
        <Field label={t('admin.backup.again')} type={shown ? 'text' : 'password'} autocomplete="new-password" value={again} onInput={setAgain} error={error.again} maxLength={1024} required />
        <Check label={t('admin.backup.show')} checked={shown} onChange={show} />
        <Notice tone="warn">{t('admin.backup.lost')}</Notice>
        {error.other && <Notice tone="bad" alert>{error.other}</Notice>}
        <div><Button type="submit" kind="primary" icon="download" onClick={make}>{t('admin.backup.download')}</Button></div>
      </form>
    </section>
  );
}

/** How good a passphrase is: a bar and a word. */
function Meter({ text }: { text: string }): JSX.Element | null {
  if (!text) return null;
  const s = strength(text);
  const n = strengths.indexOf(s);
  return (
    <div class={`meter ${n < 2 ? 'bad' : n < 3 ? 'warn' : 'good'}`}>
      <div class="meter-bar" aria-hidden="true">{strengths.slice(1).map((_, i) => <i key={i} class={i < n ? 'on' : ''} />)}</div>
      <span class="small" role="status">{t(`admin.strength.${s}`)}</span>
    </div>
  );
}
