// The present moment, moving on while it is looked at; and what size of screen there is.
import { useEffect, useState } from 'preact/hooks';

/** Now, anew every half minute. */
export function useNow(): Date {
  const [now, set] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => set(new Date()), 30_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** Whether a media query holds. */
export function useMedia(query: string): boolean {
  const [holds, set] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const m = matchMedia(query);
    const change = () => set(m.matches);
    change();
    m.addEventListener('change', change);
    return () => m.removeEventListener('change', change);
  }, [query]);
  return holds;
}
