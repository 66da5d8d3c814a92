// The short form of a device's key, to be compared with what the device itself shows.
import type { JSX } from 'preact';
import { t } from '../../i18n';

/** The groups of a fingerprint. */
export const groupsOf = (fingerprint: string): string[] => fingerprint.split(/[-\s]+/).filter(Boolean);

export function Fingerprint({ value, big }: { value?: string; big?: boolean }): JSX.Element {
  if (!value) return <span class="dim">–</span>;
  const groups = groupsOf(value);
  // Read out sign by sign: a screen reader would make words of it.
  const spoken = groups.map((g) => [...g].join(' ')).join(', ');
  return (
    <span class={`dv-print mono ${big ? 'big' : ''}`} role="img" aria-label={t('devices.fingerprint_spoken', { spoken })} data-fingerprint={value}>
      {groups.map((g, i) => <span key={i} aria-hidden="true">{g}</span>)}
    </span>
  );
}
