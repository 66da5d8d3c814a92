// The devices by zone: how each does now, and how it did, as plots or as a table.
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { clients, groupList, name } from '../../state/store';
import type { Client, Group } from '../../api/types';
import { Badge, Empty, type Tone } from '../../ui/controls';
import type { IconName } from '../../ui/icons';
import { summary } from './plot';
import { Sparkline } from './sparkline';
import { health, range, useHistory, view } from './state';
import type { ClientHealth, Column, History, Quality } from './types';
import { milliseconds, seconds } from './words';
import { number } from '../../i18n';

const looks: Record<Quality, { tone: Tone; icon: IconName }> = {
  good: { tone: 'good', icon: 'check' },
  fair: { tone: 'warn', icon: 'info' },
  poor: { tone: 'bad', icon: 'warning' },
  idle: { tone: 'plain', icon: 'pause' },
  offline: { tone: 'plain', icon: 'close' },
};

interface Place { id: string; title: string; members: Client[] }

/** Zones by name, then those that play alone; only devices that may be there at all. */
function places(): Place[] {
  const seen = new Set<string>();
  const pick = (ids: string[]): Client[] => ids.map((id) => clients.value.get(id)).filter((c): c is Client => {
    if (!c || seen.has(c.client_id)) return false;
    seen.add(c.client_id);
    return true;
  });
  const zones = groupList.value.filter((g: Group) => !g.solo).map((g) => ({ id: g.group_id, title: g.name, members: pick(g.members) }));
  const rest = pick([...clients.value.values()].filter((c) => c.trust === 'paired' || c.trust === 'approved' || c.connected)
    .sort((a, b) => name(a).localeCompare(name(b))).map((c) => c.client_id));
  return [...zones, { id: '', title: t('health.alone'), members: rest }].filter((p) => p.members.length > 0);
}

export function Speakers(): JSX.Element {
  const all = places();
  const byId = new Map(health.value!.clients.map((c) => [c.client_id, c]));
  if (all.length === 0) return <Empty icon="speaker" title={t('health.no_devices')}><p>{t('health.no_devices_text')}</p></Empty>;
  return (
    <>
      {all.map((p) => (
        <section key={p.id} class="stack" aria-label={p.title}>
          <h3>{p.title}</h3>
          <ul class="plain cards health-cards">
            {p.members.map((c) => <li key={c.client_id}><Speaker client={c} health={byId.get(c.client_id)} /></li>)}
          </ul>
        </section>
      ))}
    </>
  );
}

function Speaker({ client: c, health: h }: { client: Client; health: ClientHealth | undefined }): JSX.Element {
  const box = useRef<HTMLElement>(null);
  const [visible, setVisible] = useState(false);
  useEffect(() => {
    const o = new IntersectionObserver((entries) => setVisible(entries.some((e) => e.isIntersecting)), { rootMargin: '200px' });
    o.observe(box.current!);
    return () => o.disconnect();
  }, []);
  const history = useHistory(c.client_id, range.value, visible);
  const quality: Quality = h?.quality ?? (c.connected ? 'idle' : 'offline');
  return (
    <article ref={box} class="card stack speaker-health" data-testid="speaker-health" aria-label={name(c)}>
      <div class="row">
        <b class="grow ellipsis">{name(c)}</b>
        <Badge tone={looks[quality].tone} icon={looks[quality].icon}>{t(`health.quality.${quality}`)}</Badge>
      </div>
      {quality === 'idle' && <p class="small dim">{t('health.idle_text')}</p>}
      {!history ? <div class="spark-wait" /> : view.value === 'plots' ? <Plots history={history} /> : <Table name={name(c)} history={history} />}
    </article>
  );
}

interface Measure {
  key: 'buffer' | 'rtt' | 'late' | 'reconnects';
  column: (h: History) => Column;
  format: (v: number) => string;
  kind: 'line' | 'bars';
  least: number;
  total?: boolean;
}

const measures: Measure[] = [
  { key: 'buffer', column: (h) => h.buffered_ms, format: seconds, kind: 'line', least: 1000 },
  { key: 'rtt', column: (h) => h.rtt_us, format: milliseconds, kind: 'line', least: 5000 },
  { key: 'late', column: (h) => h.late, format: (v) => number(v), kind: 'bars', least: 5, total: true },
  { key: 'reconnects', column: (h) => h.reconnects, format: (v) => number(v), kind: 'bars', least: 1, total: true },
];

function Plots({ history: h }: { history: History }): JSX.Element {
  return (
    <div class="sparks">
      {measures.map((m) => (
        <Sparkline key={m.key} label={t(`health.measure.${m.key}`)} column={m.column(h)} kind={m.kind} connected={h.connected}
          marks={m.key === 'buffer' ? h.reconnects : undefined} format={m.format} least={m.least} total={m.total} />
      ))}
      <div class="spark-axis dim small" aria-hidden="true"><span>{t(`health.ago.${range.value}`)}</span><span>{t('health.now')}</span></div>
    </div>
  );
}

function Table({ name: who, history: h }: { name: string; history: History }): JSX.Element {
  return (
    <div class="scroll" role="region" tabIndex={0} aria-label={t('health.table_of', { name: who })}>
      <table class="table num">
        <caption class="sr">{t('health.table_of', { name: who })}</caption>
        <thead>
          <tr><td /><th scope="col">{t('health.col.min')}</th><th scope="col">{t('health.col.median')}</th><th scope="col">{t('health.col.max')}</th><th scope="col">{t('health.col.total')}</th></tr>
        </thead>
        <tbody>
          {measures.map((m) => {
            const s = summary(m.column(h));
            return (
              <tr key={m.key}>
                <th scope="row">{t(`health.measure.${m.key}`)}</th>
                <td>{s ? m.format(s.min) : '–'}</td>
                <td>{s ? m.format(s.median) : '–'}</td>
                <td>{s ? m.format(s.max) : '–'}</td>
                <td>{s && m.total ? m.format(s.sum) : ''}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
