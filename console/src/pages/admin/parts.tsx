// Small pieces that the tabs of Admin share.
import type { ComponentChildren, JSX } from 'preact';
import { useId, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { Button, Dialog, Notice, Spinner } from '../../ui/controls';
import { explain, toast } from '../../ui/toast';
import type { Loaded } from './load';

/** What was loaded, or that it is being loaded, or why it could not be. */
export function Await<T>(p: { of: Loaded<T>; children: (data: T) => JSX.Element }): JSX.Element {
  const { data, error, reload } = p.of;
  if (data !== undefined) return p.children(data);
  if (error === null) return <Spinner />;
  return <Notice tone="bad" alert><p>{explain(error)}</p><Button onClick={reload}>{t('common.retry')}</Button></Notice>;
}

/** Asks before something that cannot be taken back. Stays open, with the reason, when it fails. */
export function Confirm(p: { title: string; children: ComponentChildren; action: string; danger?: boolean; disabled?: boolean; onClose: () => void; run: () => Promise<unknown> }): JSX.Element {
  const [error, setError] = useState('');
  const go = async () => {
    setError('');
    try {
      await p.run();
      p.onClose();
    } catch (err) {
      setError(explain(err));
    }
  };
  return (
    <Dialog title={p.title} onClose={p.onClose} foot={<>
      <Button onClick={p.onClose}>{t('common.cancel')}</Button>
      <Button kind={p.danger === false ? 'primary' : 'danger'} disabled={p.disabled} onClick={go}>{p.action}</Button>
    </>}>
      {p.children}
      {error && <Notice tone="bad" alert>{error}</Notice>}
    </Dialog>
  );
}

/** Puts text on the clipboard and says so. */
export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without TLS browsers have no clipboard for scripts; the old way still works there.
    const area = document.createElement('textarea');
    area.value = text;
    (document.querySelector('dialog[open]') ?? document.body).append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    if (!done) return toast('bad', t('admin.copy.failed'));
  }
  toast('good', t('admin.copy.done'));
}

/** Something long to be read or copied, such as a key. */
export function Copyable(p: { label: string; text: string; testId?: string }): JSX.Element {
  return (
    <div class="copyable">
      <code data-testid={p.testId} aria-label={p.label}>{p.text}</code>
      <Button icon="link" onClick={() => copy(p.text)}>{t('admin.copy')}</Button>
    </div>
  );
}

export interface Choice<T extends string> {
  value: T;
  title: string;
  text: string;
}

/** A choice of one whose options need a sentence each. */
export function Choices<T extends string>(p: { legend: string; hint?: string; value: T; options: Choice<T>[]; onChange: (v: T) => void; disabled?: boolean }): JSX.Element {
  const id = useId();
  // The owner may ask first: until it has decided, what was chosen before stays chosen.
  const choose = (input: HTMLInputElement, value: T) => {
    for (const r of input.closest('fieldset')!.querySelectorAll<HTMLInputElement>('input[type=radio]')) r.checked = r.value === p.value;
    p.onChange(value);
  };
  return (
    <fieldset class="choices" disabled={p.disabled} aria-describedby={p.hint ? `${id}-h` : undefined}>
      <legend>{p.legend}</legend>
      {p.hint && <p id={`${id}-h`} class="dim small">{p.hint}</p>}
      {p.options.map((o) => (
        <label key={o.value} class={`choice ${o.value === p.value ? 'chosen' : ''}`}>
          <input type="radio" name={id} value={o.value} checked={o.value === p.value} aria-describedby={`${id}-${o.value}`} aria-labelledby={`${id}-${o.value}-t`}
            onChange={(e) => choose(e.currentTarget, o.value)} />
          <span class="stack tight">
            <b id={`${id}-${o.value}-t`}>{o.title}</b>
            <span id={`${id}-${o.value}`} class="dim small">{o.text}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

/** A name and what it is, in a list of such. */
export function Fact(p: { name: string; children: ComponentChildren }): JSX.Element {
  return <div class="fact"><dt>{p.name}</dt><dd>{p.children}</dd></div>;
}
