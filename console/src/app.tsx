import type { ComponentType, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { has, t } from './i18n';
import { SignIn } from './pages/signin/signin';
import { Now } from './pages/now/now';
import { href, route } from './router';
import { ask, startError } from './state/session';
import { inbox, link, may, server, session } from './state/store';
import { Button, Notice, Spinner } from './ui/controls';
import { Icon, type IconName } from './ui/icons';
import { Account } from './ui/account';
import { explain, Toasts } from './ui/toast';

interface Page {
  name: string;
  icon: IconName;
  /** The least role that sees it. */
  role: 'viewer' | 'operator' | 'admin';
  load: () => Promise<ComponentType>;
}

/** Now is in the first view; the others come when they are opened. */
const pages: Page[] = [
  { name: 'now', icon: 'now', role: 'viewer', load: async () => Now },
  { name: 'devices', icon: 'devices', role: 'viewer', load: async () => (await import('./pages/devices/devices')).Devices },
  { name: 'speaker', icon: 'speaker', role: 'viewer', load: async () => (await import('./pages/speaker/speaker')).Speaker },
  { name: 'health', icon: 'health', role: 'viewer', load: async () => (await import('./pages/health/health')).Health },
  { name: 'schedules', icon: 'schedules', role: 'viewer', load: async () => (await import('./pages/schedules/schedules')).Schedules },
  { name: 'admin', icon: 'admin', role: 'admin', load: async () => (await import('./pages/admin/admin')).Admin },
];

/** Whether somebody of one zone alone has the role there. */
const somewhere = (role: Page['role']): boolean =>
  may(role) || (role !== 'admin' && (session.value?.user?.zones ?? []).some((z) => may(role, z.group_id)));

export function App(): JSX.Element {
  const s = session.value;
  if (startError.value) {
    return (
      <main class="stack" style={{ padding: '24px', maxWidth: '560px', margin: '0 auto' }}>
        <h1>Tutti</h1>
        <Notice tone="bad" alert>{explain(startError.value)}</Notice>
        <Button kind="primary" onClick={ask}>{t('common.retry')}</Button>
      </main>
    );
  }
  if (!s) return <main style={{ padding: '24px' }}><Spinner /></main>;
  return <>{s.signed_in ? <Shell /> : <SignIn />}<Toasts /></>;
}

function Shell(): JSX.Element {
  const seen = pages.filter((p) => somewhere(p.role));
  const current = seen.find((p) => p.name === route.value[0]) ?? seen[0]!;
  return (
    <div class="shell">
      <a class="skip" href="#content" onClick={(e) => { e.preventDefault(); document.getElementById('content')?.focus(); }}>{t('common.skip')}</a>
      <header class="topbar">
        <a class="brand" href={href('now')}><img src="/icon.svg" alt="" /><span class="ellipsis">{server.value?.name ?? 'Tutti'}</span></a>
        <span class="grow" />
        <Account />
      </header>
      <Nav pages={seen} current={current} />
      <div style={{ minWidth: 0 }}>
        {link.value === 'lost' && <div class="banner" role="alert">{t('common.lost')}</div>}
        <main id="content" tabIndex={-1}><Lazy key={current.name} page={current} /></main>
      </div>
    </div>
  );
}

function Nav({ pages, current }: { pages: Page[]; current: Page }): JSX.Element {
  const waiting = inbox.value.length;
  return (
    <nav class="nav" aria-label={t('common.pages')}>
      {pages.map((p) => (
        <a key={p.name} href={href(p.name)} aria-current={p === current ? 'page' : undefined}>
          <Icon name={p.icon} />
          <NavLabel name={p.name} />
          {p.name === 'devices' && waiting > 0 && <b class="count" aria-label={t('common.waiting', { n: waiting })}>{waiting}</b>}
        </a>
      ))}
    </nav>
  );
}

/** The page's name; on a phone, where six stand side by side, the short one if there is one. */
function NavLabel({ name }: { name: string }): JSX.Element {
  const long = t(`common.page.${name}`);
  const short = `common.nav.${name}`;
  if (!has(short)) return <span>{long}</span>;
  return <><span class="nav-long">{long}</span><span class="nav-short">{t(short)}</span></>;
}

/** A page whose code is loaded when it is first shown. */
function Lazy({ page }: { page: Page }): JSX.Element {
  const [Loaded, set] = useState<ComponentType | null>(page.name === 'now' ? () => Now : null);
  const [failed, fail] = useState<unknown>(null);
  const first = useRef(true);
  useEffect(() => {
    document.title = `${t(`common.page.${page.name}`)} · ${server.value?.name ?? 'Tutti'}`;
    if (!first.current) document.getElementById('content')?.focus();
    first.current = false;
    page.load().then((c) => set(() => c), fail);
  }, [page]);
  // A server that was upgraded does not have the files of the former page any more.
  if (failed) return <Notice tone="bad" alert><p>{t('common.page_failed')}</p><Button onClick={() => location.reload()}>{t('common.reload')}</Button></Notice>;
  if (!Loaded || (link.value === 'loading' && !server.value)) return <Spinner />;
  return <Loaded />;
}
