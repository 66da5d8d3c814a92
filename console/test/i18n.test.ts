import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import de from '../src/i18n/de';
import en from '../src/i18n/en';
import es from '../src/i18n/es';
import fr from '../src/i18n/fr';
import type { Message } from '../src/i18n';

const forms = (m: Message): string[] => (typeof m === 'string' ? [m] : Object.values(m));
const places = (m: Message): string[] => [...new Set(forms(m).flatMap((s) => s.match(/\{\w+\}/g) ?? []))].sort();

for (const [name, messages] of Object.entries({ de, fr, es })) {
  test(`${name} has every message of English, with the same places`, () => {
    assert.deepEqual(Object.keys(messages).sort(), Object.keys(en).sort());
    for (const [key, m] of Object.entries(en)) {
      assert.deepEqual(places(messages[key]!), places(m), key);
      assert.equal(typeof messages[key], typeof m, `${key}: a plural in one language and not in the other`);
      assert.ok(forms(messages[key]!).every((s) => s.trim() !== ''), `${key} is empty`);
    }
  });
}

test('French signs and the units of all languages do not begin a line', () => {
  for (const [key, m] of Object.entries(fr)) {
    for (const s of forms(m)) assert.doesNotMatch(s, / [:;?!»](\s|$)|« /, `fr ${key}: a space that may break`);
  }
  for (const [name, messages] of Object.entries({ en, de, fr, es })) {
    for (const [key, m] of Object.entries(messages)) {
      for (const s of forms(m)) assert.doesNotMatch(s, /[\d}] (%|ms|s|h|MB|Mo|Hz|µs)(?![\p{L}\p{N}’])/u, `${name} ${key}: a space that may break`);
    }
  }
});

test('every kind of line that the server writes into the audit log has words', () => {
  const root = path.join(process.env.CONSOLE_ROOT!, '../services');
  const kinds = new Set<string>();
  for (const dir of ['management/internal', 'pairing', 'stream']) {
    for (const file of fs.readdirSync(path.join(root, dir), { recursive: true }).map(String)) {
      if (!file.endsWith('.go') || file.endsWith('_test.go') || file.includes('storetest')) continue;
      const source = fs.readFileSync(path.join(root, dir, file), 'utf8');
      for (const m of source.matchAll(/(?:\bact|record|recordAs|\bAudit|\bsays)\((?:[^"\n]*, )?"([a-z]+\.[a-z_]+)"|\bKind: "([a-z]+\.[a-z_]+)"/g)) kinds.add((m[1] ?? m[2])!);
    }
  }
  assert.ok(kinds.size > 30, `only ${kinds.size} kinds found in the sources: ${[...kinds].join(' ')}`);
  assert.deepEqual([...kinds].filter((k) => !(`admin.kind.${k}` in en)), []);
});
