// "Speakers…": who belongs to a zone, as a list to tick. Each tick counts at once.
import type { JSX } from 'preact';
import type { Client, Group } from '../../api/types';
import { t } from '../../i18n';
import { clientList, clientName, name } from '../../state/store';
import { Button, Check, Dialog, Empty } from '../../ui/controls';
import { groupOf, move } from './actions';
import { close } from './open';

/** Devices that can be in a zone: known, trusted, and with something to play or show. */
export const groupable = (c: Client): boolean => c.trust === 'paired' || c.trust === 'approved';

export function SpeakersDialog({ group: g }: { group: Group }): JSX.Element {
  const known = clientList.value.filter((c) => groupable(c) || g.members.includes(c.client_id));
  return (
    <Dialog title={t('now.speakers.title', { zone: g.name })} onClose={close} foot={<Button kind="primary" onClick={close}>{t('now.done')}</Button>}>
      {known.length === 0 && <Empty icon="speaker" title={t('now.empty.title')} />}
      <ul class="plain">
        {known.map((c) => {
          const inside = g.members.includes(c.client_id);
          const other = groupOf(c.client_id);
          const note = !c.connected ? t('now.member.absent') : !inside && other && !other.solo ? t('now.speakers.from', { zone: other.name }) : '';
          return (
            <li key={c.client_id}>
              <Check checked={inside} onChange={(on) => void move(c.client_id, on ? g.group_id : '')}
                label={<>{name(c) || clientName(c.client_id)}{note && <span class="small dim"> · {note}</span>}</>} />
            </li>
          );
        })}
      </ul>
    </Dialog>
  );
}
