// The signed roster of a place as a file, for another site; sealed to who may read it.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { post, seg } from '../../../api/http';
import type { Persona } from '../../../api/types';
import { t } from '../../../i18n';
import { Button, Check, Field, Notice } from '../../../ui/controls';
import { attempt, toast } from '../../../ui/toast';
import type { RosterExport } from '../types';

/** Recipients out of what was typed: one a line, or with commas. */
export const recipients = (text: string): string[] => text.split(/[\s,;]+/).filter(Boolean);

/** A name for the file that every system takes. */
export const fileName = (p: Pick<Persona, 'name'>, seq: number): string =>
  `${p.name.normalize('NFKD').replace(/[^\w-]+/g, '-').replace(/^-+|-+$/g, '').toLowerCase() || 'roster'}-${seq}.roster`;

/** Gives the reader a file of text. */
export function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  const a = document.createElement('a');
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function Export({ persona: p }: { persona: Persona }): JSX.Element {
  const [sealed, setSealed] = useState(false);
  const [to, setTo] = useState('');
  const list = recipients(to);
  const wrong = sealed && list.some((r) => !r.startsWith('age1'));
  const run = () => attempt(async () => {
    const x = await post<RosterExport>(`/api/v1/personas/${seg(p.persona_id)}/export`, sealed ? { recipients: list } : {});
    download(fileName(p, x.seq), x.roster);
    toast('good', t('devices.roster.exported', { n: x.seq }));
  });
  return (
    <section class="card stack">
      <h3>{t('devices.roster')}</h3>
      <p class="small dim">{t('devices.roster.what', { n: p.seq })}</p>
      <Check label={t('devices.roster.seal')} checked={sealed} onChange={setSealed} />
      {sealed && <Field label={t('devices.roster.recipients')} hint={t('devices.roster.recipients_hint')} rows={2} value={to} onInput={setTo} error={wrong ? t('devices.roster.recipients_wrong') : undefined} />}
      {!sealed && <Notice tone="info">{t('devices.roster.clear')}</Notice>}
      <div><Button icon="download" disabled={sealed && (list.length === 0 || wrong)} onClick={run}>{t('devices.roster.export')}</Button></div>
    </section>
  );
}
