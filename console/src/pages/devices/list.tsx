// Every device, under the heading of its standing.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { get } from '../../api/http';
import { t } from '../../i18n';
import { clientList, may } from '../../state/store';
import { Button, Empty, Field } from '../../ui/controls';
import { Icon, type IconName } from '../../ui/icons';
import { AddDevice } from './add';
import { Row, SightingRow } from './row';
import { ScanToken } from './scantoken';
import { matches, section, sections, standing, unanswered, type Section } from './standing';
import type { Sighting } from './types';

const icons: Record<Section, IconName> = { pretending: 'mask', waiting: 'question', mismatch: 'key', found: 'search', trusted: 'check', refused: 'block' };

/** How often addresses are read: the feed does not tell of them (ms). */
const pollEvery = 10_000;

/** The addresses that the server knows. */
export function useSightings(): { sightings: Sighting[]; reload: () => void } {
  const [sightings, set] = useState<Sighting[]>([]);
  const [turn, next] = useState(0);
  useEffect(() => {
    let stop = false;
    const read = () => {
      if (document.hidden) return;
      get<{ sightings: Sighting[] }>('/api/v1/sightings').then((a) => { if (!stop) set(a.sightings); }, () => {});
    };
    read();
    const timer = setInterval(read, pollEvery);
    return () => { stop = true; clearInterval(timer); };
  }, [turn]);
  return { sightings, reload: () => next((n) => n + 1) };
}

export function List(): JSX.Element {
  const [search, setSearch] = useState('');
  const [only, setOnly] = useState<Section | null>(null);
  const [dialog, setDialog] = useState<'add' | 'scan' | null>(null);
  const { sightings, reload } = useSightings();
  const all = clientList.value;
  const quiet = unanswered(sightings, all);
  const bySection = new Map(sections.map((s) => [s, all.filter((c) => section(standing(c)) === s)]));
  const shown = (s: Section) => bySection.get(s)!.filter((c) => matches(c, search));
  const found = search ? quiet.filter((s) => `${s.name ?? ''} ${s.url}`.toLowerCase().includes(search.toLowerCase())) : quiet;
  const count = (s: Section) => bySection.get(s)!.length + (s === 'found' ? quiet.length : 0);
  const total = sections.reduce((n, s) => n + (only && only !== s ? 0 : shown(s).length + (s === 'found' ? found.length : 0)), 0);
  return (
    <div class="stack">
      <div class="dv-tools">
        <Field label={t('devices.search')} type="search" value={search} onInput={setSearch} placeholder={t('devices.search_hint')} />
        {may('admin') && <Button icon="qr" onClick={() => setDialog('scan')}>{t('devices.scan.token')}</Button>}
        {may('admin') && <Button icon="plus" onClick={() => setDialog('add')}>{t('devices.add')}</Button>}
      </div>
      <div class="dv-filters" role="group" aria-label={t('devices.filter')}>
        {sections.filter((s) => count(s) > 0).map((s) => (
          <button key={s} type="button" class={`dv-filter ${s}`} aria-pressed={only === s} onClick={() => setOnly(only === s ? null : s)}>
            <Icon name={icons[s]} size={18} /><span>{t(`devices.section.${s}`)}</span><b class="num">{count(s)}</b>
          </button>
        ))}
      </div>
      <p class="sr" role="status">{search || only ? t('devices.matches', { n: total }) : ''}</p>
      {total === 0 && (all.length + quiet.length === 0
        ? <Empty icon="devices" title={t('devices.none')}><p>{t('devices.none_hint')}</p></Empty>
        : <Empty icon="search" title={t('devices.no_match')}><Button onClick={() => { setSearch(''); setOnly(null); }}>{t('devices.show_all')}</Button></Empty>)}
      {sections.filter((s) => !only || only === s).map((s) => {
        const rows = shown(s);
        const extra = s === 'found' ? found : [];
        if (rows.length + extra.length === 0) return null;
        return (
          <section key={s} class="dv-section" aria-labelledby={`section-${s}`}>
            <h2 id={`section-${s}`} class={s}><Icon name={icons[s]} size={20} /><span>{t(`devices.section.${s}`)}</span><span class="dv-pill num">{rows.length + extra.length}</span></h2>
            <p class="small dim">{t(`devices.section_hint.${s}`)}</p>
            <ul class="plain dv-list">
              {rows.map((c) => <Row key={c.client_id} client={c} />)}
              {extra.map((x) => <SightingRow key={x.key} sighting={x} onGone={reload} />)}
            </ul>
          </section>
        );
      })}
      {dialog === 'add' && <AddDevice onClose={() => setDialog(null)} onAdded={reload} />}
      {dialog === 'scan' && <ScanToken onClose={() => setDialog(null)} />}
    </div>
  );
}
