// Health: what is wrong and what mends it, how each speaker does and did, and the services.
import type { JSX } from 'preact';
import { relative, t } from '../../i18n';
import { Button, Notice, Spinner } from '../../ui/controls';
import { explain } from '../../ui/toast';
import { Findings } from './findings';
import { Services } from './services';
import { Speakers } from './speakers';
import { health, healthError, range, reloadHealth, useHealth, view } from './state';
import type { Range } from './types';
import './health.css';

const ranges: Range[] = ['1h', '6h', '48h'];

export function Health(): JSX.Element {
  useHealth();
  return (
    <div class="health">
      <div class="page-head"><h1>{t('common.page.health')}</h1>{health.value && <span class="dim small">{t('health.judged', { when: relative(health.value.at) })}</span>}</div>
      {healthError.value !== null && !health.value && (
        <Notice tone="bad" alert><p>{explain(healthError.value)}</p><Button onClick={reloadHealth}>{t('common.retry')}</Button></Notice>
      )}
      {!health.value ? healthError.value === null && <Spinner /> : (
        <div class="stack health-parts">
          <Findings />
          <section class="stack" aria-labelledby="speakers">
            <div class="row wrap">
              <h2 id="speakers" class="grow">{t('health.speakers')}</h2>
              <Choice />
            </div>
            <Speakers />
          </section>
          {health.value.services.length > 0 && <Services />}
        </div>
      )}
    </div>
  );
}

/** How far back, and as what. */
function Choice(): JSX.Element {
  return (
    <>
      <div class="segments" role="group" aria-label={t('health.range')}>
        {ranges.map((r) => <Button key={r} pressed={range.value === r} onClick={() => { range.value = r; }}>{t(`health.range.${r}`)}</Button>)}
      </div>
      <div class="segments" role="group" aria-label={t('health.view')}>
        {(['plots', 'table'] as const).map((v) => <Button key={v} pressed={view.value === v} onClick={() => { view.value = v; }}>{t(`health.view.${v}`)}</Button>)}
      </div>
    </>
  );
}
