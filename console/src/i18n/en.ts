// Every area of the catalogue in one language.
import common from './en/common.json';
import now from './en/now.json';
import devices from './en/devices.json';
import speaker from './en/speaker.json';
import health from './en/health.json';
import schedules from './en/schedules.json';
import admin from './en/admin.json';
import signin from './en/signin.json';
import type { Catalogue } from './index';

const messages: Catalogue = { ...common, ...now, ...devices, ...speaker, ...health, ...schedules, ...admin, ...signin };
export default messages;
