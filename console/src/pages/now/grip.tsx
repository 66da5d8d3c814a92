// The handle by which a speaker is dragged. Who does not drag uses "Move to…" beside it.
import type { JSX } from 'preact';
import { may } from '../../state/store';
import { beginDrag } from './drag';

export function Grip({ id, groupId }: { id: string; groupId: string }): JSX.Element | null {
  if (!may('operator', groupId)) return null;
  return (
    <span class="now-grip" aria-hidden="true" data-testid="grip" data-client={id} onPointerDown={(e) => beginDrag(e, id)}>
      <svg width="20" height="20" viewBox="0 0 24 24" fill="currentColor"><path d="M8 5h3v3H8zM13 5h3v3h-3zM8 10.5h3v3H8zM13 10.5h3v3h-3zM8 16h3v3H8zM13 16h3v3h-3z" /></svg>
    </span>
  );
}
