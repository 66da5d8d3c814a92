// Where the speaker belongs: approving it, and the zone that it plays in.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { post, put, seg } from '../../api/http';
import type { Client, Group } from '../../api/types';
import { t } from '../../i18n';
import { href } from '../../router';
import type { SpeakerState } from '../../sendspin/speaker';
import { clients, groupList, groups, inbox, may, putGroup } from '../../state/store';
import { Button, Select } from '../../ui/controls';
import { attempt } from '../../ui/toast';

/** Zones that the present user may put a speaker into. */
const zones = (): Group[] => groupList.value.filter((g) => !g.solo && may('operator', g.group_id));

const join = async (zone: string, clientId: string): Promise<void> =>
  putGroup(await put<Group>(`/api/v1/groups/${seg(zone)}/members/${seg(clientId)}`));

function Zones({ value, onChange, none }: { value: string; onChange: (v: string) => void; none?: string }): JSX.Element {
  const options = zones().map((g) => ({ value: g.group_id, label: g.name }));
  return <Select label={t('speaker.zone')} value={value} onChange={onChange} options={none ? [{ value: '', label: none }, ...options] : options} />;
}

/** The server does not let it play yet. */
export function Waiting({ s }: { s: SpeakerState }): JSX.Element {
  const [zone, setZone] = useState<string | null>(null);
  const me = clients.value.get(s.clientId);
  const entry = inbox.value.find((e) => e.client_id === s.clientId);
  const fingerprint = me?.fingerprint ?? entry?.fingerprint;
  const chosen = zone ?? zones()[0]?.group_id ?? '';
  const approve = () => attempt(async () => {
    await post<Client>(`/api/v1/clients/${seg(s.clientId)}/approve`, {});
    if (chosen) await join(chosen, s.clientId);
  }, t('speaker.approve'));
  return (
    <div class="stack">
      {fingerprint && <p class="small">{t('speaker.fingerprint')} <code class="mono">{fingerprint}</code></p>}
      {may('admin')
        ? <>
            {zones().length > 0 && <Zones value={chosen} onChange={setZone} none={t('speaker.zone.none')} />}
            <div class="row wrap">
              <Button kind="primary" icon="check" onClick={approve}>{t(chosen ? 'speaker.approve_join' : 'speaker.approve')}</Button>
              <a class="btn" href={href('devices', 'inbox')}>{t('speaker.inbox')}</a>
            </div>
          </>
        : <p>{t('speaker.ask_admin')}</p>}
    </div>
  );
}

/** It may play: the zone, and what plays there. */
export function Place({ s }: { s: SpeakerState }): JSX.Element | null {
  const here = s.group ? groups.value.get(s.group.id) : undefined;
  const [wish, setWish] = useState<string | null>(null);
  const choices = zones();
  const now = here?.now_playing;
  const present = here && !here.solo ? here.group_id : '';
  const chosen = wish ?? present ?? '';
  const go = () => attempt(async () => {
    await join(chosen, s.clientId);
    setWish(null);
  }, t('speaker.join'));
  return (
    <div class="stack">
      {s.streaming && now?.title && <p><b>{now.title}</b>{now.artist ? ` · ${now.artist}` : ''}</p>}
      {choices.length > 0
        ? <>
            <Zones value={chosen} onChange={setWish} none={present ? undefined : t('speaker.zone.none')} />
            {chosen && chosen !== present && <Button kind="primary" icon="plus" onClick={go}>{t('speaker.join')}</Button>}
          </>
        : <p class="dim">{t('speaker.no_zones')} <a href={href('now')}>{t('common.page.now')}</a></p>}
      {!s.streaming && present && <p><a href={href('now', present)}>{t('speaker.choose_music')}</a></p>}
    </div>
  );
}
