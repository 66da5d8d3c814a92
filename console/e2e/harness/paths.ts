import * as path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
/** What tests make and may be deleted at any time. */
export const work = path.join(root, 'console/node_modules/.e2e');
export const binary = process.env.TUTTI_BIN ?? path.join(work, 'tutti');
export const music = path.join(work, 'music');
