// Which dialog of the page is open.
import { signal } from '@preact/signals';

export type Open =
  | { kind: 'move'; clientId: string }
  | { kind: 'speakers'; groupId: string }
  | { kind: 'create' }
  | { kind: 'rename'; groupId: string }
  | { kind: 'delete'; groupId: string }
  | { kind: 'announce'; groupIds: string[] };

export const opened = signal<Open | null>(null);
export const open = (o: Open): void => { opened.value = o; };
export const close = (): void => { opened.value = null; };
