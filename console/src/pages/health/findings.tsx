// What is wrong, in words, with the button that does what mends it.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { request } from '../../api/http';
import { relative, t } from '../../i18n';
import { href } from '../../router';
import { clientName, may } from '../../state/store';
import { Badge, Button, Dialog, Notice, type Tone } from '../../ui/controls';
import type { IconName } from '../../ui/icons';
import { attempt, toast } from '../../ui/toast';
import { health, reloadHealth } from './state';
import type { Call, Finding, Remedy, Severity } from './types';
import { findingText, remedyQuestion, remedyText } from './words';

const looks: Record<Severity, { tone: Tone; icon: IconName }> = {
  serious: { tone: 'bad', icon: 'close' },
  warning: { tone: 'warn', icon: 'warning' },
  info: { tone: 'info', icon: 'info' },
};

/** Where a remedy that takes a person begins. */
const places: Record<string, string[]> = {
  pair_again: ['devices'],
  look_at_inbox: ['devices', 'inbox'],
  power_or_forget: ['devices'],
  improve_link: ['devices'],
};

export function Findings(): JSX.Element {
  const findings = health.value!.findings;
  return (
    <section class="stack" aria-labelledby="findings">
      <h2 id="findings">{t('health.findings')}</h2>
      {findings.length === 0
        ? <Notice tone="good">{t('health.all_well')}</Notice>
        : <ul class="plain stack">{findings.map((f) => <li key={f.finding_id}><Card finding={f} /></li>)}</ul>}
    </section>
  );
}

const calls = (r: Remedy): Call[] => (r.method && r.path ? [{ method: r.method, path: r.path, body: r.body }, ...(r.also ?? [])] : []);

const allowed = (f: Finding, r: Remedy): boolean =>
  f.groups.length > 0 ? f.groups.every((g) => may(r.role ?? 'admin', g)) : may(r.role ?? 'admin');

function Card({ finding: f }: { finding: Finding }): JSX.Element {
  const [asking, ask] = useState(false);
  const [done, setDone] = useState(false);
  const r = f.remedy;
  const acts = r ? calls(r).length > 0 : false;
  return (
    <article class={`card finding ${f.severity}`} data-testid="finding" data-code={f.code}>
      <div class="row wrap">
        <Badge tone={looks[f.severity].tone} icon={looks[f.severity].icon}>{t(`health.severity.${f.severity}`)}</Badge>
        <span class="dim small">{t('health.since', { when: relative(f.since) })}</span>
      </div>
      <p class="finding-text">{findingText(f)}</p>
      {done && <p role="status" class="small dim">{t('health.done_wait')}</p>}
      {r && (acts
        ? <div class="row wrap">
            {allowed(f, r)
              ? <Button kind="primary" icon="check" disabled={done} onClick={() => ask(true)}>{remedyText(f, r)}</Button>
              : <p class="dim small">{t('health.needs_role', { what: remedyText(f, r) })}</p>}
          </div>
        : <p class="advice"><b>{t('health.what_to_do')}</b> {remedyText(f, r)}{places[r.code] && <> <a href={href(...places[r.code]!)}>{t(`health.go.${places[r.code]!.join('_')}`)}</a></>}</p>)}
      {asking && r && <Confirm finding={f} remedy={r} onClose={() => ask(false)} onDone={() => { ask(false); setDone(true); }} />}
    </article>
  );
}

/** Says what will be done, does it, and says how it went. */
function Confirm({ finding: f, remedy: r, onClose, onDone }: { finding: Finding; remedy: Remedy; onClose: () => void; onDone: () => void }): JSX.Element {
  const run = async () => {
    for (const c of calls(r)) {
      if (!(await attempt(() => request(c.method, c.path, c.body), remedyText(f, r)))) return;
    }
    toast('good', t('health.done', { what: remedyText(f, r) }));
    onDone();
    await reloadHealth();
  };
  return (
    <Dialog title={remedyText(f, r)} onClose={onClose} foot={<>
      <Button onClick={onClose}>{t('common.cancel')}</Button>
      <Button kind="primary" icon="check" onClick={run}>{remedyText(f, r)}</Button>
    </>}>
      <p>{remedyQuestion(f, r)}</p>
      {f.clients.length > 1 && <ul>{f.clients.map((id) => <li key={id}>{clientName(id)}</li>)}</ul>}
    </Dialog>
  );
}
