// A token that was scanned on another part of the page, on its way to the flow of its
// device. It is kept in memory alone, and taken once.
let held: { clientId: string; text: string } | null = null;

export const waiting = {
  put(clientId: string, text: string): void { held = { clientId, text }; },
  take(clientId: string): string {
    const text = held?.clientId === clientId ? held.text : '';
    held = null;
    return text;
  },
};
