// Reading the ledger from its end: the API gives the lines after a number, and a person
// wants the newest first.
import type { AuditEvent } from './types';

/** Lines after `since`, at most `limit`, in the order of their numbers. */
export type Fetch = (since: number, limit: number) => Promise<AuditEvent[]>;

/** Lines that one request brings. */
export const page = 1000;

/**
 * The number of the last line, 0 for an empty ledger, in about 2·log2(n) small requests.
 * Numbers rise, and may have gaps.
 */
export async function head(fetch: Fetch): Promise<number> {
  // The last line is in [low, high].
  let low = 0;
  let high = page;
  for (let next; (next = (await fetch(high, 1))[0]); high = 2 * low) low = next.id;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const next = (await fetch(middle, 1))[0];
    if (next) low = next.id;
    else high = middle;
  }
  return low;
}

/** Lines before `before`, newest first: one page, or more where there are gaps. Empty at the beginning. */
export async function older(fetch: Fetch, before: number): Promise<AuditEvent[]> {
  let high = before - 1;
  while (high > 0) {
    const since = Math.max(0, high - page);
    const events = (await fetch(since, page)).filter((e) => e.id < before);
    if (events.length > 0) return events.reverse();
    high = since;
  }
  return [];
}
