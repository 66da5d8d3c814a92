// A QR code or its text: by the camera, from a picture (file, drop, paste), or pasted.
import type { JSX } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { t } from '../../../i18n';
import { Button, Notice } from '../../../ui/controls';
import { Icon } from '../../../ui/icons';
import { Camera } from './camera';
import { cameraTrouble, readPicture } from './qr';

/** The largest picture that is looked at (bytes). */
const mostBytes = 40 << 20;

export interface ScanProps {
  /** Gets each text that was read. A string that it returns says why the text is not taken. */
  onText: (text: string) => string | void;
  /** Goes on looking after the first. */
  many?: boolean;
}

export function Scan({ onText, many }: ScanProps): JSX.Element {
  const [camera, setCamera] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const [over, setOver] = useState(false);
  const id = useId();
  const file = useRef<HTMLInputElement>(null);
  const photo = useRef<HTMLInputElement>(null);
  const trouble = cameraTrouble();

  const take = (text: string) => {
    const no = onText(text);
    setError(no ?? '');
    if (!no && !many) setCamera(false);
  };
  const look = async (f: Blob | null | undefined) => {
    if (!f) return;
    setError('');
    if (!f.type.startsWith('image/') || f.size > mostBytes) return setError(t('devices.scan.no_picture'));
    setBusy(true);
    try {
      const text = await readPicture(f);
      if (text) take(text);
      else setError(t('devices.scan.nothing'));
    } catch {
      setError(t('devices.scan.no_picture'));
    } finally {
      setBusy(false);
    }
  };
  const latest = useRef(look);
  latest.current = look;
  // A picture in the clipboard is taken wherever on the page it is pasted; text goes where it is pasted.
  useEffect(() => {
    const paste = (e: ClipboardEvent) => {
      const picture = [...(e.clipboardData?.files ?? [])].find((f) => f.type.startsWith('image/'));
      if (picture) {
        e.preventDefault();
        void latest.current(picture);
      }
    };
    document.addEventListener('paste', paste);
    return () => document.removeEventListener('paste', paste);
  }, []);
  const chosen = (e: Event) => {
    const el = e.currentTarget as HTMLInputElement;
    void look(el.files?.[0]);
    el.value = '';
  };
  return (
    <div class={`dv-scan ${over ? 'over' : ''}`} role="group" aria-labelledby={`${id}-l`}
      onDragOver={(e) => { e.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)}
      onDrop={(e) => { e.preventDefault(); setOver(false); void look(e.dataTransfer?.files?.[0]); }}>
      <p id={`${id}-l`} class="row"><Icon name="qr" /><strong>{t('devices.scan.title')}</strong></p>
      {camera && !trouble && <Camera onText={take} />}
      <div class="dv-acts">
        {!trouble && <Button icon="camera" pressed={camera} onClick={() => setCamera(!camera)}>{t(camera ? 'devices.scan.camera_close' : 'devices.scan.camera')}</Button>}
        {trouble && <Button icon="camera" onClick={() => photo.current?.click()}>{t('devices.scan.photo')}</Button>}
        <Button icon="image" onClick={() => file.current?.click()}>{t('devices.scan.picture')}</Button>
      </div>
      <input ref={photo} type="file" accept="image/*" capture="environment" hidden onChange={chosen} />
      <input ref={file} type="file" accept="image/*" hidden onChange={chosen} data-testid="qr-file" />
      <p class="small dim">{t('devices.scan.drop')}</p>
      {trouble && <p class="small dim">{t(`devices.scan.trouble_${trouble}`)}</p>}
      <div role="status">{busy && <span class="row"><span class="spinner" />{t('devices.scan.looking')}</span>}</div>
      {error && <Notice tone="bad" alert>{error}</Notice>}
    </div>
  );
}
