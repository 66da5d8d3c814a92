// A clip to announce: a file of this device, or one of the music folder.
import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { number, t } from '../../../i18n';
import { Button, Notice } from '../../../ui/controls';
import { Icon } from '../../../ui/icons';
import { Library } from '../panel/library';
import { entryName } from '../panel/entries';
import '../panel/panel.css';
import { Listen } from './mic';

/** What the API takes (bytes). */
export const largest = 16 << 20;

export type Chosen = { file: File } | { path: string; name: string };

export function Clip({ chosen, onChoose }: { chosen: Chosen | null; onChoose: (c: Chosen | null) => void }): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const [browsing, setBrowsing] = useState(false);
  const [error, setError] = useState('');
  const take = (file: File | undefined) => {
    if (!file) return;
    if (file.size > largest) return setError(t('now.clip.large', { n: number(largest / (1 << 20)) }));
    setError('');
    setBrowsing(false);
    onChoose({ file });
  };
  return (
    <div class="stack" onDragOver={(e) => e.preventDefault()} onDrop={(e) => { e.preventDefault(); take(e.dataTransfer?.files[0]); }}>
      <div class="row wrap">
        <input ref={input} class="sr" type="file" accept="audio/*" tabIndex={-1} aria-label={t('now.clip.file')} data-testid="clip-file" onChange={(e) => take((e.target as HTMLInputElement).files?.[0])} />
        <Button icon="upload" onClick={() => input.current?.click()}>{t('now.clip.file')}</Button>
        <Button icon="folder" expanded={browsing} onClick={() => setBrowsing(!browsing)}>{t('now.clip.library')}</Button>
      </div>
      {error && <Notice tone="bad" alert>{error}</Notice>}
      {chosen && !browsing && (
        <>
          <p class="row"><Icon name="check" size={20} /><strong class="ellipsis">{'file' in chosen ? chosen.file.name : chosen.name}</strong></p>
          {'file' in chosen && <Listen clip={chosen.file} />}
        </>
      )}
      {browsing && <div class="now-picker"><Library onPick={(e) => { setBrowsing(false); setError(''); onChoose({ path: e.path, name: entryName(e) }); }} /></div>}
    </div>
  );
}
