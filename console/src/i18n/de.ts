// Every area of the catalogue in one language.
import common from './de/common.json';
import now from './de/now.json';
import devices from './de/devices.json';
import speaker from './de/speaker.json';
import health from './de/health.json';
import schedules from './de/schedules.json';
import admin from './de/admin.json';
import signin from './de/signin.json';
import type { Catalogue } from './index';

const messages: Catalogue = { ...common, ...now, ...devices, ...speaker, ...health, ...schedules, ...admin, ...signin };
export default messages;
