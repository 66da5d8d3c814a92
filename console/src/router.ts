// The page that is shown is in the fragment of the address (#/devices/inbox): the server
// serves one page, and an address can be kept or sent.
import { signal } from '@preact/signals';

const read = (): string[] => location.hash.replace(/^#\/?/, '').split('/').filter(Boolean).map(decodeURIComponent);

/** Segments of the present address: ['devices', 'inbox']. */
export const route = signal<string[]>(read());

let kept = location.hash;
let mayLeave: (() => boolean) | null = null;

/** Asks f before another page is shown, also by the browser's back button; when it says no, the present one stays. Null: nothing is asked. */
export function guard(f: (() => boolean) | null): void {
  mayLeave = f;
}

addEventListener('hashchange', () => {
  if (mayLeave && location.hash !== kept && !mayLeave()) {
    history.pushState(null, '', kept || '#/'); // back to where it was, without an event
    return;
  }
  kept = location.hash;
  route.value = read();
});

/** The address of a page, for href. */
export const href = (...segments: string[]): string => '#/' + segments.map(encodeURIComponent).join('/');

/** Shows a page. */
export function go(...segments: string[]): void {
  location.hash = href(...segments);
}
