// Pictures of QR codes, as a person would photograph them off a device.
import * as zlib from 'node:zlib';
import qrcode from 'qrcode-generator';

/** Pixels of one module, and modules of quiet around the code. */
const scale = 8;
const margin = 4;

/** A grey picture of rows of 0 (black) to 255. */
function encode(width: number, rows: Uint8Array[]): Buffer {
  const chunk = (kind: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(kind, 'latin1'), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc(body), body.length + 4);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(rows.length, 4);
  head[8] = 8; // bits of grey
  const raw = Buffer.concat(rows.map((r) => Buffer.concat([Buffer.from([0]), r])));
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', head), chunk('IDAT', zlib.deflateSync(raw)), chunk('IEND', Buffer.alloc(0))]);
}

function crc(data: Buffer): number {
  let c = 0xffffffff;
  for (const b of data) {
    c ^= b;
    for (let i = 0; i < 8; i++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  }
  return (c ^ 0xffffffff) >>> 0;
}

/** A PNG of the QR code of text. */
export function qrPicture(text: string): Buffer {
  const q = qrcode(0, 'M');
  q.addData(text);
  q.make();
  const n = q.getModuleCount();
  const side = (n + 2 * margin) * scale;
  const rows = Array.from({ length: side }, (_, y) => Uint8Array.from({ length: side }, (_, x) => {
    const [mx, my] = [Math.floor(x / scale) - margin, Math.floor(y / scale) - margin];
    return mx >= 0 && my >= 0 && mx < n && my < n && q.isDark(my, mx) ? 0 : 255;
  }));
  return encode(side, rows);
}

/** A white picture with nothing to read. */
export const blankPicture = (): Buffer => encode(64, Array.from({ length: 64 }, () => new Uint8Array(64).fill(255)));
