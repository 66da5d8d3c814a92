import assert from 'node:assert/strict';
import { test } from 'node:test';
import { level, toWav } from '../src/pages/now/announce/wav';

const word = (b: Uint8Array, at: number) => String.fromCharCode(...b.subarray(at, at + 4));

test('a recording becomes a WAV file of one channel', () => {
  const b = toWav([Float32Array.of(0, 1, -1, 0.5), Float32Array.of(0, 1, -1, 0)], 48_000);
  const v = new DataView(b.buffer);
  assert.equal(b.length, 44 + 8);
  assert.equal(word(b, 0) + word(b, 8) + word(b, 36), 'RIFFWAVEdata');
  assert.equal(v.getUint32(4, true), b.length - 8);
  assert.equal(v.getUint16(22, true), 1);
  assert.equal(v.getUint32(24, true), 48_000);
  assert.equal(v.getUint32(28, true), 96_000);
  assert.equal(v.getUint32(40, true), 8);
  assert.deepEqual([0, 1, 2, 3].map((i) => v.getInt16(44 + 2 * i, true)), [0, 32_767, -32_768, 8192]);
});

test('what is louder than full is cut, and nothing is a file too', () => {
  const v = new DataView(toWav([Float32Array.of(3, -3)], 8000).buffer);
  assert.deepEqual([v.getInt16(44, true), v.getInt16(46, true)], [32_767, -32_768]);
  assert.equal(toWav([], 8000).length, 44);
});

test('a meter shows silence as nothing and full scale as all', () => {
  assert.equal(level(new Float32Array(64)), 0);
  assert.equal(level(new Float32Array(64).fill(1)), 1);
  const quiet = level(new Float32Array(64).fill(0.01));
  assert.ok(quiet > 0.3 && quiet < 0.4, String(quiet));
  assert.equal(level(new Float32Array(0)), 0);
});
