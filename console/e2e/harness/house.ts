// A small house for tests that look at every page: zones that play, devices in every state
// of trust, a place with a spare, a schedule.
import type { Server } from './server';

export interface House {
  lobby: string;
  bar: string;
  lobbyLeft: string;
  lobbyRight: string;
  barSpeaker: string;
  waiting: string;
  impostor: string;
}

export async function furnish(s: Server): Promise<House> {
  const [left, right, bar] = await Promise.all([s.approved('Lobby left'), s.approved('Lobby right'), s.approved('Bar')]);
  const lobby = await s.zone('Lobby', left.id, right.id);
  const barZone = await s.zone('Bar', bar.id);
  await s.api('POST', `/groups/${lobby}/play`, { uri: 'quiet/corridor.flac' });
  await s.api('POST', `/groups/${lobby}/queue`, { uris: ['quiet/stairs.flac', 'loud/kitchen.flac'] });
  await s.eventually(`/groups/${lobby}`, (g) => g.now_playing?.title === 'Quiet Corridor' && g.now_playing.artwork, 'the lobby plays');

  const waiting = await s.player('Terrace').id();
  // The same name with another key: an impostor until somebody says otherwise.
  const impostor = await s.player('Lobby left').id();
  await s.eventually('/inbox', (i) => i.waiting.length >= 2, 'two devices wait');
  await s.eventually(`/clients/${impostor}`, (c) => c.warning, 'the impostor is held');

  await s.api('POST', '/personas', { name: 'Bar counter', client_id: bar.id });
  await s.api('POST', '/schedules', {
    group_id: lobby, name: 'Lobby', enabled: true, time_zone: 'Europe/Berlin',
    dayparts: [
      { name: 'Breakfast', days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], holidays: 'as_usual', start: '06:30', end: '11:00', uri: 'quiet/stairs.flac', volume: 30 },
      { name: 'Evening', days: ['fri', 'sat'], holidays: 'as_usual', start: '18:00', end: '01:00', uri: 'evening.m3u', shuffle: true, volume: 55 },
    ],
    quiet_hours: [{ days: ['sun', 'mon', 'tue', 'wed', 'thu'], holidays: 'as_usual', start: '22:00', end: '07:00', max_volume: 25 }],
  });
  return { lobby, bar: barZone, lobbyLeft: left.id, lobbyRight: right.id, barSpeaker: bar.id, waiting, impostor };
}

/** Every page, as its address and the name of its picture. */
export function pages(h: House): { name: string; at: string[] }[] {
  return [
    { name: 'now', at: ['now'] },
    { name: 'devices', at: ['devices'] },
    { name: 'inbox', at: ['devices', 'inbox'] },
    { name: 'device', at: ['devices', 'd', h.lobbyLeft] },
    { name: 'pairing', at: ['devices', 'pair', h.waiting] },
    { name: 'enrol', at: ['devices', 'enrol'] },
    { name: 'personas', at: ['devices', 'personas'] },
    { name: 'speaker', at: ['speaker'] },
    { name: 'health', at: ['health'] },
    { name: 'schedules', at: ['schedules', h.lobby] },
    { name: 'admin-people', at: ['admin', 'people'] },
    { name: 'admin-tokens', at: ['admin', 'tokens'] },
    { name: 'admin-policy', at: ['admin', 'policy'] },
    { name: 'admin-audit', at: ['admin', 'audit'] },
    { name: 'admin-backup', at: ['admin', 'backup'] },
    { name: 'admin-server', at: ['admin', 'server'] },
  ];
}
