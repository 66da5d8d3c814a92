// Sending an announcement: the clip first, then the word to the zones.
import { ApiError, post } from '../../../api/http';
import { t } from '../../../i18n';
import { groupPath } from '../actions';

/** What is said. */
export type What = { text: string; language: string } | { uri: string } | { clip: Blob };

export interface How {
  groups: string[];
  /** The speakers' volume meanwhile; undefined: as it is. */
  volume?: number;
  /** How much quieter the music is meanwhile (dB). */
  duck_db: number;
}

/** An upload over a slow network may take so long (ms). */
const patience = 60_000;

const types: Record<string, string> = { mp3: 'audio/mpeg', wav: 'audio/wav', flac: 'audio/flac', ogg: 'audio/ogg', opus: 'audio/ogg', m4a: 'audio/mp4', aac: 'audio/aac', webm: 'audio/webm' };

/** The clip with a type of audio: browsers do not know each file's. */
export function typed(clip: Blob): Blob {
  if (clip.type.startsWith('audio/')) return clip;
  const ending = clip instanceof File ? (clip.name.split('.').pop() ?? '').toLowerCase() : '';
  return new Blob([clip], { type: types[ending] ?? 'audio/mpeg' });
}

async function upload(clip: Blob): Promise<string> {
  try {
    return (await post<{ uri: string }>('/api/v1/clips', undefined, { raw: typed(clip), timeout: patience })).uri;
  } catch (err) {
    if (err instanceof ApiError && (err.status === 404 || err.status === 405)) throw new Error(t('now.clip.unsupported'));
    if (err instanceof ApiError && err.status === 413) throw new Error(t('now.clip.large', { n: 16 }));
    throw err;
  }
}

/** Announces; the id under which every zone knows it. */
export async function announce(what: What, how: How): Promise<string> {
  const [first, ...groups] = how.groups;
  const said = 'clip' in what ? { uri: await upload(what.clip) } : what;
  const body = { ...said, duck_db: how.duck_db, ...(how.volume === undefined ? {} : { volume: how.volume }), ...(groups.length > 0 ? { groups } : {}) };
  return (await post<{ announcement_id: string }>(groupPath(first!, 'announce'), body)).announcement_id;
}
