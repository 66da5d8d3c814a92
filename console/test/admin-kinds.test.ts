// What the server writes into the ledger has words in every language.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import de from '../src/i18n/de';
import en from '../src/i18n/en';
import es from '../src/i18n/es';
import fr from '../src/i18n/fr';

const services = join(process.env.CONSOLE_ROOT!, '..', 'services');

function sources(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((f) => f.endsWith('.go') && !f.endsWith('_test.go') && !f.includes('storetest'))
    .map((f) => readFileSync(join(dir, f), 'utf8'));
}

/** Kinds that are appended to the ledger by the calls that do so, across the services. */
function kinds(): Set<string> {
  const calls = /(?:\.act\(ctx, |\.record\(ctx, |says\(|Kind: +|desk\.Note\([^"\n]*(?:"[^"]*", )?|\.Audit\(ctx, [^"\n]*(?:"[^"]*"[^"\n]*, )?|kind, detail string \}\{)"([a-z]+\.[a-z_]+)"/g;
  const found = new Set<string>();
  for (const text of sources(services)) for (const m of text.matchAll(calls)) found.add(m[1]!);
  return found;
}

test('every kind of line has words', () => {
  const all = kinds();
  assert.ok(all.size >= 30, `only ${all.size} kinds were found in the sources: is the pattern still right? ${[...all].join(' ')}`);
  for (const k of ['group.play', 'group.pause', 'group.stop']) all.add(k); // spelled from a verb
  for (const [lang, words] of Object.entries({ en, de, fr, es })) {
    assert.deepEqual([...all].filter((k) => !(`admin.kind.${k}` in words)), [], `${lang} lacks words`);
  }
});
