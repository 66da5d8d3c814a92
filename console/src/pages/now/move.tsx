// "Move to…": a speaker to another zone, to itself, or to a new zone. The way without dragging.
import type { JSX } from 'preact';
import { t } from '../../i18n';
import { clientName, groupList, may } from '../../state/store';
import { Button, Dialog } from '../../ui/controls';
import { Icon } from '../../ui/icons';
import { createZone, groupOf, move } from './actions';
import { close } from './open';

export function MoveDialog({ clientId }: { clientId: string }): JSX.Element {
  const name = clientName(clientId);
  const from = groupOf(clientId);
  const zones = groupList.value.filter((g) => !g.solo && may('operator', g.group_id));
  const to = (id: string) => { close(); void move(clientId, id); };
  const alone = !from || from.solo;
  return (
    <Dialog title={t('now.move.title', { name })} onClose={close}
      foot={may('operator') && <Button icon="plus" onClick={() => { close(); void createZone(t('now.zone.with', { name }), [clientId]); }}>{t('now.move.new')}</Button>}>
      <ul class="plain stack tight">
        {zones.map((g) => {
          const here = g.group_id === from?.group_id;
          return (
            <li key={g.group_id}>
              <button type="button" class="btn now-choice" aria-current={here ? 'true' : undefined} onClick={() => to(g.group_id)}>
                <Icon name={here ? 'check' : 'right'} size={20} />
                <span class="grow">{g.name}</span>
                <span class="small dim">{here ? t('now.move.here') : t('now.speakers', { n: g.members.length })}</span>
              </button>
            </li>
          );
        })}
        <li>
          <button type="button" class="btn now-choice" aria-current={alone ? 'true' : undefined} onClick={() => to('')}>
            <Icon name={alone ? 'check' : 'out'} size={20} />
            <span class="grow">{t('now.move.alone')}</span>
            {alone && <span class="small dim">{t('now.move.here')}</span>}
          </button>
        </li>
      </ul>
    </Dialog>
  );
}
