// The cover of a title, or a picture made of its colours where it has none.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { NowPlaying } from '../../api/types';
import { Icon } from '../../ui/icons';
import { seed } from './logic';

/** Asked for in twice the size that is shown, for dense screens (pixels). */
const asked = 320;

export function Cover({ playing }: { playing?: NowPlaying }): JSX.Element {
  const [failed, setFailed] = useState('');
  const art = playing?.artwork;
  if (art && failed !== art) {
    return <img class="now-cover" src={`${art}${art.includes('?') ? '&' : '?'}size=${asked}`} alt="" decoding="async" onError={() => setFailed(art)} />;
  }
  if (playing) return <Made playing={playing} />;
  return <div class="now-cover now-cover-none"><Icon name="music" size={40} /></div>;
}

/** Rings on two colours; the same title has the same picture. */
function Made({ playing }: { playing: NowPlaying }): JSX.Element {
  const c = playing.colors;
  const n = seed(`${playing.title ?? ''}|${playing.artist ?? ''}|${playing.album ?? ''}`);
  const at = (shift: number) => 15 + ((n >>> shift) % 70);
  const first = c?.primary ?? '#3f6f6a';
  const second = c?.accent ?? '#c98b4b';
  const ground = c?.background_dark ?? '#20343a';
  return (
    <svg class="now-cover" viewBox="0 0 100 100" preserveAspectRatio="xMidYMid slice" aria-hidden="true" focusable="false">
      <rect width="100" height="100" fill={ground} />
      <circle cx={at(0)} cy={at(8)} r={34 + (n % 22)} fill={first} />
      <circle cx={at(16)} cy={at(24)} r={16 + ((n >>> 5) % 18)} fill={second} />
      {[0, 1, 2, 3].map((i) => (
        <circle key={i} cx={at(4)} cy={at(20)} r={12 + i * 13} fill="none" stroke={c?.background_light ?? '#f2ead8'} stroke-width="1.4" opacity={0.5 - i * 0.1} />
      ))}
    </svg>
  );
}
