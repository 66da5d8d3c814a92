// This browser as a speaker: start it, have it approved or paired, choose what it plays.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { t } from '../../i18n';
import { defaultName, forgetIdentity, resume, setMuted, setVolume, speaker, start, stop, type SpeakerState } from '../../sendspin/speaker';
import { storedName } from '../../sendspin/device';
import { server } from '../../state/store';
import { Badge, Button, Dialog, Field, Notice, Slider, type Tone } from '../../ui/controls';
import type { IconName } from '../../ui/icons';
import { attempt } from '../../ui/toast';
import { Figures, Pairing, PairingCode } from './details';
import './speaker.css';
import { Place, Waiting } from './zones';

export function Speaker(): JSX.Element {
  const s = speaker.value;
  return (
    <div class="speaker stack">
      <div class="page-head"><h1>{t('common.page.speaker')}</h1></div>
      {s.on ? <Running s={s} /> : <Off />}
    </div>
  );
}

function Off(): JSX.Element {
  const [name, setName] = useState(storedName() || defaultName());
  const [sure, ask] = useState(false);
  const play = () => attempt(() => start(name.trim() || defaultName(), server.value?.version ?? ''), t('speaker.cannot'));
  return (
    <>
      <div class="card stack hero">
        <p>{t('speaker.what')}</p>
        <Button kind="primary" big icon="speaker" onClick={play}>{t('speaker.play_here')}</Button>
        <Field label={t('speaker.name')} hint={t('speaker.name.hint')} value={name} onInput={setName} maxLength={60} />
      </div>
      <div><Button kind="quiet" icon="trash" onClick={() => ask(true)}>{t('speaker.forget')}</Button></div>
      {sure && <Forget onClose={() => ask(false)} />}
    </>
  );
}

function Forget({ onClose }: { onClose: () => void }): JSX.Element {
  return (
    <Dialog title={t('speaker.forget')} onClose={onClose} foot={<>
      <Button onClick={onClose}>{t('common.cancel')}</Button>
      <Button kind="danger" onClick={() => { forgetIdentity(); onClose(); }}>{t('speaker.forget')}</Button>
    </>}>
      <p>{t('speaker.forget.what')}</p>
    </Dialog>
  );
}

/** What the speaker is doing, in one word; the texts are keyed by it. */
export function phase(s: SpeakerState): 'connecting' | 'retry' | 'waiting' | 'clock' | 'ready' | 'playing' {
  if (s.link !== 'open') return s.link;
  if (!s.active) return 'waiting';
  if (!s.sync?.converged) return 'clock';
  return s.streaming ? 'playing' : 'ready';
}

const looks: Record<ReturnType<typeof phase>, { tone: Tone; icon: IconName }> = {
  connecting: { tone: 'info', icon: 'link' }, retry: { tone: 'bad', icon: 'warning' }, waiting: { tone: 'warn', icon: 'question' },
  clock: { tone: 'info', icon: 'schedules' }, ready: { tone: 'good', icon: 'check' }, playing: { tone: 'good', icon: 'play' },
};

function Running({ s }: { s: SpeakerState }): JSX.Element {
  const p = phase(s);
  return (
    <>
      <section class="card stack" aria-label={t('speaker.state')}>
        <div class="row wrap">
          <div role="status" data-testid="speaker-state" data-state={p}><Badge tone={looks[p].tone} icon={looks[p].icon}>{t(`speaker.state.${p}`)}</Badge></div>
          <span class="grow" />
          <Button icon="stop" onClick={stop}>{t('speaker.stop')}</Button>
        </div>
        <p>{t(`speaker.state.${p}.what`, { zone: s.group?.name || t('speaker.alone') })}</p>
        {p === 'retry' && s.closed && <p class="dim">{t(`speaker.closed.${s.closed}`)}</p>}
        {s.suspended && <Notice tone="warn" alert><p>{t('speaker.suspended')}</p><Button kind="primary" icon="speaker" onClick={resume}>{t('speaker.resume')}</Button></Notice>}
        {s.mismatch && <Notice tone="warn">{t('speaker.mismatch')}</Notice>}
        {s.code ? <PairingCode s={s} /> : p === 'waiting' && <Waiting s={s} />}
        {(p === 'ready' || p === 'playing') && <Place s={s} />}
      </section>
      <section class="card stack" aria-label={t('speaker.volume')}>
        <div class="row">
          <Button icon={s.muted ? 'muted' : 'volume'} kind="quiet" label={t(s.muted ? 'speaker.unmute' : 'speaker.mute')} pressed={s.muted} onClick={() => setMuted(!s.muted)} />
          <Slider label={t('speaker.volume')} value={s.volume} valueText={`${s.volume} %`} onSet={setVolume} />
          <span class="num percent" aria-hidden="true">{s.volume} %</span>
        </div>
      </section>
      <Pairing s={s} />
      <Figures s={s} />
    </>
  );
}
