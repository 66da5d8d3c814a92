// The tests that docs/conformance.md names for the browser exist.
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';

const root = process.env.CONSOLE_ROOT!;

test('every test that the page of conformance names for the browser exists', () => {
  const page = fs.readFileSync(path.join(root, '../docs/conformance.md'), 'utf8');
  const section = page.slice(page.indexOf('## The browser as a client')).split(/\n## /)[0]!;
  const named = [...section.matchAll(/`((?:e2e\/)?[\w-]+\.(?:test|spec)\.ts): ([^`]+)`/g)];
  assert.ok(named.length > 30, `found only ${named.length} names`);
  for (const [, file, title] of named) {
    const source = fs.readFileSync(path.join(root, file!.startsWith('e2e/') ? '' : 'test/sendspin', file!), 'utf8').replaceAll("\\'", "'");
    assert.ok(["'", '`'].some((quote) => source.includes(`test(${quote}${title}`)), `${file} has no test “${title}”`);
  }
});
