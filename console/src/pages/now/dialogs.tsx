// The dialogs of the page.
import type { JSX } from 'preact';
import { clients, groups } from '../../state/store';
import { MoveDialog } from './move';
import { opened } from './open';
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
  }
}
