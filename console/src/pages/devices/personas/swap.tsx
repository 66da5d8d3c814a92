// Swap a speaker: which one is broken, who takes its place, done.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { del, post, seg } from '../../../api/http';
import type { Persona } from '../../../api/types';
import { t } from '../../../i18n';
import { href } from '../../../router';
import { clients, groups, name, personas, putPersona } from '../../../state/store';
import { Badge, Button, Empty, Notice } from '../../../ui/controls';
import { Icon } from '../../../ui/icons';
import { attempt, explain, toast } from '../../../ui/toast';
import { Fingerprint } from '../fingerprint';
import { Presence, StandingBadge } from '../row';
import { candidates, ownName, swappable, type Broken, type Candidate } from './swapping';

const title = (b: Broken): string => b.persona?.name ?? (b.client ? name(b.client) : b.clientId.slice(0, 8));

export function Swap({ chosen }: { chosen?: string }): JSX.Element {
  const all = [...personas.value.values()];
  const choices = swappable(all, clients.value);
  const [brokenId, setBroken] = useState(() => choices.find((b) => chosen && b.persona?.persona_id === chosen)?.clientId ?? '');
  const [kept, keep] = useState<Broken | null>(null);
  const [spare, setSpare] = useState<Candidate | null>(null);
  const [done, setDone] = useState<Persona | null>(null);
  const [error, setError] = useState('');
  const broken = kept ?? choices.find((b) => b.clientId === brokenId);
  const step = done ? 3 : spare ? 2 : broken ? 1 : 0;

  const swap = async () => {
    if (!broken || !spare) return;
    setError('');
    keep(broken); // what it was, while the feed tells what it becomes
    try {
      let p = broken.persona ?? await post<Persona>('/api/v1/personas', { name: title(broken).slice(0, 64), client_id: broken.clientId });
      const path = `/api/v1/personas/${seg(p.persona_id)}`;
      if (!p.devices.some((d) => d.client_id === spare.client.client_id)) p = await post<Persona>(`${path}/devices`, { client_id: spare.client.client_id });
      p = await post<Persona>(`${path}/activate`, { client_id: spare.client.client_id });
      putPersona(p);
      setDone(p);
    } catch (err) {
      keep(null);
      setError(explain(err));
    }
  };
  return (
    <div class="dv-flow stack">
      <p><a class="btn quiet" href={href('devices', 'personas')}><Icon name="left" size={20} />{t('devices.tab.personas')}</a></p>
      <h2>{t('devices.swap')}</h2>
      <ol class="plain dv-steps" aria-label={t('devices.swap_steps')}>
        {(['broken', 'spare', 'confirm', 'done'] as const).map((s, i) => (
          <li key={s} class={i < step || done ? 'past' : i === step ? 'now' : 'next'} aria-current={i === step ? 'step' : undefined}>
            <span class="dv-step-sign" aria-hidden="true">{i < step || done ? <Icon name="check" size={18} /> : i + 1}</span><span>{t(`devices.swap_step.${s}`)}</span>
          </li>
        ))}
      </ol>
      {step === 0 && <ChooseBroken choices={choices} onChoose={setBroken} />}
      {step === 1 && broken && <ChooseSpare broken={broken} list={candidates(broken, all, clients.value)} onChoose={setSpare} onBack={() => setBroken('')} />}
      {step === 2 && broken && spare && (
        <section class="card stack">
          <h3>{t('devices.swap_confirm', { place: title(broken), name: name(spare.client) })}</h3>
          <p>{t('devices.swap_confirm_text', { old: ownName(broken.persona, broken.client, broken.clientId), name: name(spare.client) })}</p>
          {!broken.persona && <p class="small dim">{t('devices.swap_makes_place', { place: title(broken) })}</p>}
          {error && <Notice tone="bad" alert>{error}</Notice>}
          <div class="dv-acts"><Button icon="left" onClick={() => { setSpare(null); setError(''); }}>{t('common.back')}</Button><Button kind="primary" icon="swap" onClick={swap}>{t('devices.swap_do')}</Button></div>
        </section>
      )}
      {done && broken && spare && <Done persona={done} broken={broken} spare={spare} />}
    </div>
  );
}

