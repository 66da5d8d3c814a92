import assert from 'node:assert/strict';
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
