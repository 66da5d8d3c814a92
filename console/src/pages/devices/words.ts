// What the server says in words of its protocol, in the words of a person.
import type { Client, PairMethod } from '../../api/types';
import { dateTime, has, t } from '../../i18n';

/** A message for a code that the server gave, or fallback for one that we do not know. */
export const coded = (area: string, code: string, fallback = code, values: Record<string, string | number> = {}): string =>
  has(`devices.${area}.${code}`) ? t(`devices.${area}.${code}`, values) : fallback;

/** Why a device waits, as a sentence. detail is the server's own, for reasons that we do not know. */
export const reasonWords = (reason: string, detail = ''): string => coded('reason', reason, detail || reason);

export const warningName = (warning: string): string => coded('warning', warning, warning);

/** What a warning means and what to do. */
export const warningWords = (warning: string): string =>
  coded('warning_means', warning, t('devices.warning_means.other', { warning }));

/** A role without its version, in words: player@v1. */
export const roleWords = (role: string): string => coded('role', role.split('@')[0]!, role);

/** How long an approval holds; '' for one without an end. */
export function approvalEnd(c: Pick<Client, 'approval_ends_at' | 'approval_until_disconnect'>): string {
  if (c.approval_until_disconnect) return t('devices.until_disconnect');
  return c.approval_ends_at ? t('devices.until', { when: dateTime(c.approval_ends_at) }) : '';
}

/** Who made a device, as it says itself. */
export const maker = (d: { manufacturer?: string; product_name?: string } | undefined): string =>
  [d?.manufacturer, d?.product_name].filter(Boolean).join(' · ');

/** Approving alone cannot help a device that admits no session without pairing. */
export const approvable = (c: { unpaired_access: boolean; trust?: string }): boolean => c.unpaired_access && c.trust !== 'credential_mismatch';

export const offers = (methods: PairMethod[], method: string): PairMethod | undefined => methods.find((m) => m.method === method);
