// Lines of the ledger: a table on a desk, cards on a phone.
import type { JSX } from 'preact';
import { dateTime, t } from '../../i18n';
import { clientName, clients } from '../../state/store';
import { kindName } from './audit-kind';
import type { AuditEvent } from './types';

export function AuditLines(p: { events: AuditEvent[]; onDevice: (clientId: string) => void }): JSX.Element {
  return (
    <table class="table audit" aria-label={t('admin.tab.audit')}>
      <thead>
        <tr>
          <th scope="col">{t('admin.audit.when')}</th>
          <th scope="col">{t('admin.audit.actor')}</th>
          <th scope="col">{t('admin.audit.what')}</th>
        </tr>
      </thead>
      <tbody>
        {p.events.map((e) => (
          <tr key={e.id} data-testid="audit-line">
            <td class="num"><time dateTime={e.at} title={e.at}>{dateTime(e.at)}</time> <span class="dim small">№ {String(e.id)}</span></td>
            <td>{e.actor}</td>
            <td>
              <span class="row wrap">
                <b title={e.kind}>{kindName(e.kind)}</b>
                {e.client_id && (
                  <button type="button" class="linklike" aria-label={t('admin.audit.only_device', { name: clientName(e.client_id) })} onClick={() => p.onDevice(e.client_id!)}>
                    {clients.value.has(e.client_id) ? clientName(e.client_id) : t('admin.audit.former', { id: e.client_id.slice(0, 8) })}
                  </button>
                )}
              </span>
              {e.detail && <span class="dim small">{e.detail}</span>}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
