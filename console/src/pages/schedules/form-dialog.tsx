// A dialog with a form: what was changed in it is not lost by a slip.
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { guard } from '../../router';
import { Button, Dialog, Notice } from '../../ui/controls';

export interface FormDialogProps {
  title: string;
  children: ComponentChildren;
  /** Something was changed and not saved. */
  dirty: boolean;
  submitLabel?: string;
  /** Said at the end of the form, read out at once. */
  error?: string;
  /** Further buttons, at the left. */
  extra?: ComponentChildren;
  onClose: () => void;
  /** Saves; the dialog is closed by its owner when that went well. */
  onSubmit: () => Promise<unknown>;
  wide?: boolean;
  disabled?: boolean;
}

export function FormDialog(p: FormDialogProps): JSX.Element {
  const [asked, ask] = useState(false);
  const leave = () => (p.dirty && !asked ? ask(true) : p.onClose());
  useEffect(() => { if (!p.dirty) ask(false); }, [p.dirty]);
  useEffect(() => {
    if (!p.dirty) return;
    const unload = (e: BeforeUnloadEvent) => e.preventDefault();
    addEventListener('beforeunload', unload);
    guard(() => {
      ask(true);
      return false;
    });
    return () => {
      removeEventListener('beforeunload', unload);
      guard(null);
    };
  }, [p.dirty]);
  return (
    <Dialog title={p.title} onClose={leave} wide={p.wide} foot={<>
      {p.extra}
      <span class="grow" />
      <Button onClick={p.onClose}>{t(asked ? 'schedules.discard' : 'common.cancel')}</Button>
      <Button kind="primary" disabled={p.disabled} onClick={p.onSubmit}>{p.submitLabel ?? t('common.save')}</Button>
    </>}>
      <form class="stack wide-gap" noValidate onSubmit={(e) => { e.preventDefault(); void p.onSubmit(); }}>
        {p.children}
        <button type="submit" class="sr" tabIndex={-1} aria-hidden="true" disabled={p.disabled}>{p.submitLabel ?? t('common.save')}</button>
      </form>
      {asked && <Notice tone="warn" alert>{t('schedules.unsaved')}</Notice>}
      {p.error && <Notice tone="bad" alert>{p.error}</Notice>}
    </Dialog>
  );
}
