// How far the index of the music folder is.
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { get, post } from '../../api/http';
import { dateTime, number, t } from '../../i18n';
import { may } from '../../state/store';
import { Badge, Button, Notice, type Tone } from '../../ui/controls';
import { attempt } from '../../ui/toast';
import { useLoaded } from './load';
import { Await, Fact } from './parts';
import type { LibraryStatus } from './types';

/** While a scan runs it is asked for anew (ms). */
const every = 1500;
const tones: Record<LibraryStatus['state'], Tone> = { off: 'plain', scanning: 'info', ready: 'good', failed: 'bad' };

export function LibraryCard(): JSX.Element {
  const status = useLoaded(() => get<LibraryStatus>('/api/v1/library/status'));
  const scanning = status.data?.state === 'scanning';
  useEffect(() => {
    if (!scanning) return;
    const timer = setInterval(() => void status.reload(), every);
    return () => clearInterval(timer);
  }, [scanning]);
  const rescan = () => attempt(async () => {
    await post('/api/v1/library/rescan');
    await status.reload();
  });
  return (
    <section class="card stack">
      <h2>{t('admin.library')}</h2>
      <Await of={status}>
        {(s) => (
          <div class="stack">
            <div class="row wrap" role="status">
              <Badge tone={tones[s.state]} icon={s.state === 'ready' ? 'check' : s.state === 'failed' ? 'warning' : undefined}>{t(`admin.library.${s.state}`)}</Badge>
              {scanning && <span class="num dim">{t('admin.library.progress', { n: s.files_read, of: number(s.files_found) })}</span>}
            </div>
            {s.state === 'off' && <p class="dim">{t('admin.library.off.next')}</p>}
            {s.error && <Notice tone="bad">{s.error}</Notice>}
            {s.state !== 'off' && (
              <dl class="facts">
                <Fact name={t('admin.library.tracks')}>{number(s.tracks)}</Fact>
                <Fact name={t('admin.library.playlists')}>{number(s.playlists)}</Fact>
                {s.unreadable > 0 && <Fact name={t('admin.library.unreadable')}>{number(s.unreadable)}</Fact>}
                {s.scanned_at && <Fact name={t('admin.library.scanned')}>{dateTime(s.scanned_at)}</Fact>}
              </dl>
            )}
            {s.state !== 'off' && may('operator') && <div><Button icon="repeat" disabled={scanning} onClick={rescan}>{t('admin.library.rescan')}</Button></div>}
            <details>
              <summary>{t('admin.library.formats')}</summary>
              <dl class="facts inset">
                <Fact name={t('admin.library.decoders')}>{s.decoders.join(', ')}</Fact>
                <Fact name={t('admin.library.encoders')}>{s.encoders.join(', ')}</Fact>
              </dl>
            </details>
          </div>
        )}
      </Await>
    </section>
  );
}
