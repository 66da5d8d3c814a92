// Where an attempt stands among its steps: number and word, the present one marked for
// eyes and ears.
import type { JSX } from 'preact';
import type { Pairing } from '../../../api/types';
import { t } from '../../../i18n';
import { Icon } from '../../../ui/icons';

export type Step = 'ask' | 'code' | 'check' | 'done';

/** The steps of an attempt, and which of them it is at. */
export function stepsOf(a: Pick<Pairing, 'method' | 'state'>): { steps: Step[]; at: number } {
  const steps: Step[] = a.method === 'pairing_psk' || a.method === 'static_pairing_code' ? ['ask', 'check', 'done'] : ['ask', 'code', 'check', 'done'];
  const step = ({ connecting: 'ask', pending: 'ask', awaiting_code: steps.includes('code') ? 'code' : 'check', verifying: 'check', paired: 'done', failed: 'done', cancelled: 'done' } as const)[a.state];
  return { steps, at: steps.indexOf(step) };
}

export function Steps({ attempt }: { attempt: Pairing }): JSX.Element {
  const { steps, at } = stepsOf(attempt);
  const bad = attempt.state === 'failed' || attempt.state === 'cancelled';
  return (
    <ol class="plain dv-steps" aria-label={t('devices.pair.steps')}>
      {steps.map((s, i) => {
        const state = i < at || attempt.state === 'paired' ? 'past' : i === at ? (bad ? 'bad' : 'now') : 'next';
        return (
          <li key={s} class={state} aria-current={i === at ? 'step' : undefined}>
            <span class="dv-step-sign" aria-hidden="true">{state === 'past' && !bad ? <Icon name="check" size={18} /> : state === 'bad' ? <Icon name="close" size={18} /> : i + 1}</span>
            <span>{t(`devices.pair.step.${s === 'done' && bad ? 'failed' : s}`)}</span>
          </li>
        );
      })}
    </ol>
  );
}
