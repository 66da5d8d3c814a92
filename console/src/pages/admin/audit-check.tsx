// Whether the ledger is what was written: its chain of hashes from the first line to the
// last, and a head that was kept elsewhere.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { get } from '../../api/http';
import { t } from '../../i18n';
import { Button, Field, Notice } from '../../ui/controls';
import { explain } from '../../ui/toast';
import { Copyable } from './parts';
import type { AuditCheck } from './types';

/** A ledger of millions of lines takes the server up to two minutes (ms). */
const patience = 130_000;

export function AuditCheckPanel(): JSX.Element {
  const [result, setResult] = useState<AuditCheck | null>(null);
  const [compared, setCompared] = useState(false);
  const [failed, setFailed] = useState('');
  const [id, setId] = useState('');
  const [hash, setHash] = useState('');
  const [error, setError] = useState('');

  const check = async (withHead: boolean) => {
    setFailed('');
    setError('');
    if (withHead && (!/^[1-9]\d*$/.test(id.trim()) || !/^[0-9a-f]{64}$/i.test(hash.trim()))) return setError(t('admin.check.head.bad'));
    setResult(null);
    try {
      const query = withHead ? `?head_id=${id.trim()}&head_hash=${hash.trim()}` : '';
      setResult(await get<AuditCheck>('/api/v1/audit/verify' + query, { timeout: patience }));
      setCompared(withHead);
    } catch (err) {
      setFailed(explain(err));
    }
  };
  return (
    <section class="card stack" aria-labelledby="check-title">
      <div class="row wrap">
        <div class="grow stack tight">
          <h2 id="check-title">{t('admin.check')}</h2>
          <p class="dim small reading">{t('admin.check.about')}</p>
        </div>
        <Button icon="check" onClick={() => check(false)}>{t('admin.check.run')}</Button>
      </div>
      <div class="stack" aria-live="polite">
        {failed && <Notice tone="bad">{failed}</Notice>}
        {result && <Verdict result={result} compared={compared} />}
      </div>
      <details>
        <summary>{t('admin.check.head')}</summary>
        <form class="stack inset" onSubmit={(e) => { e.preventDefault(); void check(true); }}>
          <p class="dim small reading">{t('admin.check.head.about')}</p>
          <Field label={t('admin.check.head.id')} inputMode="numeric" value={id} onInput={setId} />
          <Field label={t('admin.check.head.hash')} value={hash} onInput={setHash} error={error} />
          <div><Button type="submit">{t('admin.check.head.run')}</Button></div>
        </form>
      </details>
    </section>
  );
}

function Verdict({ result: r, compared }: { result: AuditCheck; compared: boolean }): JSX.Element {
  if (!r.ok) {
    return (
      <Notice tone="bad" alert>
        <p><b data-testid="verdict">{t('admin.check.bad')}</b></p>
        <p>{r.broken_at ? t('admin.check.bad.line', { line: String(r.broken_at), lines: r.lines }) : t('admin.check.bad.end', { lines: r.lines })}</p>
        {r.problem && <p>{r.problem}</p>}
        <p>{t('admin.check.bad.next')}</p>
      </Notice>
    );
  }
  return (
    <>
      <Notice tone="good">
        <p><b data-testid="verdict">{t(compared ? 'admin.check.good.head' : 'admin.check.good')}</b></p>
        <p>{t('admin.check.good.lines', { n: r.lines })}</p>
      </Notice>
      {r.head_hash && <>
        <p class="small dim reading">{t('admin.check.keep')}</p>
        <Copyable label={t('admin.check.hash')} text={`${r.head_id} ${r.head_hash}`} testId="head" />
      </>}
    </>
  );
}
