// The controls that pages are made of. Each can be used with a keyboard and says what it
// is to a screen reader.
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { t } from '../i18n';
import { Icon, type IconName } from './icons';
import { Toasts } from './toast';

export interface ButtonProps {
  children?: ComponentChildren;
  icon?: IconName;
  kind?: 'primary' | 'danger' | 'quiet';
  big?: boolean;
  /** For a button that shows its icon alone. */
  label?: string;
  pressed?: boolean;
  disabled?: boolean;
  type?: 'button' | 'submit';
  onClick?: (e: MouseEvent) => unknown;
  id?: string;
  testId?: string;
  expanded?: boolean;
}

/** A button. While a promise that onClick returned is open it is busy and takes no second tap. */
export function Button(p: ButtonProps): JSX.Element {
  const [busy, setBusy] = useState(false);
  const alive = useRef(true);
  useEffect(() => () => { alive.current = false; }, []);
  const classes = ['btn', p.kind, p.big && 'big', !p.children && 'icon'].filter(Boolean).join(' ');
  const click = (e: MouseEvent) => {
    if (busy || p.disabled) return;
    const r = p.onClick?.(e);
    if (r instanceof Promise) {
      setBusy(true);
      void r.finally(() => { if (alive.current) setBusy(false); });
    }
  };
  return (
    <button type={p.type ?? 'button'} id={p.id} class={classes} aria-label={p.label} title={p.children ? undefined : p.label} aria-pressed={p.pressed}
      aria-expanded={p.expanded} aria-busy={busy || undefined} disabled={p.disabled} onClick={click} data-testid={p.testId}>
      {busy ? <span class="spinner" /> : p.icon && <Icon name={p.icon} size={20} />}
      {p.children && <span>{p.children}</span>}
    </button>
  );
}

export interface FieldProps {
  label: string;
  hint?: string;
  error?: string;
  value: string;
  onInput: (value: string) => void;
  type?: string;
  autocomplete?: string;
  inputMode?: JSX.HTMLAttributes<HTMLInputElement>['inputMode'];
  required?: boolean;
  autofocus?: boolean;
  maxLength?: number;
  min?: string | number;
  max?: string | number;
  rows?: number;
  placeholder?: string;
  disabled?: boolean;
}

/** A labelled text field; with rows a text area. */
export function Field(p: FieldProps): JSX.Element {
  const id = useId();
  const described = [p.hint && `${id}-h`, p.error && `${id}-e`].filter(Boolean).join(' ') || undefined;
  const common = {
    id, class: 'input', value: p.value, required: p.required, maxLength: p.maxLength, placeholder: p.placeholder, disabled: p.disabled,
    'aria-invalid': p.error ? ('true' as const) : undefined, 'aria-describedby': described,
    // The browser says it in its own language otherwise.
    onInvalid: (e: Event) => {
      const box = e.target as HTMLInputElement;
      if (box.validity.valueMissing) box.setCustomValidity(t('common.missing'));
    },
    onInput: (e: Event) => {
      const box = e.target as HTMLInputElement;
      box.setCustomValidity('');
      p.onInput(box.value);
    },
  };
  return (
    <div class="field">
      <label for={id}>{p.label}</label>
      {p.rows
        ? <textarea {...common} rows={p.rows} />
        : <input {...common} type={p.type ?? 'text'} autocomplete={p.autocomplete ?? 'off'} inputMode={p.inputMode} autofocus={p.autofocus} min={p.min} max={p.max} />}
      {p.hint && <span class="hint" id={`${id}-h`}>{p.hint}</span>}
      {p.error && <span class="error" id={`${id}-e`} role="alert">{p.error}</span>}
    </div>
  );
}

/** A labelled choice of one. */
export function Select<T extends string>(p: { label: string; hint?: string; value: T; options: { value: T; label: string }[]; onChange: (v: T) => void; disabled?: boolean }): JSX.Element {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{p.label}</label>
      <select id={id} class="input" value={p.value} disabled={p.disabled} aria-describedby={p.hint ? `${id}-h` : undefined} onChange={(e) => p.onChange((e.target as HTMLSelectElement).value as T)}>
        {p.options.map((o) => <option key={o.value} value={o.value} selected={o.value === p.value}>{o.label}</option>)}
      </select>
      {p.hint && <span class="hint" id={`${id}-h`}>{p.hint}</span>}
    </div>
  );
}

