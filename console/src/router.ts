// The page that is shown is in the fragment of the address (#/devices/inbox): the server
// serves one page, and an address can be kept or sent.
import { signal } from '@preact/signals';

const read = (): string[] => location.hash.replace(/^#\/?/, '').split('/').filter(Boolean).map(decodeURIComponent);

/** Segments of the present address: ['devices', 'inbox']. */
export const route = signal<string[]>(read());

addEventListener('hashchange', () => { route.value = read(); });

/** The address of a page, for href. */
export const href = (...segments: string[]): string => '#/' + segments.map(encodeURIComponent).join('/');

/** Shows a page. */
export function go(...segments: string[]): void {
  location.hash = href(...segments);
}
