// A slider whose track shows how much of it is filled.
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Slider } from '../../ui/controls';
import { fill } from './logic';

export interface RangeProps {
  label: string;
  value: number;
  min: number;
  max: number;
  step?: number;
  valueText?: string;
  disabled?: boolean;
  /** False: the value is sent when the finger is lifted, and not before. */
  live?: boolean;
  onSet: (v: number) => unknown;
  onMove?: (v: number | null) => void;
  kind?: 'seek';
}

export function Range(p: RangeProps): JSX.Element {
  const [held, setHeld] = useState<number | null>(null);
  const move = (v: number | null) => {
    setHeld(v);
    p.onMove?.(v);
  };
  return (
    <div class={`now-range ${p.kind ?? ''}`} style={{ '--fill': `${fill(held ?? p.value, p.min, p.max)}%` }} onChange={() => move(null)}>
      <Slider label={p.label} value={p.value} min={p.min} max={p.max} step={p.step} valueText={p.valueText} disabled={p.disabled} live={p.live}
        onSet={p.onSet} onMove={move} />
    </div>
  );
}
