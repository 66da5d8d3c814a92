import type { JSX } from 'preact';
import { t } from '../../i18n';

export function Devices(): JSX.Element {
  return <div class="page-head"><h1>{t('common.page.devices')}</h1></div>;
}
