// A long list is drawn a page at a time: the next one when its end comes near.
import type { JSX, Ref } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

/** Rows of a page: more than a screen, little enough for an old phone. */
const page = 60;

/** The part of a list that is drawn, and where to put the ref that asks for more. */
export function usePaged<T>(list: readonly T[], of: unknown): { shown: readonly T[]; more: JSX.Element | null } {
  const [count, setCount] = useState({ of, n: page });
  const end = useRef<HTMLDivElement>(null);
  const n = count.of === of ? count.n : page;
  const rest = list.length > n;
  useEffect(() => {
    if (!rest || !end.current) return;
    const watch = new IntersectionObserver((seen) => {
      if (seen.some((x) => x.isIntersecting)) setCount({ of, n: n + page });
    }, { rootMargin: '600px' });
    watch.observe(end.current);
    return () => watch.disconnect();
  }, [rest, n, of]);
  return { shown: rest ? list.slice(0, n) : list, more: rest ? <div ref={end as Ref<HTMLDivElement>} class="now-end" aria-hidden="true" /> : null };
}
