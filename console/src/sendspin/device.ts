// This browser as a device: what it keeps (in localStorage, so that the same browser is
// the same device tomorrow), and what it is called.
import { randomBytes } from '@noble/hashes/utils';
import { pskToken } from './crypto/pairtoken';
import { fresh, restore, Store, type Stored } from './client/store';

const key = 'tutti.speaker';
const nameKey = 'tutti.speaker.name';

let made: Stored | null = null;

/** The device of this browser; made at the first call. */
export function load(): Stored {
  let stored: Stored | null = null;
  try {
    stored = restore(JSON.parse(localStorage.getItem(key) ?? 'null'));
  } catch {
    // damaged: a new device
  }
  if (!stored) {
    stored = made ?? fresh(randomBytes);
    made = stored;
    save(stored);
  }
  return stored;
}

export function save(s: Stored): void {
  try {
    localStorage.setItem(key, JSON.stringify(s));
  } catch {
    // full or forbidden: the device lasts as long as the page
  }
}

/** A new identity at the next start; whoever trusted the old one must be asked again. */
export function forget(): void {
  made = null;
  localStorage.removeItem(key);
}

/** Public key and pairing token of a device. The token is a secret. */
export function identity(s: Stored): { clientId: string; token: string } {
  const store = new Store(s, () => {});
  return { clientId: store.clientId, token: pskToken(store.identity.public, store.pairingPsk) };
}

export const storedName = (): string => localStorage.getItem(nameKey) ?? '';
export function storeName(name: string): void {
  try {
    localStorage.setItem(nameKey, name);
  } catch {
    // as above
  }
}

/** What a browser and its device are called, as far as it says. */
export function describe(agent: string): { browser: string; system: string } {
  const first = (...pairs: [RegExp, string][]) => pairs.find(([r]) => r.test(agent))?.[1] ?? '';
  return {
    browser: first([/Edg\//, 'Edge'], [/OPR\//, 'Opera'], [/SamsungBrowser/, 'Samsung Internet'], [/Firefox|FxiOS/, 'Firefox'], [/Chrome|CriOS|Chromium/, 'Chrome'], [/Safari/, 'Safari']) || 'Browser',
    system: first([/iPhone/, 'iPhone'], [/iPad/, 'iPad'], [/Android/, 'Android'], [/CrOS/, 'ChromeOS'], [/Windows/, 'Windows'], [/Mac OS X/, 'Mac'], [/Linux/, 'Linux']),
  };
}
