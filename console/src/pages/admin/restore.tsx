// Bringing a backup back: what is in it is shown before anything changes.
import type { JSX } from 'preact';
import { useId, useState } from 'preact/hooks';
import { ApiError } from '../../api/http';
import { dateTime, number, t } from '../../i18n';
import { server } from '../../state/store';
import { Button, Check, Field, Notice } from '../../ui/controls';
import { explain } from '../../ui/toast';
import { Fact } from './parts';
import { Restarting } from './restarting';
import { checkBackup, restoreBackup, type BackupContents } from './sealed';

export function RestoreCard(): JSX.Element {
  const [file, setFile] = useState<File | null>(null);
  const [pass, setPass] = useState('');
  const [found, setFound] = useState<BackupContents | null>(null);
  const [problem, setProblem] = useState<{ file?: string; pass?: string; other?: string }>({});
  const id = useId();
  const choose = (f: File | null) => { setFile(f); setFound(null); setProblem({}); };

  const look = async () => {
    if (!file) return setProblem({ file: t('admin.restore.file.missing') });
    if (!pass) return setProblem({ pass: t('admin.restore.pass.missing') });
    setProblem({});
    setFound(null);
    try {
      setFound(await checkBackup(file, pass));
    } catch (err) {
      const wrongPass = err instanceof ApiError && err.fields.some((f) => f.location === 'header.Tutti-Passphrase');
      setProblem(wrongPass ? { pass: t('admin.restore.pass.wrong') } : { other: explain(err) });
    }
  };
  return (
    <section class="card stack">
      <h2>{t('admin.restore')}</h2>
      {server.value?.mode === 'distributed' ? <Command /> : <>
        <p class="dim small">{t('admin.restore.about')}</p>
        <form class="stack" onSubmit={(e) => e.preventDefault()}>
          <div class="field">
            <label for={id}>{t('admin.restore.file')}</label>
            <input id={id} class="input file" type="file" accept=".backup,application/octet-stream" aria-invalid={problem.file ? 'true' : undefined} onChange={(e) => choose(e.currentTarget.files?.[0] ?? null)} />
            {problem.file && <span class="error" role="alert">{problem.file}</span>}
          </div>
          <Field label={t('admin.restore.pass')} type="password" autocomplete="off" value={pass} onInput={(v) => { setPass(v); setFound(null); }} error={problem.pass} maxLength={1024} />
          {problem.other && <Notice tone="bad" alert>{problem.other}</Notice>}
          {!found && <div><Button type="submit" icon="search" onClick={look}>{t('admin.restore.look')}</Button></div>}
        </form>
        {found && file && <Found backup={found} file={file} pass={pass} />}
      </>}
    </section>
  );
}

function Found({ backup: b, file, pass }: { backup: BackupContents; file: File; pass: string }): JSX.Element {
  const [sure, setSure] = useState(false);
  const [broken, setBroken] = useState(false);
  const [offer, setOffer] = useState(false);
  const [error, setError] = useState('');
  const [started, start] = useState(false);
  const other = b.server_id !== server.value?.server_id;
  const restore = async () => {
    setError('');
    try {
      await restoreBackup(file, pass, broken);
      start(true);
    } catch (err) {
      setError(explain(err));
      setOffer(err instanceof ApiError && /accept-broken-audit|audit ledger/i.test(err.detail));
    }
  };
  if (started) return <Restarting />;
  return (
    <div class="stack" data-testid="backup-contents">
      <Notice tone="good">{t('admin.restore.whole')}</Notice>
      <dl class="facts">
        <Fact name={t('admin.restore.made')}>{dateTime(b.made_at)}</Fact>
        <Fact name={t('admin.restore.by')}>{b.made_by}</Fact>
        <Fact name={t('admin.restore.server')}>{b.server_name}</Fact>
        <Fact name={t('admin.restore.key')}><code>{b.fingerprint}</code></Fact>
        <Fact name={t('admin.restore.clients')}>{number(b.clients)}</Fact>
        <Fact name={t('admin.restore.groups')}>{number(b.groups)}</Fact>
        <Fact name={t('admin.restore.users')}>{number(b.users)}</Fact>
        <Fact name={t('admin.restore.audit')}>{number(b.audit_lines)}</Fact>
        <Fact name={t('admin.server.version')}>{b.version} · {b.database}</Fact>
      </dl>
      {other && <Notice tone="warn">{t('admin.restore.other')}</Notice>}
      <Notice tone="warn">{t('admin.restore.replaces')}</Notice>
      {offer && <Check label={t('admin.restore.broken')} checked={broken} onChange={setBroken} />}
      <Check label={t('admin.restore.sure')} checked={sure} onChange={setSure} />
      {error && <Notice tone="bad" alert>{error}</Notice>}
      <div><Button kind="danger" icon="upload" disabled={!sure} onClick={restore}>{t('admin.restore.do')}</Button></div>
    </div>
  );
}

/** In the distributed form several processes share the state: only the command can replace it. */
function Command(): JSX.Element {
  return (
    <>
      <p>{t('admin.restore.distributed')}</p>
      <pre class="command">tutti restore FILE --database-url postgres://… --nats nats://…</pre>
    </>
  );
}
