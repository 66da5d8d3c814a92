// What is known of a device.
import type { JSX } from 'preact';
import type { Client } from '../../../api/types';
import { dateTime, number, t } from '../../../i18n';
import { Fingerprint } from '../fingerprint';
import { Fact } from '../inbox';
import { coded, maker, roleWords } from '../words';
import { formatWords } from './sound';

const plainRoles = (roles: string[]): string => roles.filter((r) => !r.startsWith('_')).map(roleWords).join(', ');

export function Facts({ client: c }: { client: Client }): JSX.Element {
  const i = c.device_info;
  const p = c.player;
  return (
    <section class="card stack dv-factcard">
      <h3>{t('devices.card.facts')}</h3>
      <div class="stack tight"><span class="small dim">{t('devices.fingerprint')}</span><Fingerprint value={c.fingerprint} big /></div>
      <dl class="dv-facts">
        <Fact label={t('devices.name_said')} value={c.name} />
        <Fact label={t('devices.maker')} value={maker(i)} />
        <Fact label={t('devices.software')} value={i?.software_version} />
        <Fact label={t('devices.mac')} value={i?.mac_address} mono />
        <Fact label={t('devices.address')} value={c.address} mono />
        <Fact label={t('devices.line')} value={c.connected ? t(`devices.line.${c.connection === 'outbound' ? 'outbound' : 'inbound'}`) : t('devices.away')} />
        {c.connected_at && c.connected && <Fact label={t('devices.since')} value={dateTime(c.connected_at)} />}
        <Fact label={t('devices.dialect')} value={c.dialect ? coded('dialect', c.dialect) : undefined} />
        <Fact label={t('devices.suite')} value={c.suite} mono />
        <Fact label={t('devices.wants')} value={plainRoles(c.supported_roles)} />
        <Fact label={t('devices.roles_now')} value={plainRoles(c.active_roles) || t('devices.roles_none')} />
        {p && <Fact label={t('devices.formats')} value={p.supported_formats.map(formatWords).join(' · ')} wide />}
        {p?.stream_format && <Fact label={t('devices.sent_now')} value={formatWords(p.stream_format)} />}
        {c.sync && c.connected && <Fact label={t('devices.rtt')} value={`${number(c.sync.rtt_us / 1000, 2)} ms`} />}
        {!!c.reconnects && <Fact label={t('devices.reconnects')} value={number(c.reconnects)} />}
        <Fact label={t('devices.first_seen')} value={dateTime(c.first_seen_at)} />
        <Fact label={t('devices.last_seen')} value={dateTime(c.last_seen_at)} />
        <Fact label={t('devices.goodbye')} value={c.last_goodbye ? coded('goodbye', c.last_goodbye) : undefined} />
        <Fact label={t('devices.last_error')} value={c.last_error} />
        <Fact label={t('devices.gateway')} value={c.gateway} mono />
      </dl>
      <div class="stack tight"><span class="small dim">{t('devices.key')}</span><code class="dv-key">{c.client_id}</code></div>
    </section>
  );
}
