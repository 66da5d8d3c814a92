// When quiet hours let the volume go again: the group says that they hold it, the preview
// of the schedule says until when.
import { useEffect, useState } from 'preact/hooks';
import { get, seg } from '../../api/http';
import type { Group } from '../../api/types';

interface Event {
  at: string;
  until: string;
  kind: string;
}

/** How far to look (ms): quiet hours are of a night. */
const ahead = 36 * 3_600_000;

/** The end of the quiet hours that hold g now; undefined while it is not known. */
export function useCapEnd(g: Group): string | undefined {
  const [until, setUntil] = useState<string>();
  const capped = g.volume_cap !== undefined;
  useEffect(() => {
    setUntil(undefined);
    if (!capped) return;
    let alive = true;
    const now = Date.now();
    const iso = (ms: number) => seg(new Date(ms).toISOString());
    get<{ events: Event[] }>(`/api/v1/schedules/preview?group_id=${seg(g.group_id)}&from=${iso(now)}&to=${iso(now + ahead)}`).then(
      ({ events }) => {
        const held = events.find((e) => e.kind === 'quiet_hours' && Date.parse(e.at) <= now + 1000 && Date.parse(e.until) > now);
        if (alive) setUntil(held?.until);
      },
      () => {}, // the cap itself is shown; only its end is not
    );
    return () => { alive = false; };
  }, [capped, g.volume_cap, g.group_id]);
  return until;
}
