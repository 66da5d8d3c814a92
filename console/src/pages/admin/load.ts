// Something that a part of a page asks the server for when it is shown.
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';

export interface Loaded<T> {
  /** Undefined until the first answer. */
  data: T | undefined;
  /** Why the last try failed; null when it did not. */
  error: unknown;
  reload: () => Promise<void>;
  /** Puts what a change answered in the place of what was loaded. */
  set: (data: T) => void;
}

/** Runs a request when the component appears and whenever deps change; late answers of a former run are dropped. */
export function useLoaded<T>(run: () => Promise<T>, deps: unknown[] = []): Loaded<T> {
  const [data, set] = useState<T>();
  const [error, setError] = useState<unknown>(null);
  const turn = useRef(0);
  const reload = useCallback(async () => {
    const mine = ++turn.current;
    try {
      const answer = await run();
      if (mine !== turn.current) return;
      set(answer);
      setError(null);
    } catch (err) {
      if (mine === turn.current) setError(err);
    }
  }, deps);
  useEffect(() => {
    void reload();
    return () => { turn.current++; };
  }, [reload]);
  return { data, error, reload, set: (d) => { turn.current++; set(d); } };
}
