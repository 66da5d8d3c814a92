// Admin: what an administrator looks after, a tab each.
import './admin.css';
import type { JSX } from 'preact';
import { t } from '../../i18n';
import { href, route } from '../../router';
import { AuditTab } from './audit';
import { BackupTab } from './backup';
import { PeopleTab } from './people';
import { PolicyTab } from './policy';
import { ServerTab } from './server';
import { TokensTab } from './tokens';

const tabs: Record<string, () => JSX.Element> = {
  people: PeopleTab,
  tokens: TokensTab,
  policy: PolicyTab,
  audit: AuditTab,
  backup: BackupTab,
  server: ServerTab,
};

export function Admin(): JSX.Element {
  const wanted = route.value[1] ?? '';
  const current = wanted in tabs ? wanted : Object.keys(tabs)[0]!;
  const Tab = tabs[current]!;
  return (
    <div class="admin">
      <div class="page-head"><h1>{t('common.page.admin')}</h1></div>
      <nav class="tabs" aria-label={t('admin.tabs')}>
        {Object.keys(tabs).map((name) => (
          <a key={name} href={href('admin', name)} aria-current={name === current ? 'page' : undefined}>{t(`admin.tab.${name}`)}</a>
        ))}
      </nav>
      <Tab key={current} />
    </div>
  );
}
