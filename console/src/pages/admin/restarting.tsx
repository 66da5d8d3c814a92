// While the server restarts with a restored state: waits for it, then begins anew.
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { t } from '../../i18n';
import { Button, Notice, Spinner } from '../../ui/controls';

/** Between two looks (ms). */
const every = 1500;
/** It is said that it takes long after this many of them. */
const long = 40;

export function Restarting(): JSX.Element {
  const [tries, setTries] = useState(0);
  const [gone, setGone] = useState(false);
  useEffect(() => {
    const timer = setTimeout(async () => {
      const up = await fetch('/readyz', { cache: 'no-store' }).then((r) => r.ok, () => false);
      // It answers for a moment more before it goes down.
      if (up && (gone || tries > 3)) return begin();
      if (!up) setGone(true);
      setTries(tries + 1);
    }, every);
    return () => clearTimeout(timer);
  }, [tries]);
  return (
    <Notice tone="info" alert>
      <p>{t('admin.restarting')}</p>
      <Spinner />
      {tries > long && <><p>{t('admin.restarting.long')}</p><Button onClick={begin}>{t('common.reload')}</Button></>}
    </Notice>
  );
}

function begin(): void {
  location.hash = '';
  location.reload();
}
