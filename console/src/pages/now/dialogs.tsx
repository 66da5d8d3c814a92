// The dialogs of the page. Announcing is loaded when it is first asked for.
import type { ComponentType, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { clients, groups } from '../../state/store';
import { Dialog, Notice, Spinner } from '../../ui/controls';
import { MoveDialog } from './move';
import { close, opened } from './open';
import { SpeakersDialog } from './speakers';
import { CreateDialog, DeleteDialog, RenameDialog } from './zone';

export function Dialogs(): JSX.Element | null {
  const o = opened.value;
  if (!o) return null;
  const group = 'groupId' in o ? groups.value.get(o.groupId) : undefined;
  switch (o.kind) {
    case 'move': return clients.value.has(o.clientId) ? <MoveDialog clientId={o.clientId} /> : null;
    case 'create': return <CreateDialog />;
    case 'speakers': return group ? <SpeakersDialog group={group} /> : null;
    case 'rename': return group ? <RenameDialog group={group} /> : null;
    case 'delete': return group ? <DeleteDialog group={group} /> : null;
    case 'announce': return <Later title={t('now.announce')} onClose={close} load={async () => (await import('./announce/announce')).Announce} />;
  }
}

/** A dialog whose content comes when it is opened. */
function Later({ title, onClose, load }: { title: string; onClose: () => void; load: () => Promise<ComponentType> }): JSX.Element {
  const [Loaded, set] = useState<ComponentType | null>(null);
  const [failed, fail] = useState(false);
  useEffect(() => { load().then((c) => set(() => c), () => fail(true)); }, []);
  if (Loaded) return <Loaded />;
  return <Dialog title={title} onClose={onClose}>{failed ? <Notice tone="bad" alert>{t('common.page_failed')}</Notice> : <Spinner />}</Dialog>;
}
