// What is not in the music folder: a radio station, a line-in, a sound for testing.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Client, Group } from '../../../api/types';
import { t } from '../../../i18n';
import { clientList, name } from '../../../state/store';
import { Button, Field } from '../../../ui/controls';
import { Icon } from '../../../ui/icons';
import { playUri } from '../actions';
import { uriName } from '../logic';

const stored = 'tutti.radio';
/** Addresses kept on this device. */
const most = 6;

function recent(): string[] {
  try {
    const list: unknown = JSON.parse(localStorage.getItem(stored) ?? '[]');
    return Array.isArray(list) ? list.filter((x): x is string => typeof x === 'string').slice(0, most) : [];
  } catch {
    return [];
  }
}

/** Why a line-in cannot be used now; '' when it can. */
const whyNot = (c: Client): string => !c.connected ? t('now.cannot.absent') : c.source_allowed === false ? t('now.sources.not_allowed') : '';

const tests = [['tone', 'tone:440'], ['noise', 'noise:pink'], ['channels', 'channels:'], ['sweep', 'sweep:20-20000']] as const;

export function Sources({ group: g }: { group: Group }): JSX.Element {
  const [url, setUrl] = useState('');
  const [error, setError] = useState('');
  const [known, setKnown] = useState(recent);
  const lines = clientList.value.filter((c) => c.supported_roles.some((r) => r.startsWith('source@')));
  const tune = async (address: string) => {
    if (!/^https?:\/\/[^/\s]/i.test(address)) return setError(t('now.sources.address_wrong'));
    setError('');
    if (!await playUri(g, address)) return;
    const next = [address, ...known.filter((x) => x !== address)].slice(0, most);
    setKnown(next);
    localStorage.setItem(stored, JSON.stringify(next));
    setUrl('');
  };
  return (
    <div class="stack now-sources">
      <section class="stack">
        <h3>{t('now.sources.radio')}</h3>
        <form class="stack" onSubmit={(e) => { e.preventDefault(); void tune(url.trim()); }}>
          <Field label={t('now.sources.address')} type="url" inputMode="url" placeholder="https://" hint={t('now.sources.address_hint')} value={url} onInput={(v) => { setUrl(v); setError(''); }} error={error} />
          <Button kind="primary" icon="play" type="submit" disabled={!url.trim()}>{t('now.sources.listen')}</Button>
        </form>
        {known.length > 0 && (
          <ul class="plain now-list">
            {known.map((x) => (
              <li key={x} class="now-row row">
                <span class="now-thumb"><Icon name="now" size={22} /></span>
                <span class="grow ellipsis">{uriName(x)}</span>
                <Button kind="quiet" icon="play" label={t('now.play_title', { title: uriName(x) })} onClick={() => tune(x)} />
              </li>
            ))}
          </ul>
        )}
      </section>
      <section class="stack">
        <h3>{t('now.sources.lines')}</h3>
        {lines.length === 0 && <p class="dim">{t('now.sources.no_lines')}</p>}
        <ul class="plain now-list">
          {lines.map((c) => (
            <li key={c.client_id} class="now-row row">
              <span class="now-thumb"><Icon name="mic" size={22} /></span>
              <div class="now-words grow"><span class="ellipsis now-what-title">{name(c)}</span><span class="small dim">{whyNot(c) || (c.source?.streaming ? t('now.sources.in_use') : '')}</span></div>
              <Button kind="quiet" icon="play" label={t('now.play_title', { title: name(c) })} disabled={!!whyNot(c)} onClick={() => playUri(g, `source:${c.client_id}`)} />
            </li>
          ))}
        </ul>
      </section>
      <section class="stack">
        <h3>{t('now.sources.tests')}</h3>
        <p class="small dim">{t('now.sources.tests_text')}</p>
        <div class="row wrap">{tests.map(([key, uri]) => <Button key={key} icon="play" onClick={() => playUri(g, uri)}>{t(`now.sources.${key}`)}</Button>)}</div>
      </section>
    </div>
  );
}
