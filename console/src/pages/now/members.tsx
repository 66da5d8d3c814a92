// The speakers of a zone: how each does, in words, and its own volume.
import type { JSX } from 'preact';
import type { Group, MemberStatus } from '../../api/types';
import { has, t } from '../../i18n';
import { clientName, clients, may } from '../../state/store';
import { Badge, Button, type Tone } from '../../ui/controls';
import type { IconName } from '../../ui/icons';
import { Grip } from './grip';
import { open } from './open';
import { SpeakerVolume } from './volume';

const looks: Record<MemberStatus['state'], { tone: Tone; icon: IconName }> = {
  ok: { tone: 'good', icon: 'check' },
  late: { tone: 'warn', icon: 'warning' },
  absent: { tone: 'bad', icon: 'close' },
  unavailable: { tone: 'warn', icon: 'block' },
  not_streaming: { tone: 'warn', icon: 'warning' },
};

/** How a member does; undefined while nothing is known. */
export const statusOf = (g: Group, id: string): MemberStatus | undefined => g.member_status.find((m) => m.client_id === id);

export function MemberState({ status }: { status?: MemberStatus }): JSX.Element | null {
  if (!status) return null;
  const look = looks[status.state] ?? looks.not_streaming;
  const key = `now.member.${status.state}`;
  return <Badge tone={look.tone} icon={look.icon}>{has(key) ? t(key) : status.state}</Badge>;
}

export function Members({ group: g }: { group: Group }): JSX.Element {
  const all = clients.value;
  return (
    <ul class="plain now-members">
      {g.members.map((id) => {
        const status = statusOf(g, id);
        const name = clientName(id);
        const plays = all.get(id)?.supported_roles.some((r) => r.startsWith('player@')) ?? true;
        return (
          <li key={id} class="now-member">
            <div class="row">
              <Grip id={id} groupId={g.group_id} />
              <div class="grow now-member-name"><strong class="ellipsis">{name}</strong><MemberState status={status} /></div>
              {may('operator', g.group_id) && <Button kind="quiet" icon="swap" label={t('now.move', { name })} onClick={() => open({ kind: 'move', clientId: id })} />}
            </div>
            {plays && <SpeakerVolume id={id} groupId={g.group_id} />}
            {status?.detail && status.state !== 'ok' && <p class="small dim" lang="en">{status.detail}</p>}
          </li>
        );
      })}
    </ul>
  );
}
