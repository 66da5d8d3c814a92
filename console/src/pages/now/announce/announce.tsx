// Announcing: what is said, where, how loud; and afterwards how it went.
import './announce.css';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { language, t } from '../../../i18n';
import { groupList, server } from '../../../state/store';
import { Button, Dialog, Field, Notice, Select } from '../../../ui/controls';
import { Icon, type IconName } from '../../../ui/icons';
import { explain } from '../../../ui/toast';
import { close, opened } from '../open';
import { Clip, type Chosen } from './clip';
import { Live } from './live';
import { Mic } from './mic';
import { announce, type What } from './send';
import { Loudness, reachable, Where, type Duck } from './where';

type Kind = 'text' | 'clip' | 'mic';
const kinds: { kind: Kind; icon: IconName }[] = [{ kind: 'text', icon: 'edit' }, { kind: 'clip', icon: 'music' }, { kind: 'mic', icon: 'mic' }];

/** The API's bound. */
const longest = 2000;
const common = ['en', 'de', 'fr', 'es', 'it', 'nl', 'pt', 'pl', 'tr'];

/** Languages to speak: those of the house and the reader first. */
function spoken(): { value: string; label: string }[] {
  const names = new Intl.DisplayNames([language.value], { type: 'language' });
  return [...new Set([...(server.value?.languages ?? []), language.value, ...common])].map((value) => ({ value, label: nameOf(names, value) }));
}

function nameOf(names: Intl.DisplayNames, tag: string): string {
  try {
    return names.of(tag) ?? tag;
  } catch {
    return tag; // no language tag
  }
}

/** What is chosen at the beginning: the zone it was opened from, else what plays. */
function beginning(): string[] {
  const o = opened.peek();
  if (o?.kind === 'announce' && o.groupIds.length > 0) return o.groupIds.filter((id) => reachable().some((g) => g.group_id === id));
  const playing = reachable().filter((g) => g.playback_state === 'playing');
  return (playing.length > 0 ? playing : reachable().filter((g) => !g.solo)).map((g) => g.group_id);
}

export function Announce(): JSX.Element {
  const [kind, setKind] = useState<Kind>('text');
  const [text, setText] = useState('');
  const [tongue, setTongue] = useState(() => spoken()[0]!.value);
  const [clip, setClip] = useState<Chosen | null>(null);
  const [recording, setRecording] = useState<Blob | null>(null);
  const [where, setWhere] = useState(beginning);
  const [volume, setVolume] = useState<number>();
  const [duck, setDuck] = useState<Duck>('18');
  const [error, setError] = useState('');
  const [sent, setSent] = useState<{ id: string; groups: string[] } | null>(null);

  const what = (): What | null => {
    switch (kind) {
      case 'text': return text.trim() ? { text: text.trim(), language: tongue } : null;
      case 'clip': return clip && ('file' in clip ? { clip: clip.file } : { uri: clip.path });
      case 'mic': return recording && { clip: recording };
    }
  };
  const send = async () => {
    const said = what();
    if (!said) return setError(t(`now.announce.missing.${kind}`));
    if (where.length === 0) return setError(t('now.announce.missing.where'));
    setError('');
    const there = groupList.peek().filter((g) => where.includes(g.group_id)).map((g) => g.group_id);
    try {
      setSent({ id: await announce(said, { groups: there, volume, duck_db: Number(duck) }), groups: there });
    } catch (err) {
      setError(explain(err));
    }
  };
  if (sent) {
    return (
      <Dialog key="sent" title={t('now.announce.sent')} onClose={close}
        foot={<><Button icon="megaphone" onClick={() => setSent(null)}>{t('now.announce.another')}</Button><Button kind="primary" onClick={close}>{t('now.done')}</Button></>}>
        <Live id={sent.id} groupIds={sent.groups} />
      </Dialog>
    );
  }
  return (
    <Dialog key="ask" title={t('now.announce')} onClose={close}
      foot={<><Button onClick={close}>{t('common.cancel')}</Button><Button kind="primary" icon="megaphone" onClick={send}>{t('now.announce.send')}</Button></>}>
      <div class="now-kinds" role="radiogroup" aria-label={t('now.announce.what')}>
        {kinds.map((k) => (
          <label key={k.kind} class={kind === k.kind ? 'on' : ''}>
            <input type="radio" name="announce-kind" value={k.kind} checked={kind === k.kind} onChange={() => { setKind(k.kind); setError(''); }} />
            <Icon name={k.icon} size={20} /><span>{t(`now.announce.${k.kind}`)}</span>
          </label>
        ))}
      </div>
      {kind === 'text' && (
        <div class="stack">
          <Field label={t('now.announce.say')} rows={3} value={text} maxLength={longest} onInput={(v) => { setText(v); setError(''); }} placeholder={t('now.announce.say_hint')} autofocus />
          <Select label={t('now.announce.language')} value={tongue} onChange={setTongue} options={spoken()} hint={t('now.announce.voice')} />
        </div>
      )}
      {kind === 'clip' && <Clip chosen={clip} onChoose={(c) => { setClip(c); setError(''); }} />}
      {kind === 'mic' && <Mic clip={recording} onClip={(c) => { setRecording(c); setError(''); }} />}
      <Where chosen={where} onChange={(w) => { setWhere(w); setError(''); }} />
      <Loudness volume={volume} duck={duck} onVolume={setVolume} onDuck={setDuck} />
      {error && <Notice tone="bad" alert>{error}</Notice>}
    </Dialog>
  );
}
