// Every area of the catalogue in one language.
import common from './fr/common.json';
import now from './fr/now.json';
import devices from './fr/devices.json';
import speaker from './fr/speaker.json';
import health from './fr/health.json';
import schedules from './fr/schedules.json';
import admin from './fr/admin.json';
import signin from './fr/signin.json';
import type { Catalogue } from './index';

const messages: Catalogue = { ...common, ...now, ...devices, ...speaker, ...health, ...schedules, ...admin, ...signin };
export default messages;
