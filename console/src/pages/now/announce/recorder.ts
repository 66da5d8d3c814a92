// The microphone: what is recorded, how loud it is, and why it cannot be had.
import { level, toWav } from './wav';

/** A recording is as long as fits into one clip of the API (16 MiB of WAV), ms. */
export const longest = 150_000;

/** Why there is no microphone: a key of now.mic. '' when there may be one. */
export function unavailable(): '' | 'insecure' | 'unsupported' {
  if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) return window.isSecureContext ? 'unsupported' : 'insecure';
  return typeof MediaRecorder === 'undefined' ? 'unsupported' : '';
}

/** What the browser's refusal means: a key of now.mic. */
export function refusal(err: unknown): 'denied' | 'missing' | 'failed' {
  const name = err instanceof DOMException ? err.name : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'denied';
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return 'missing';
  return 'failed';
}

export interface Recorder {
  /** Loudness now, 0…1. */
  level: () => number;
  /** Ends it and gives what was recorded. */
  stop: () => Promise<Blob>;
  /** Ends it and throws it away. */
  abort: () => void;
}

/** Asks for the microphone and records. Throws what getUserMedia throws. */
export async function record(onEnd: () => void): Promise<Recorder> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } });
  const context = new AudioContext();
  const meter = context.createAnalyser();
  meter.fftSize = 1024;
  context.createMediaStreamSource(stream).connect(meter);
  const block = new Float32Array(meter.fftSize);
  const recorder = new MediaRecorder(stream);
  const parts: Blob[] = [];
  recorder.ondataavailable = (e) => { if (e.data.size > 0) parts.push(e.data); };
  const ended = new Promise<void>((resolve) => { recorder.onstop = () => resolve(); });
  recorder.start(250);
  const limit = setTimeout(onEnd, longest);
  const close = () => {
    clearTimeout(limit);
    if (recorder.state !== 'inactive') recorder.stop();
    stream.getTracks().forEach((t) => t.stop());
  };
  return {
    level: () => {
      meter.getFloatTimeDomainData(block);
      return level(block);
    },
    stop: async () => {
      close();
      await ended;
      const raw = new Blob(parts, { type: recorder.mimeType || 'audio/webm' });
      try {
        return await asWav(raw, context);
      } catch {
        return raw; // the server may be able to read what this browser cannot
      } finally {
        void context.close();
      }
    },
    abort: () => {
      close();
      void context.close();
    },
  };
}

async function asWav(raw: Blob, context: AudioContext): Promise<Blob> {
  const audio = await context.decodeAudioData(await raw.arrayBuffer());
  const channels = Array.from({ length: audio.numberOfChannels }, (_, i) => audio.getChannelData(i));
  return new Blob([toWav(channels, audio.sampleRate) as BlobPart], { type: 'audio/wav' });
}
