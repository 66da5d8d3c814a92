// The audit ledger: search, check of the chain, export.
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { number, t } from '../../i18n';
import { clientName } from '../../state/store';
import { Button, Empty, Notice, Spinner } from '../../ui/controls';
import { explain } from '../../ui/toast';
import { AuditCheckPanel } from './audit-check';
import { save, toCsv, toJsonLines } from './audit-export';
import { isFiltered, matcher, mayBeOlder, noFilter, type AuditFilter } from './audit-filter';
import { AuditFilters } from './audit-filters';
import { AuditLines } from './audit-lines';
import { useLedger } from './use-ledger';

/** Lines on the screen at once. */
const perPage = 50;

export function AuditTab(): JSX.Element {
  const ledger = useLedger();
  const [filter, setFilter] = useState<AuditFilter>(noFilter);
  const [page, setPage] = useState(0);
  const [stopped, stop] = useState(false);
  const set = (f: AuditFilter) => { setFilter(f); setPage(0); stop(false); };

  const found = useMemo(() => ledger.events.filter(matcher(filter, clientName)), [ledger.events, filter]);
  const oldest = ledger.events[ledger.events.length - 1];
  const unread = !ledger.whole && oldest !== undefined;
  const wanted = unread && (isFiltered(filter) ? mayBeOlder(filter, oldest) : found.length <= (page + 1) * perPage);
  // A search goes on through the older lines by itself.
  useEffect(() => {
    if (wanted && !stopped && ledger.state === 'ready' && !ledger.error) void ledger.more();
  }, [wanted, stopped, ledger.state, ledger.error]);

  const pages = Math.max(1, Math.ceil(found.length / perPage));
  const shown = found.slice(page * perPage, (page + 1) * perPage);
  return (
    <div class="stack wide-gap">
      <p class="dim reading">{t('admin.audit.about')}</p>
      <AuditCheckPanel />
      <AuditFilters filter={filter} events={ledger.events} onChange={set} />
      {ledger.error !== null && <Notice tone="bad" alert><p>{explain(ledger.error)}</p><Button onClick={ledger.retry}>{t('common.retry')}</Button></Notice>}
      <div class="row wrap" role="status">
        <span class="grow dim num">{ledger.state === 'loading' ? t('common.loading')
          : isFiltered(filter) ? t('admin.audit.found', { n: found.length, of: number(ledger.events.length) })
          : t(ledger.whole ? 'admin.audit.all' : 'admin.audit.loaded', { n: ledger.events.length })}</span>
        {ledger.state === 'more' && <><Spinner label={t('admin.audit.older')} />{isFiltered(filter) && <Button onClick={() => stop(true)}>{t('admin.audit.stop')}</Button>}</>}
        {stopped && wanted && <Button onClick={() => stop(false)}>{t('admin.audit.go_on')}</Button>}
        <Button icon="download" disabled={found.length === 0} onClick={() => save('tutti-audit.csv', new Blob([toCsv(found)], { type: 'text/csv;charset=utf-8' }))}>CSV</Button>
        <Button icon="download" disabled={found.length === 0} onClick={() => save('tutti-audit.jsonl', new Blob([toJsonLines(found)], { type: 'application/jsonl' }))}>{t('admin.audit.json')}</Button>
      </div>
      {ledger.state !== 'loading' && found.length === 0 && !ledger.error && ledger.state !== 'more' &&
        <Empty icon="search" title={t('admin.audit.none')}>{isFiltered(filter) && <Button onClick={() => set(noFilter)}>{t('admin.audit.clear')}</Button>}</Empty>}
      {shown.length > 0 && <AuditLines events={shown} onDevice={(clientId) => set({ ...noFilter, clientId })} />}
      {(pages > 1 || unread) && found.length > 0 && (
        <nav class="row pager" aria-label={t('admin.audit.pages')}>
          <Button icon="left" disabled={page === 0} onClick={() => setPage(page - 1)}>{t('admin.audit.newer')}</Button>
          <span class="num dim">{t('admin.audit.page', { n: page + 1, of: number(pages) + (unread ? '+' : '') })}</span>
          <Button icon="right" disabled={page >= pages - 1} onClick={() => setPage(page + 1)}>{t('admin.audit.older_page')}</Button>
        </nav>
      )}
    </div>
  );
}
