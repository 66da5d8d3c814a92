import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeLength, digits, grouped, grouping, readToken, ways } from '../src/pages/devices/pair/code';
import { waiting } from '../src/pages/devices/pair/handover';
import { stepsOf } from '../src/pages/devices/pair/steps';
import en from '../src/i18n/en';

test('slots show the length that the attempt says, in the groups that the device prints', () => {
  assert.deepEqual([6, 8, 4, 9, 10, 1].map(grouping), [[3, 3], [4, 4], [4], [3, 3, 3], [4, 4, 2], [1]]);
  assert.equal(codeLength({ method: 'dynamic_pairing_code', format: 'digits', code_length: 6 }), 6);
  assert.equal(codeLength({ method: 'dynamic_pairing_code', format: 'digits', code_length: 9 }), 9);
  assert.equal(codeLength({ method: 'dynamic_pairing_code', format: 'digits' }), 6);
  assert.equal(codeLength({ method: 'static_pairing_code' }), 8);
  assert.equal(codeLength({ method: 'dynamic_pairing_code', format: 'qr_code', code_length: 6 }), 0);
  assert.equal(codeLength({ method: 'pairing_psk' }), 0);
  assert.equal(codeLength({ method: 'static_pairing_code', code_length: 4_000_000_000 }), 32);
});

test('a code is taken with any separators, and in the digits of other keyboards', () => {
  for (const s of ['123456', '123-456', ' 123 456 ', '1.2.3.4.5.6', 'Code: 123 456', '１２３４５６', '١٢٣٤٥٦', '123456789']) assert.equal(digits(s, 6), '123456', s);
  assert.equal(digits('abc'), '');
  assert.equal(grouped('12345', 6), '123 45');
  assert.equal(grouped('40617253', 8), '4061 7253');
  assert.equal(grouped('', 6), '');
});

// 64 bytes 0…63 and 24 bytes 0…23 in base32 with 9 for 2, computed apart from this code.
const encode = (bytes: number[]): string => {
  const bits = bytes.map((b) => b.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{1,5}/g) ?? []).map((s) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ934567'[parseInt(s.padEnd(5, '0'), 2)]).join('');
};
const key = Array.from({ length: 64 }, (_, i) => (i * 37) & 255);
const psk = `SP:0${encode(key)}`;
const code = `SP:1${encode(key.slice(0, 24))}`;

test('a pairing token is told from a code, and names its device', () => {
  const id = Buffer.from(key.slice(0, 32)).toString('base64url');
  for (const s of [psk, ` ${psk}\n`, psk.toLowerCase(), psk.slice(3)]) assert.deepEqual(readToken(s), { version: 0, text: psk, clientId: id }, s);
  assert.deepEqual(readToken(code), { version: 1, text: code });
  assert.equal(psk.length, 107);
});

test('what is no token says why', () => {
  const cases: [string, string][] = [
    ['', 'empty'], ['  ', 'empty'], ['123 456', 'digits'], ['4061-7253', 'digits'], ['SP:2AAAA', 'version'], ['SP:0AB8C', 'damaged'],
    ['SP:0AAAA', 'short'], [psk.slice(0, -10), 'short'], [code.slice(0, -5), 'short'], ['https://example.org', 'other'], ['hello', 'other'], ['<script>', 'other'],
  ];
  for (const [s, want] of cases) assert.equal(readToken(s), want, s);
});

test('ways to pair come best first, each with its words', () => {
  const all = ways({ pair_methods: [
    { method: 'static_pairing_code' }, { method: 'pairing_psk' }, { method: 'dynamic_pairing_code', formats: ['qr_code', 'digits'] }, { method: 'of_tomorrow' },
  ] });
  assert.deepEqual(all.map((w) => w.kind), ['digits', 'qr', 'token', 'static']);
  assert.deepEqual(all.map((w) => w.format), ['digits', 'qr_code', undefined, undefined]);
  assert.deepEqual(ways({ pair_methods: [{ method: 'dynamic_pairing_code' }] }).map((w) => w.kind), ['digits']);
  for (const w of all) for (const k of ['way', 'way_hint']) assert.ok(`devices.pair.${k}.${w.kind}` in en, w.kind);
});

test('the steps of every state', () => {
  assert.deepEqual(stepsOf({ method: 'dynamic_pairing_code', state: 'awaiting_code' }), { steps: ['ask', 'code', 'check', 'done'], at: 1 });
  assert.deepEqual(stepsOf({ method: 'pairing_psk', state: 'verifying' }), { steps: ['ask', 'check', 'done'], at: 1 });
  assert.equal(stepsOf({ method: 'static_pairing_code', state: 'pending' }).at, 0);
  assert.equal(stepsOf({ method: 'dynamic_pairing_code', state: 'failed' }).at, 3);
});

test('every reason of a failure has its words and its next step', () => {
  // services/management/internal/model/pairing.go, Pairing.Reason.
  const reasons = ['pairing_code_mismatch', 'attempt_timeout', 'method_not_supported', 'concurrent_attempt', 'user_cancelled', 'cancelled',
    'server_timeout', 'protocol_error', 'disconnected', 'not_connected', 'interrupted', 'storage_failed', 'device_aborted', 'other'];
  for (const r of reasons) for (const k of ['failed', 'next']) assert.ok(`devices.pair.${k}.${r}` in en, `${k} ${r}`);
});

test('a scanned token goes to its device, once', () => {
  waiting.put('a', 'secret');
  assert.equal(waiting.take('b'), '');
  waiting.put('a', 'secret');
  assert.equal(waiting.take('a'), 'secret');
  assert.equal(waiting.take('a'), '');
});
