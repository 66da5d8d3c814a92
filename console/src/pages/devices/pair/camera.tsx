// The camera, looking for a QR code until one is found or it is closed.
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { t } from '../../../i18n';
import { Notice, Spinner } from '../../../ui/controls';
import { readFrame } from './qr';

/** Pause between two looks (ms): enough for an old phone to show the picture smoothly. */
const pause = 120;

export function Camera({ onText }: { onText: (text: string) => void }): JSX.Element {
  const video = useRef<HTMLVideoElement>(null);
  const [trouble, setTrouble] = useState<'denied' | 'busy' | 'none' | ''>('');
  const [seeing, setSeeing] = useState(false);
  const told = useRef(onText);
  told.current = onText;
  useEffect(() => {
    let stop = false;
    let stream: MediaStream | undefined;
    const canvas = document.createElement('canvas');
    const run = async () => {
      try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 1280 } }, audio: false });
      } catch (err) {
        const name = (err as DOMException).name;
        setTrouble(name === 'NotAllowedError' ? 'denied' : name === 'NotFoundError' || name === 'OverconstrainedError' ? 'none' : 'busy');
        return;
      }
      const v = video.current;
      if (stop || !v) return stream.getTracks().forEach((x) => x.stop());
      v.srcObject = stream;
      await v.play().catch(() => {});
      setSeeing(true);
      let last = '';
      while (!stop) {
        const text = await readFrame(v, canvas).catch(() => null);
        if (stop) return;
        if (text && text !== last) {
          last = text;
          told.current(text);
        }
        await new Promise((r) => setTimeout(r, pause));
      }
    };
    void run();
    return () => {
      stop = true;
      stream?.getTracks().forEach((x) => x.stop());
    };
  }, []);
  if (trouble) return <Notice tone="warn" alert>{t(`devices.scan.camera_${trouble}`)}</Notice>;
  return (
    <div class="dv-camera">
      <video ref={video} playsInline muted aria-label={t('devices.scan.camera_view')} />
      <span class="dv-camera-frame" aria-hidden="true" />
      {!seeing && <Spinner label={t('devices.scan.camera_starts')} />}
    </div>
  );
}