function ChooseBroken({ choices, onChoose }: { choices: Broken[]; onChoose: (id: string) => void }): JSX.Element {
  if (choices.length === 0) return <Empty icon="speaker" title={t('devices.swap_nothing')}><p>{t('devices.swap_nothing_hint')}</p></Empty>;
  return (
    <section class="stack">
      <h3>{t('devices.swap_which')}</h3>
      <ul class="plain dv-ways">
        {choices.map((b) => {
          const zone = b.client?.group_id ? groups.value.get(b.client.group_id) : undefined;
          return (
            <li key={b.clientId}>
              <button type="button" class="dv-way" onClick={() => onChoose(b.clientId)}>
                <Icon name={b.persona ? 'swap' : 'speaker'} size={26} />
                <span class="grow stack tight"><strong>{title(b)}</strong>
                  <span class="row wrap small">{b.client ? <Presence client={b.client} /> : <span>{t('devices.away')}</span>}{zone && !zone.solo && <span class="dim">{t('devices.in_zone', { zone: zone.name })}</span>}</span></span>
                <Icon name="right" />
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function ChooseSpare({ broken, list, onChoose, onBack }: { broken: Broken; list: Candidate[]; onChoose: (c: Candidate) => void; onBack: () => void }): JSX.Element {
  return (
    <section class="stack">
      <h3>{t('devices.swap_who', { place: title(broken) })}</h3>
      {list.length === 0 && <Notice tone="warn">{t('devices.swap_nobody')}</Notice>}
      <ul class="plain dv-ways">
        {list.map((x) => (
          <li key={x.client.client_id} class="dv-candidate">
            <button type="button" class="dv-way" disabled={!x.ready} onClick={() => onChoose(x)}>
              <Icon name="speaker" size={26} />
              <span class="grow stack tight"><strong>{name(x.client)}</strong>
                <span class="row wrap small">{x.spare && <Badge tone="info" icon="pause">{t('devices.place.spare')}</Badge>}<StandingBadge client={x.client} /><Presence client={x.client} /></span>
                <span class="small dim"><Fingerprint value={x.client.fingerprint} /></span></span>
              {x.ready && <Icon name="right" />}
            </button>
            {!x.ready && <a class="btn" href={href('devices', 'pair', x.client.client_id)}><Icon name="link" size={20} />{t('devices.swap_pair_first')}</a>}
          </li>
        ))}
      </ul>
      <div><Button icon="left" onClick={onBack}>{t('common.back')}</Button></div>
    </section>
  );
}

function Done({ persona, broken, spare }: { persona: Persona; broken: Broken; spare: Candidate }): JSX.Element {
  const now = personas.value.get(persona.persona_id) ?? persona;
  const inside = now.devices.some((d) => d.client_id === broken.clientId);
  const old = ownName(now, clients.value.get(broken.clientId) ?? broken.client, broken.clientId);
  const takeOut = () => attempt(async () => {
    putPersona(await del<Persona>(`/api/v1/personas/${seg(now.persona_id)}/devices/${seg(broken.clientId)}`));
    toast('info', t('devices.swap_taken_out', { name: old }));
  });
  return (
    <section class="card stack" data-testid="swap-done">
      <Notice tone="good" alert><strong>{t('devices.swap_done', { place: now.name })}</strong><p>{t('devices.swap_done_text', { name: ownName(now, spare.client, spare.client.client_id) })}</p></Notice>
      {inside && <p>{t('devices.swap_old', { name: old })}</p>}
      <div class="dv-acts">
        {inside && <Button icon="trash" onClick={takeOut}>{t('devices.place.take_out', { name: old })}</Button>}
        <a class="btn primary" href={href('devices', 'personas', now.persona_id)}>{t('devices.swap_to_place', { place: now.name })}</a>
      </div>
    </section>
  );
}
