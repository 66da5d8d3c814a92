// Every area of the catalogue in one language.
import common from './es/common.json';
import now from './es/now.json';
import devices from './es/devices.json';
import speaker from './es/speaker.json';
import health from './es/health.json';
import schedules from './es/schedules.json';
import admin from './es/admin.json';
import signin from './es/signin.json';
import type { Catalogue } from './index';

const messages: Catalogue = { ...common, ...now, ...devices, ...speaker, ...health, ...schedules, ...admin, ...signin };
export default messages;