export function Check(p: { label: ComponentChildren; checked: boolean; onChange: (v: boolean) => void; disabled?: boolean }): JSX.Element {
  return (
    <label class="check">
      <input type="checkbox" checked={p.checked} disabled={p.disabled} onChange={(e) => p.onChange((e.target as HTMLInputElement).checked)} />
      <span>{p.label}</span>
    </label>
  );
}

/** How long a slider's value rests before it is sent (ms). */
const settle = 120;

/**
 * A slider that shows the finger's value while it is moved, sends it now and then, and
 * follows `value` when it is let go. onSet gets the last value for certain.
 */
export function Slider(p: { label: string; value: number; min?: number; max?: number; step?: number; valueText?: string; disabled?: boolean; onSet: (v: number) => unknown; onMove?: (v: number) => void; live?: boolean }): JSX.Element {
  const [held, setHeld] = useState<number | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  const sent = useRef<number | null>(null);
  useEffect(() => () => clearTimeout(timer.current), []);
  const send = (v: number) => {
    clearTimeout(timer.current);
    if (sent.current !== v) {
      sent.current = v;
      void p.onSet(v);
    }
  };
  const move = (e: Event) => {
    const v = Number((e.target as HTMLInputElement).value);
    setHeld(v);
    p.onMove?.(v);
    if (p.live === false) return;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => send(v), settle);
  };
  const end = (e: Event) => {
    send(Number((e.target as HTMLInputElement).value));
    sent.current = null;
    setHeld(null);
  };
  return (
    <input type="range" aria-label={p.label} aria-valuetext={p.valueText} min={p.min ?? 0} max={p.max ?? 100} step={p.step ?? 1}
      value={held ?? p.value} disabled={p.disabled} onInput={move} onChange={end} />
  );
}

/** A modal dialog; closed by Escape, by its button and by a tap beside it. */
export function Dialog(p: { title: string; onClose: () => void; children: ComponentChildren; foot?: ComponentChildren; wide?: boolean }): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const d = ref.current!;
    const before = document.activeElement as HTMLElement | null;
    d.showModal();
    return () => {
      d.close();
      before?.focus?.();
    };
  }, []);
  return (
    <dialog ref={ref} class={p.wide ? 'wide' : ''} aria-labelledby={id} onCancel={(e) => { e.preventDefault(); p.onClose(); }}
      onMouseDown={(e) => { if (e.target === ref.current) p.onClose(); }}>
      <div class="head">
        <h2 id={id}>{p.title}</h2>
        <Button icon="close" kind="quiet" label={t('common.close')} onClick={p.onClose} />
      </div>
      <div class="body">{p.children}</div>
      {p.foot && <div class="foot">{p.foot}</div>}
      <Toasts />
    </dialog>
  );
}

export type Tone = 'good' | 'warn' | 'bad' | 'info' | 'plain';

/** A state: sign and word; the colour is the third to say it. */
export function Badge(p: { tone: Tone; icon?: IconName; children: ComponentChildren }): JSX.Element {
  return <span class={`badge ${p.tone}`}>{p.icon && <Icon name={p.icon} size={16} />}<span>{p.children}</span></span>;
}

export function Notice(p: { tone: 'info' | 'warn' | 'bad' | 'good'; children: ComponentChildren; alert?: boolean }): JSX.Element {
  const icon = { info: 'info', warn: 'warning', bad: 'warning', good: 'check' } as const;
  return <div class={`notice ${p.tone}`} role={p.alert ? 'alert' : undefined}><Icon name={icon[p.tone]} /><div class="grow">{p.children}</div></div>;
}

export const Spinner = ({ label }: { label?: string }): JSX.Element =>
  <div class="row" role="status"><span class="spinner" /><span class={label ? '' : 'sr'}>{label ?? t('common.loading')}</span></div>;

/** What a page shows when there is nothing: why, and what to do. */
export function Empty(p: { icon: IconName; title: string; children?: ComponentChildren }): JSX.Element {
  return <div class="empty"><Icon name={p.icon} size={40} /><h2>{p.title}</h2>{p.children}</div>;
}
