// Kinds of lines in words; a kind that a newer server has shows as it is.
import { has, t } from '../../i18n';

/** "client." of "client.approved". */
export const kindFamily = (kind: string): string => kind.slice(0, kind.indexOf('.') + 1) || kind;

export function kindName(kind: string): string {
  const key = `admin.kind.${kind.replace(/\.$/, '')}`;
  return has(key) ? t(key) : kind;
}
