import assert from 'node:assert/strict';
import { test } from 'node:test';
import { awaySpans, bars, knownPart, niceTop, paths, spans, summary } from '../src/pages/health/plot';

test('a summary leaves out what is not known', () => {
  assert.deepEqual(summary([null, 4, 1, null, 3]), { min: 1, median: 3, max: 4, last: 3, sum: 8 });
  assert.deepEqual(summary([2, 8]), { min: 2, median: 5, max: 8, last: 8, sum: 10 });
  assert.equal(summary([null, null]), null);
  assert.equal(summary([]), null);
});

test('the top of a plot is 1, 2 or 5 times a power of ten', () => {
  for (const [v, want] of [[0, 1], [1, 1], [1.2, 2], [4.9, 5], [5.1, 10], [73, 100], [1000, 1000], [1001, 2000]] as const) {
    assert.equal(niceTop(v), want, `of ${v}`);
  }
  assert.equal(niceTop(3, 1000), 1000);
  assert.equal(niceTop(0.3, 0.1), 0.5);
});

test('a line breaks where nothing is known', () => {
  assert.deepEqual(spans([null, 1, 2, null, null, 3]), [[1, 3], [5, 6]]);
  const { line, area } = paths([null, 0, 10, null, 5], 10, 40);
  assert.equal(line, 'M1.5 40L2.5 0M4 20L5 20'); // a value alone is as wide as its step
  assert.equal(area, 'M1.5 40L1.5 40L2.5 0L2.5 40ZM4 40L4 20L5 20L5 40Z');
});

test('what is above the top stays inside', () => {
  assert.equal(paths([20, -3], 10, 40).line, 'M0.5 0L1.5 40');
});

test('a bar can be seen, however small, and none is none', () => {
  assert.deepEqual(bars([null, 0, 1, 100], 100, 40), [{ x: 2, y: 36, height: 4 }, { x: 3, y: 0, height: 40 }]);
});

test('away is where it was not connected for most of a step', () => {
  assert.deepEqual(awaySpans([1, 0, 0.2, 0.5, null, 0]), [[1, 3], [5, 6]]);
});

test('how much is known', () => {
  assert.equal(knownPart([1, null]), 0.5);
  assert.equal(knownPart([]), 0);
});
