import type { JSX } from 'preact';
import { t } from '../../i18n';

export function Health(): JSX.Element {
  return <div class="page-head"><h1>{t('common.page.health')}</h1></div>;
}
