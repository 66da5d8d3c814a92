// How long a token is valid.

/** Choices of the dialog: days from now, `never`, or a date of one's own. */
export const lifetimes = ['1', '30', '90', '365', 'never', 'date'] as const;
export type Lifetime = (typeof lifetimes)[number];

const dayMs = 86_400_000;

/** The moment (RFC 3339, UTC) of a choice; undefined for never. A date ends with that day, in the browser's time zone. */
export function expiresAt(choice: Lifetime, day: string, now: Date): string | undefined {
  if (choice === 'never') return undefined;
  if (choice !== 'date') return new Date(now.getTime() + Number(choice) * dayMs).toISOString();
  const [y, m, d] = day.split('-').map(Number);
  return new Date(y!, m! - 1, d! + 1).toISOString();
}

/** Whether a date is one, and not over. */
export function validDay(day: string, now: Date): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(day)) return false;
  const end = expiresAt('date', day, now);
  return end !== undefined && Date.parse(end) > now.getTime();
}
