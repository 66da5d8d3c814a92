// Takes the roster of another site: read, shown, and only then accepted.
import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { post } from '../../../api/http';
import type { Server } from '../../../api/types';
import { t } from '../../../i18n';
import { go, href } from '../../../router';
import { putPersona, server } from '../../../state/store';
import { Button, Field, Notice } from '../../../ui/controls';
import { Icon } from '../../../ui/icons';
import { explain, toast } from '../../../ui/toast';
import type { RosterImport } from '../types';

/** The longest roster that the server takes (characters). */
const longest = 65_536;

export function Import(): JSX.Element {
  const [roster, setRoster] = useState('');
  const [seen, setSeen] = useState<RosterImport | null>(null);
  const [error, setError] = useState('');
  const file = useRef<HTMLInputElement>(null);
  const recipient = (server.value as (Server & { recipient?: string }) | null)?.recipient;
  const ask = async (accept: boolean) => {
    setError('');
    try {
      const x = await post<RosterImport>('/api/v1/personas/import', { roster, accept });
      if (!x.accepted) return setSeen(x);
      putPersona(x.persona);
      toast('good', t('devices.roster.accepted', { name: x.persona.name }));
      go('devices', 'personas', x.persona.persona_id);
    } catch (err) {
      setSeen(null);
      setError(explain(err));
    }
  };
  const take = (text: string) => { setRoster(text); setSeen(null); setError(''); };
  const load = async (f: File | undefined) => {
    if (!f) return;
    if (f.size > longest) return setError(t('devices.roster.too_big'));
    take(await f.text());
  };
  return (
    <div class="dv-flow stack">
      <p><a class="btn quiet" href={href('devices', 'personas')}><Icon name="left" size={20} />{t('devices.tab.personas')}</a></p>
      <h2>{t('devices.roster.import')}</h2>
      <p>{t('devices.roster.import_what')}</p>
      {recipient && <details><summary>{t('devices.roster.own')}</summary><p class="small">{t('devices.roster.own_hint')}</p><code class="dv-key">{recipient}</code></details>}
      <form class="card stack" onSubmit={(e) => { e.preventDefault(); void ask(false); }}>
        <div><Button icon="folder" onClick={() => file.current?.click()}>{t('devices.roster.file')}</Button></div>
        <input ref={file} type="file" hidden data-testid="roster-file" onChange={(e) => { const el = e.currentTarget; void load(el.files?.[0]); el.value = ''; }} />
        <Field label={t('devices.roster.text')} hint={t('devices.roster.text_hint')} rows={5} maxLength={longest} value={roster} onInput={take} />
        {error && <Notice tone="bad" alert>{error}</Notice>}
        {!seen && <div><Button kind="primary" type="submit" disabled={!roster.trim()}>{t('devices.roster.look')}</Button></div>}
      </form>
      {seen && (
        <section class="card stack" aria-live="polite">
          <h3>{seen.persona.name}</h3>
          <p>{t('devices.roster.says', { n: seen.persona.devices.length, seq: seen.persona.seq })}</p>
          {seen.changes.length > 0
            ? <><p><strong>{t('devices.roster.changes')}</strong></p><ul>{seen.changes.map((c, i) => <li key={i}>{c}</li>)}</ul></>
            : <p>{t('devices.roster.no_changes')}</p>}
          <Notice tone="info">{t('devices.roster.no_trust')}</Notice>
          <div class="dv-acts"><Button onClick={() => take('')}>{t('common.cancel')}</Button><Button kind="primary" icon="check" onClick={() => ask(true)}>{t('devices.roster.accept')}</Button></div>
        </section>
      )}
    </div>
  );
}
