import type { JSX } from 'preact';
import { t } from '../../i18n';

export function Speaker(): JSX.Element {
  return <div class="page-head"><h1>{t('common.page.speaker')}</h1></div>;
}
