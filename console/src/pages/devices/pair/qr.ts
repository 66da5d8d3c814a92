// Reads a QR code from a picture: with the browser's own reader where there is one, else
// with jsQR, which is loaded when it is first needed.

interface Detector { detect(source: ImageBitmapSource): Promise<{ rawValue: string }[]> }
interface DetectorClass {
  new (o: { formats: string[] }): Detector;
  getSupportedFormats(): Promise<string[]>;
}

let native: Promise<Detector | null> | undefined;

/** The browser's reader, or null. */
function nativeReader(): Promise<Detector | null> {
  native ??= (async () => {
    const D = (globalThis as unknown as { BarcodeDetector?: DetectorClass }).BarcodeDetector;
    if (!D) return null;
    try {
      return (await D.getSupportedFormats()).includes('qr_code') ? new D({ formats: ['qr_code'] }) : null;
    } catch {
      return null;
    }
  })();
  return native;
}

/** Longest sides (pixels) that a picture is brought down to, one after the other. */
const sidesOfPicture = [1200, 600, 2400];
const sideOfFrame = 640;

type Source = ImageBitmap | HTMLVideoElement;

const size = (s: Source): [number, number] => (s instanceof HTMLVideoElement ? [s.videoWidth, s.videoHeight] : [s.width, s.height]);

function pixels(s: Source, side: number, canvas: HTMLCanvasElement): ImageData | null {
  const [w, h] = size(s);
  if (w === 0 || h === 0) return null;
  const scale = Math.min(1, side / Math.max(w, h));
  canvas.width = Math.max(1, Math.round(w * scale));
  canvas.height = Math.max(1, Math.round(h * scale));
  const c = canvas.getContext('2d', { willReadFrequently: true })!;
  c.fillStyle = '#fff'; // under pictures that are clear in places
  c.fillRect(0, 0, canvas.width, canvas.height);
  c.drawImage(s, 0, 0, canvas.width, canvas.height);
  return c.getImageData(0, 0, canvas.width, canvas.height);
}

async function read(s: Source, sides: number[], canvas: HTMLCanvasElement, thorough: boolean): Promise<string | null> {
  const reader = await nativeReader();
  if (reader) {
    try {
      const found = (await reader.detect(s))[0]?.rawValue;
      if (found) return found;
    } catch { /* the slower way follows */ }
    if (!thorough) return null;
  }
  const { default: jsQR } = await import('jsqr');
  const [w, h] = size(s);
  const tried = new Set<number>();
  for (const side of sides) {
    const real = Math.min(side, Math.max(w, h));
    if (tried.has(real)) continue;
    tried.add(real);
    const px = pixels(s, side, canvas);
    const found = px && jsQR(px.data, px.width, px.height, { inversionAttempts: thorough ? 'attemptBoth' : 'dontInvert' })?.data;
    if (found) return found;
  }
  return null;
}

/** The text of the QR code in a picture, or null. Throws when it is no picture. */
export async function readPicture(file: Blob): Promise<string | null> {
  const bitmap = await createImageBitmap(file);
  try {
    return await read(bitmap, sidesOfPicture, document.createElement('canvas'), true);
  } finally {
    bitmap.close();
  }
}

/** The text of the QR code that the camera sees at this moment, or null. */
export const readFrame = (video: HTMLVideoElement, canvas: HTMLCanvasElement): Promise<string | null> => read(video, [sideOfFrame], canvas, false);

/** Why there is no camera: the page came without TLS, or the browser or device has none. */
export function cameraTrouble(): 'insecure' | 'none' | null {
  if (navigator.mediaDevices as MediaDevices | undefined) return null;
  return globalThis.isSecureContext ? 'none' : 'insecure';
}
