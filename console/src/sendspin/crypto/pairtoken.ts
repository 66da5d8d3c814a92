// Pairing tokens: "SP:" || version || base32(payload) without "=", with "9" for "2"
// (specification: "Pairing Token").
import { concat } from './bytes';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function base32(b: Uint8Array): string {
  let out = '';
  let bits = 0;
  let have = 0;
  for (const byte of b) {
    bits = ((bits << 8) | byte) & 0xfff;
    have += 8;
    while (have >= 5) {
      have -= 5;
      out += alphabet[(bits >> have) & 31];
    }
  }
  if (have > 0) out += alphabet[(bits << (5 - have)) & 31];
  return out;
}

const token = (version: string, payload: Uint8Array): string => `SP:${version}${base32(payload).replace(/2/g, '9')}`;

/** The token that a server pairs with: the device's key and its pairing PSK. A secret. */
export const pskToken = (clientKey: Uint8Array, psk: Uint8Array): string => token('0', concat(clientKey, psk));

/** The token of a dynamic code in the form of a QR code. */
export const codeToken = (code: Uint8Array): string => token('1', code);
