// Changes of one device: shown at once, taken back with a reason when the server refuses.
import { patch, seg } from '../../../api/http';
import type { Client } from '../../../api/types';
import { t } from '../../../i18n';
import { optimistic } from '../../../state/store';
import { attempt, toast } from '../../../ui/toast';

/** Sends a PATCH of a client; shown is what the console shows meanwhile. False when it was refused. */
export async function save(id: string, body: Record<string, unknown>, shown: Record<string, unknown> = {}, quiet = false): Promise<boolean> {
  const ok = await attempt(() => optimistic('client', id, shown, () => patch<Client>(`/api/v1/clients/${seg(id)}`, body)));
  if (ok && !quiet) toast('good', t('devices.saved'));
  return ok;
}
