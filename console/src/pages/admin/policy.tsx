// The three questions whose answers say what strangers may do.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { patch } from '../../api/http';
import type { Server } from '../../api/types';
import { t } from '../../i18n';
import { server } from '../../state/store';
import { Notice, Spinner } from '../../ui/controls';
import { attempt, toast } from '../../ui/toast';
import { Choices, Confirm } from './parts';

type Policy = Server['policy'];

/** Answers of each question, the careful one first. */
const answers = {
  pairing: ['required', 'optional'],
  controller: ['paired_only', 'approved'],
  rosters: ['ask', 'accept'],
} as const;

const questions = Object.keys(answers) as (keyof Policy)[];

export function PolicyTab(): JSX.Element {
  const policy = server.value?.policy;
  const [asked, ask] = useState<Partial<Policy> | null>(null);
  if (!policy) return <Spinner />;

  const save = async (change: Partial<Policy>) => {
    server.value = await patch<Server>('/api/v1/server', { policy: change });
    toast('good', t('admin.policy.saved'));
  };
  const choose = (question: keyof Policy, value: string) => {
    if (value === policy[question]) return;
    const change = { [question]: value } as Partial<Policy>;
    // The careful answer is taken at once; the open one is asked for twice.
    if (value === answers[question][0]) void attempt(() => save(change));
    else ask(change);
  };
  return (
    <div class="stack wide-gap">
      <p class="dim">{t('admin.policy.about')}</p>
      {questions.map((q) => (
        <section key={q} class="card">
          <Choices legend={t(`admin.policy.${q}`)} hint={t(`admin.policy.${q}.hint`)} value={policy[q] as string} onChange={(v) => choose(q, v)}
            options={answers[q].map((a) => ({ value: a as string, title: t(`admin.policy.${q}.${a}`), text: t(`admin.policy.${q}.${a}.text`) }))} />
        </section>
      ))}
      {asked && questions.filter((q) => asked[q]).map((q) => (
        <Confirm key={q} title={t(`admin.policy.${q}.${asked[q]}`)} action={t('admin.policy.confirm')} onClose={() => ask(null)} run={() => save(asked)}>
          <Notice tone="warn">{t(`admin.policy.${q}.warning`)}</Notice>
        </Confirm>
      ))}
    </div>
  );
}
