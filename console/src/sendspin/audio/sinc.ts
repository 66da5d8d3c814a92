// Reads a signal between its samples: a sinc under a Kaiser window, tabulated. On a whole
// position it gives the sample itself, bit for bit.

/** Samples on each side that a value depends on. */
export const reach = 16;
const phases = 256;
const beta = 8;

function bessel(x: number): number {
  let sum = 1;
  let term = 1;
  for (let k = 1; k < 40; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/** table[p][k]: weight of sample floor(position) - reach + 1 + k at a fraction of p/phases. */
const table: Float64Array[] = Array.from({ length: phases + 1 }, (_, p) => {
  const weights = new Float64Array(2 * reach);
  for (let k = 0; k < 2 * reach; k++) {
    const x = k - reach + 1 - p / phases;
    const w = Math.abs(x) >= reach ? 0 : bessel(beta * Math.sqrt(1 - (x / reach) ** 2)) / bessel(beta);
    weights[k] = x === 0 ? 1 : (w * Math.sin(Math.PI * x)) / (Math.PI * x);
    if (p % phases === 0) weights[k] = k === reach - 1 + p / phases ? 1 : 0;
  }
  return weights;
});

/**
 * Fills out from a source at positions start, start+step, … . source holds the samples from
 * index base on; what lies outside of it is silence.
 */
export function interpolate(out: Float32Array, source: Float32Array, base: number, start: number, step: number): void {
  for (let i = 0; i < out.length; i++) {
    const position = start + i * step - base;
    const whole = Math.floor(position);
    const at = (position - whole) * phases;
    const p = Math.floor(at);
    const f = at - p;
    const a = table[p]!;
    const b = table[p + 1]!;
    const first = whole - reach + 1;
    let sum = 0;
    const from = Math.max(0, -first);
    const to = Math.min(2 * reach, source.length - first);
    for (let k = from; k < to; k++) sum += (a[k]! + f * (b[k]! - a[k]!)) * source[first + k]!;
    out[i] = sum;
  }
}
