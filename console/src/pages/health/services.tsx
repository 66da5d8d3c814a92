// The services of the server: whether they run, of which version, and how busy they are.
import type { JSX } from 'preact';
import { number, relative, t } from '../../i18n';
import { Badge } from '../../ui/controls';
import { health } from './state';
import type { ServiceHealth } from './types';
import { megabytes, serviceName } from './words';

export function Services(): JSX.Element {
  const all = health.value!.services;
  const up = all.filter((s) => s.up);
  const shared = up.find((s) => s.shared);
  const processes = shared ? [shared, ...up.filter((s) => !s.shared)] : up;
  return (
    <section class="stack" aria-labelledby="services">
      <h2 id="services">{t('health.services')}</h2>
      <ul class="plain card service-list">
        {all.map((s) => <li key={`${s.service} ${s.instance_id}`} class="service" data-testid="service"><Service s={s} /></li>)}
      </ul>
      {processes.length > 0 && (
        <ul class="plain services">
          {processes.map((s) => <li key={s.instance_id + s.service} class="card"><Load s={s} /></li>)}
        </ul>
      )}
    </section>
  );
}

function Service({ s }: { s: ServiceHealth }): JSX.Element {
  return (
    <>
      <b>{serviceName(s.service)}</b>
      <State s={s} />
      <p class="small dim">
        {t('health.version', { v: s.version || '–' })} · {s.host}
        {' · '}{s.up ? t('health.started', { when: relative(s.started_at) }) : t('health.lost_since', { when: relative(s.lost_at ?? s.started_at) })}
        {s.sessions !== undefined && s.up && <> · {t('health.sessions', { n: s.sessions })}</>}
      </p>
    </>
  );
}

function State({ s }: { s: ServiceHealth }): JSX.Element {
  if (!s.up) return <Badge tone="bad" icon="close">{t('health.lost')}</Badge>;
  if (!s.ready && !s.draining) return <Badge tone="warn" icon="warning">{t('health.not_ready')}</Badge>;
  return <Badge tone="good" icon="check">{t('health.up')}</Badge>;
}

/** What a process uses, against what it may. */
function Load({ s }: { s: ServiceHealth }): JSX.Element {
  const part = s.cpus > 0 ? Math.min(s.cpu / s.cpus, 1) : 0;
  return (
    <div class="stack tight">
      <b>{s.shared ? t('health.process', { host: s.host }) : serviceName(s.service)}</b>
      <div class="row"><span class="grow">{t('health.cpu')}</span><span class="num">{t('health.cores', { v: number(s.cpu, 2), of: s.cpus })}</span></div>
      <div class="progress" role="img" aria-label={t('health.cpu_part', { n: Math.round(part * 100) })}><i style={{ width: `${Math.round(part * 100)}%` }} /></div>
      <div class="row"><span class="grow">{t('health.memory')}</span><span class="num">{s.memory_bytes > 0 ? megabytes(s.memory_bytes) : '–'}</span></div>
      <div class="row"><span class="grow">{t('health.tasks')}</span><span class="num">{number(s.goroutines)}</span></div>
    </div>
  );
}
