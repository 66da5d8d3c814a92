// Asks before something that cannot be taken back, and says what will follow.
import type { ComponentChildren, JSX } from 'preact';
import { t } from '../../i18n';
import { Button, Dialog } from '../../ui/controls';

export function Confirm(p: { title: string; text: ComponentChildren; action: string; run: () => Promise<boolean>; onClose: () => void; harmless?: boolean }): JSX.Element {
  const run = async () => { if (await p.run()) p.onClose(); };
  return (
    <Dialog title={p.title} onClose={p.onClose}
      foot={<><Button onClick={p.onClose}>{t('common.cancel')}</Button><Button kind={p.harmless ? 'primary' : 'danger'} onClick={run}>{p.action}</Button></>}>
      {typeof p.text === 'string' ? <p>{p.text}</p> : p.text}
    </Dialog>
  );
}
