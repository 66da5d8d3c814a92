// Many devices at once: their tokens are given here, and each device is paired when it
// appears.
import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { post } from '../../../api/http';
import { t } from '../../../i18n';
import { Badge, Button, Field, Notice, type Tone } from '../../../ui/controls';
import { Icon, type IconName } from '../../../ui/icons';
import { explain } from '../../../ui/toast';
import { Scan } from '../pair/scan';
import { readToken } from '../pair/code';
import type { EnrolResult } from '../types';
import { Waiting } from './list';
import { lines, masked, mostBytes, mostTokens, type Line } from './parse';

interface Outcome extends Line { state: EnrolResult['state']; error?: string }

export const resultSigns: Record<EnrolResult['state'], { icon: IconName; tone: Tone }> = {
  waiting: { icon: 'check', tone: 'good' },
  already_paired: { icon: 'link', tone: 'info' },
  duplicate: { icon: 'repeat', tone: 'warn' },
  invalid: { icon: 'close', tone: 'bad' },
};

export function Enrol(): JSX.Element {
  const [text, setText] = useState('');
  const [error, setError] = useState('');
  const [outcomes, setOutcomes] = useState<Outcome[]>([]);
  const [scanning, setScanning] = useState(false);
  const [turn, setTurn] = useState(0);
  const file = useRef<HTMLInputElement>(null);
  const given = lines(text);

  /** Sends lines; false when nothing could be asked. */
  const send = async (list: Line[]): Promise<Outcome[] | null> => {
    setError('');
    if (list.length > mostTokens) {
      setError(t('devices.enrol.too_many', { n: list.length, most: mostTokens }));
      return null;
    }
    try {
      const { results } = await post<{ results: EnrolResult[] }>('/api/v1/pairing/tokens', { tokens: list.map((l) => l.text) });
      setTurn((n) => n + 1);
      return results.map((r) => ({ line: list[r.index]!.line, text: masked(list[r.index]!.text), state: r.state, error: r.error }));
    } catch (err) {
      setError(explain(err));
      return null;
    }
  };
  const submit = async () => {
    const done = await send(given);
    if (!done) return;
    setOutcomes(done);
    // What could not be read stays, to be put right.
    const bad = new Set(done.filter((o) => o.state === 'invalid').map((o) => o.line));
    setText(given.filter((l) => bad.has(l.line)).map((l) => l.text).join('\n'));
  };
  const scanned = (s: string): string | void => {
    const token = readToken(s);
    if (typeof token === 'string') return t(`devices.pair.token_no.${token}`);
    if (token.version === 1) return t('devices.pair.token_no.code');
    void send([{ line: outcomes.length + 1, text: token.text }]).then((done) => {
      if (done) setOutcomes((before) => [...done.map((o) => ({ ...o, line: before.length + 1 })), ...before]);
    });
  };
  const load = async (f: File | undefined) => {
    if (!f) return;
    if (f.size > mostBytes) return setError(t('devices.enrol.too_big'));
    setText(await f.text());
  };
  return (
    <div class="stack">
      <p>{t('devices.enrol.what')}</p>
      <div class="dv-cards">
        <form class="card stack" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
          <h2>{t('devices.enrol.add')}</h2>
          <Field label={t('devices.enrol.tokens')} hint={t('devices.enrol.tokens_hint')} rows={6} value={text} onInput={setText} />
          <div class="dv-acts">
            <Button icon="folder" onClick={() => file.current?.click()}>{t('devices.enrol.file')}</Button>
            <Button icon="qr" pressed={scanning} onClick={() => setScanning(!scanning)}>{t('devices.enrol.scan')}</Button>
            <Button kind="primary" icon="plus" type="submit" disabled={given.length === 0}>{given.length ? t('devices.enrol.do', { n: given.length }) : t('devices.enrol.add')}</Button>
          </div>
          <input ref={file} type="file" hidden accept=".txt,.csv,text/plain,text/csv" data-testid="token-file" onChange={(e) => { const el = e.currentTarget; void load(el.files?.[0]); el.value = ''; }} />
          {scanning && <Scan onText={scanned} many />}
          {error && <Notice tone="bad" alert>{error}</Notice>}
          <Outcomes list={outcomes} />
        </form>
        <Waiting turn={turn} />
      </div>
    </div>
  );
}

/** Line by line what became of the tokens. */
function Outcomes({ list }: { list: Outcome[] }): JSX.Element | null {
  const count = (s: Outcome['state']) => list.filter((o) => o.state === s).length;
  const states = (Object.keys(resultSigns) as Outcome['state'][]).filter((s) => count(s) > 0);
  return (
    <div class="stack" aria-live="polite">
      {list.length > 0 && (
        <>
          <p class="row wrap">{states.map((s) => <Badge key={s} tone={resultSigns[s].tone} icon={resultSigns[s].icon}>{`${count(s)} ${t(`devices.enrol.result.${s}`)}`}</Badge>)}</p>
          <ol class="plain dv-lines">
            {list.map((o, i) => (
              <li key={i} data-result={o.state} class="row">
                <Icon name={resultSigns[o.state].icon} size={18} />
                <span class="num dim">{t('devices.enrol.line', { n: o.line })}</span>
                <code>{o.text}</code>
                <span class="grow">{t(`devices.enrol.result.${o.state}`)}{o.error ? `: ${o.error}` : ''}</span>
              </li>
            ))}
          </ol>
        </>
      )}
    </div>
  );
}
