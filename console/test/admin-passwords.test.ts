import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastAdmin, passwordProblem } from '../src/pages/admin/person';
import { headerText } from '../src/pages/admin/sealed';
import { strength, strengths } from '../src/pages/admin/strength';
import type { Account } from '../src/pages/admin/types';

const user = (more: Partial<Account>): Account => ({ user_id: 'u', name: 'u', role: 'admin', zones: [], disabled: false, created_at: '', ...more });

test('the last one who can administer is known', () => {
  const [ana, ben] = [user({ user_id: 'a' }), user({ user_id: 'b', disabled: true })];
  assert.ok(lastAdmin([ana, ben], ana));
  assert.ok(!lastAdmin([ana, ben], ben), 'who is disabled cannot be the last');
  assert.ok(!lastAdmin([ana, user({ user_id: 'c' })], ana));
  assert.ok(!lastAdmin([ana, user({ role: 'operator' })], user({ role: 'operator' })));
});

test('a password typed twice', () => {
  assert.equal(passwordProblem('', '', false), undefined, 'kept');
  assert.equal(passwordProblem('', '', true), 'short');
  assert.equal(passwordProblem('123456789', '123456789', true), 'short');
  assert.equal(passwordProblem('correct horse', 'correct house', true), 'differ');
  assert.equal(passwordProblem('correct horse', 'correct horse', true), undefined);
});

test('strength rises with what has to be guessed', () => {
  const order = (text: string) => strengths.indexOf(strength(text));
  assert.equal(strength('short'), 'short');
  for (const weak of ['aaaaaaaaaaaaaaaa', '1234567890', 'passwordpassword', 'abcdefghijklmnop', 'hello hello hello']) assert.equal(strength(weak), 'weak', weak);
  assert.ok(order('correct horse') < order('correct horse battery staple'));
  assert.ok(order('correct horse battery staple') >= strengths.indexOf('good'));
  assert.equal(strength('Zk3!vQ9#tL2$pX7&'), 'strong');
  assert.equal(strength('correct horse battery staple violet harbour'), 'strong');
});

test('a passphrase of any signs fits into a header', () => {
  assert.equal(headerText('correct horse'), 'Y29ycmVjdCBob3JzZQ');
  assert.equal(Buffer.from(headerText('Füße ÿ 🎵'), 'base64url').toString('utf8'), 'Füße ÿ 🎵');
  assert.match(headerText('ÿÿÿ???>>>'), /^[\w-]+$/);
});
