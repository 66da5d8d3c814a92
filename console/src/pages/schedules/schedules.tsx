import type { JSX } from 'preact';
import { t } from '../../i18n';

export function Schedules(): JSX.Element {
  return <div class="page-head"><h1>{t('common.page.schedules')}</h1></div>;
}
