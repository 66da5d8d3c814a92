// Every code that the server can say has words here: the rules are read from its source.
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import en from '../src/i18n/en';

const dir = path.join(process.env.CONSOLE_ROOT!, '../services/management/internal/health');
const source = fs.readdirSync(dir).filter((f) => /^rules.*\.go$/.test(f) && !f.endsWith('_test.go')).map((f) => fs.readFileSync(path.join(dir, f), 'utf8')).join('\n');
const found = (re: RegExp): string[] => [...new Set([...source.matchAll(re)].map((m) => m[1]!))].sort();

test('every finding of the server has words', () => {
  const codes = found(/(?:Severity: [\w.]+, Code: |x\.Code, x\.(?:Severity|Params\["detail"\]) = |x\.Code = )"(\w+)"/g);
  assert.ok(codes.length >= 20, `only ${codes.length} codes were found: ${codes.join(' ')}`);
  for (const c of codes) assert.ok(`health.finding.${c}` in en, c);
});

test('every remedy of the server has words, and one that acts says what it will do', () => {
  const advice = found(/words\("(\w+)"/g);
  const acts = [...found(/Remedy\{Code: "(\w+)"/g), 'use_opus', 'use_flac'];
  assert.ok(advice.length >= 10 && acts.length >= 5, `${advice.join(' ')}; ${acts.join(' ')}`);
  for (const c of [...advice, ...acts]) assert.ok(`health.remedy.${c}` in en, c);
  for (const c of acts) assert.ok(`health.ask.${c}` in en, c);
});
