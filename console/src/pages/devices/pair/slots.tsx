// The slots of a code: how many digits it has, in its groups. Under them lies one text
// field, so that a keyboard, a paste and a screen reader meet one thing.
import type { JSX } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { t } from '../../../i18n';
import { digits, grouped, grouping } from './code';

/** The widest that a slot becomes, with its share of the gaps (px). */
const slotWidth = 56;

export function Slots(p: { label: string; hint?: string; error?: string; length: number; value: string; onInput: (v: string) => void; onEnter?: () => void; disabled?: boolean }): JSX.Element {
  const id = useId();
  const ref = useRef<HTMLInputElement>(null);
  const [focused, setFocused] = useState(false);
  useEffect(() => { if (!p.disabled) ref.current?.focus(); }, [p.disabled]);
  const take = (e: Event) => {
    const el = e.currentTarget as HTMLInputElement;
    const clean = digits(el.value, p.length);
    el.value = clean;
    p.onInput(clean);
  };
  let at = 0;
  const active = Math.min(p.value.length, p.length - 1);
  return (
    <div class="field">
      <label for={id}>{p.label}</label>
      <div class={`dv-slots ${focused ? 'focused' : ''}`} data-length={p.length} style={{ maxWidth: `${p.length * slotWidth}px` }}>
        <input ref={ref} id={id} class="dv-slots-input" type="text" inputMode="numeric" autocomplete="one-time-code" spellcheck={false}
          value={p.value} disabled={p.disabled} aria-describedby={`${id}-n ${p.error ? `${id}-e` : ''}`} aria-invalid={p.error ? 'true' : undefined}
          onInput={take} onFocus={() => setFocused(true)} onBlur={() => setFocused(false)}
          onKeyDown={(e) => { if (e.key === 'Enter') { e.preventDefault(); p.onEnter?.(); } }}
          onSelect={(e) => { const el = e.currentTarget; if (el.selectionStart === el.selectionEnd) el.setSelectionRange(el.value.length, el.value.length); }} />
        <div class="dv-slots-shown" aria-hidden="true">
          {grouping(p.length).map((n, g) => (
            <span class="dv-slots-group" key={g} style={{ flex: `${n} 1 0` }}>
              {Array.from({ length: n }, () => {
                const i = at++;
                return <span key={i} class={`dv-slot ${i < p.value.length ? 'filled' : ''} ${focused && i === active ? 'active' : ''}`}>{p.value[i] ?? ''}</span>;
              })}
            </span>
          ))}
        </div>
      </div>
      <span class="hint" id={`${id}-n`}>{p.hint ? `${p.hint} ` : ''}{t('devices.pair.digits_of', { have: p.value.length, of: p.length })}</span>
      <span class="sr" aria-live="polite">{p.value.length === p.length ? grouped(p.value, p.length).replace(/(\d)(?=\d)/g, '$1 ') : ''}</span>
      {p.error && <span class="dv-error" id={`${id}-e`} role="alert">{p.error}</span>}
    </div>
  );
}
