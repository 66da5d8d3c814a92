// Recordings become WAV: every server reads it, whatever the browser records in.

/** Mixes channels into one and writes 16-bit PCM WAV. Samples are −1…1. */
export function toWav(channels: readonly Float32Array[], rate: number): Uint8Array {
  const frames = channels[0]?.length ?? 0;
  const out = new DataView(new ArrayBuffer(44 + 2 * frames));
  const word = (at: number, text: string) => [...text].forEach((c, i) => out.setUint8(at + i, c.charCodeAt(0)));
  word(0, 'RIFF');
  out.setUint32(4, 36 + 2 * frames, true);
  word(8, 'WAVEfmt ');
  out.setUint32(16, 16, true); // bytes of the format
  out.setUint16(20, 1, true); // PCM
  out.setUint16(22, 1, true); // channels
  out.setUint32(24, rate, true);
  out.setUint32(28, 2 * rate, true);
  out.setUint16(32, 2, true);
  out.setUint16(34, 16, true);
  word(36, 'data');
  out.setUint32(40, 2 * frames, true);
  for (let i = 0; i < frames; i++) {
    let sum = 0;
    for (const c of channels) sum += c[i] ?? 0;
    const v = Math.max(-1, Math.min(1, sum / channels.length));
    out.setInt16(44 + 2 * i, Math.round(v < 0 ? v * 0x8000 : v * 0x7fff), true);
  }
  return new Uint8Array(out.buffer);
}

/** Loudness of a block of samples for a meter: 0 (silence, below −60 dB) to 1 (full). */
export function level(samples: Float32Array): number {
  let sum = 0;
  for (const s of samples) sum += s * s;
  const rms = Math.sqrt(sum / Math.max(1, samples.length));
  if (rms <= 0.001) return 0;
  return Math.min(1, 1 + (20 * Math.log10(rms)) / 60);
}
