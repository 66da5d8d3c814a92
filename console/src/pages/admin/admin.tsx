import type { JSX } from 'preact';
import { t } from '../../i18n';

export function Admin(): JSX.Element {
  return <div class="page-head"><h1>{t('common.page.admin')}</h1></div>;
}
