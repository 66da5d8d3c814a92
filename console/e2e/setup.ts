// Before all tests: the tutti binary of this source, and a small music folder.
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { binary, music, root, work } from './harness/paths';

function run(command: string, args: string[], cwd = root): void {
  const r = spawnSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, CGO_ENABLED: '0' } });
  if (r.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${r.error ?? r.stderr}`);
}

/** One title with tags and a cover, in a folder of the library. */
function song(file: string, o: { title: string; artist: string; album: string; hz: number; seconds: number; colour: string }): void {
  const out = path.join(music, file);
  fs.mkdirSync(path.dirname(out), { recursive: true });
  run('ffmpeg', ['-v', 'error', '-y',
    '-f', 'lavfi', '-i', `sine=frequency=${o.hz}:sample_rate=48000:duration=${o.seconds}`,
    '-f', 'lavfi', '-i', `color=c=${o.colour}:s=320x320:d=1`,
    '-map', '0:a', '-map', '1:v', '-frames:v', '1', '-c:v', 'png', '-disposition:v', 'attached_pic', '-ac', '2', '-c:a', 'flac',
    '-metadata', `title=${o.title}`, '-metadata', `artist=${o.artist}`, '-metadata', `album=${o.album}`, out]);
}

export default function setup(): void {
  fs.mkdirSync(work, { recursive: true });
  if (!process.env.TUTTI_BIN) run('go', ['build', '-buildvcs=false', '-o', binary, './cmd/tutti']);
  if (fs.existsSync(path.join(music, 'done'))) return;
  fs.rmSync(music, { recursive: true, force: true });
  song('quiet/corridor.flac', { title: 'Quiet Corridor', artist: 'The Doors Nearby', album: 'House Music', hz: 220, seconds: 240, colour: 'teal' });
  song('quiet/stairs.flac', { title: 'Slow Stairs', artist: 'The Doors Nearby', album: 'House Music', hz: 330, seconds: 200, colour: 'darkred' });
  song('loud/kitchen.flac', { title: 'Loud Kitchen', artist: 'Pots and Pans', album: 'Noise', hz: 440, seconds: 180, colour: 'orange' });
  song('gong.flac', { title: 'Gong', artist: 'Bell', album: '', hz: 880, seconds: 2, colour: 'gray' });
  fs.writeFileSync(path.join(music, 'evening.m3u'), 'quiet/corridor.flac\nquiet/stairs.flac\n');
  fs.writeFileSync(path.join(music, 'done'), '');
}
