// Volume of a zone and of one speaker: a slider that ends where the limits end, mute, and
// the reason when nothing can be set.
import type { JSX } from 'preact';
import type { Group } from '../../api/types';
import { number, t } from '../../i18n';
import { clients, clientName, may } from '../../state/store';
import { Button } from '../../ui/controls';
import { setMute, setSpeakerMute, setSpeakerVolume, setVolume } from './actions';
import { speakerVolume, zoneVolume, type VolumeRange } from './logic';
import { Range } from './range';

function Bar(p: { label: string; range: VolumeRange; muted: boolean; mutable: boolean; forbidden: boolean; onSet: (v: number) => unknown; onMute: (m: boolean) => unknown; muteLabel: string }): JSX.Element {
  const r = p.range;
  const fixed = p.forbidden || !!r.reason || r.min >= r.max;
  return (
    <div class="now-volume">
      <Button kind="quiet" icon={p.muted ? 'muted' : 'volume'} pressed={p.muted} label={p.muteLabel} disabled={p.forbidden || !p.mutable} onClick={() => void p.onMute(!p.muted)} />
      <Range label={p.label} value={r.value} min={r.min} max={r.max} disabled={fixed} onSet={p.onSet} valueText={number(r.value)} />
      <span class="now-level num">{r.reason === 'silent' || r.reason === 'empty' ? '–' : number(r.value)}</span>
    </div>
  );
}

export function ZoneVolume({ group: g }: { group: Group }): JSX.Element {
  const all = clients.value;
  const range = zoneVolume(g, (id) => all.get(id));
  const mutable = g.members.some((id) => all.get(id)?.connected && all.get(id)?.player?.supported_commands.includes('mute'));
  return (
    <div>
      <Bar label={t('now.volume', { name: g.name })} range={range} muted={g.muted} mutable={mutable} forbidden={!may('operator', g.group_id)}
        muteLabel={t(g.muted ? 'now.unmute' : 'now.mute', { name: g.name })} onSet={(v) => setVolume(g, v)} onMute={(m) => setMute(g, m)} />
      {range.reason && range.reason !== 'empty' && <p class="small dim now-why">{t(`now.zone_cannot.${range.reason}`)}</p>}
    </div>
  );
}

export function SpeakerVolume({ id, groupId }: { id: string; groupId: string }): JSX.Element {
  const c = clients.value.get(id);
  const range = speakerVolume(c);
  const name = clientName(id);
  const muted = c?.player?.muted ?? false;
  const limited = range.min > 0 || range.max < 100;
  return (
    <div>
      <Bar label={t('now.volume', { name })} range={range} muted={muted} mutable={!range.reason && !!c?.player?.supported_commands.includes('mute')}
        forbidden={!may('operator', groupId)} muteLabel={t(muted ? 'now.unmute' : 'now.mute', { name })}
        onSet={(v) => setSpeakerVolume(id, v)} onMute={(m) => setSpeakerMute(id, m)} />
      {range.reason ? <p class="small dim now-why">{t(`now.cannot.${range.reason}`)}</p>
        : limited && <p class="small dim now-why">{t('now.limits', { min: range.min, max: range.max })}</p>}
    </div>
  );
}
