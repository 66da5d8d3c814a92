import type { JSX } from 'preact';
import { t } from '../../i18n';

export function Now(): JSX.Element {
  return <div class="page-head"><h1>{t('common.page.now')}</h1></div>;
}
