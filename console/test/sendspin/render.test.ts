import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OutputClock } from '../../src/sendspin/audio/outputclock';
import { Queue } from '../../src/sendspin/audio/queue';
import { correction, Renderer } from '../../src/sendspin/audio/renderer';
import { interpolate, reach } from '../../src/sendspin/audio/sinc';
import { random } from './vectors';

const rate = 48_000;
const block = 1024;

/** Samples that say where they are from: a slow sine of the server's time. */
const tone = (us: number): number => 0.5 * Math.sin((2 * Math.PI * 440 * us) / 1e6);

function fill(r: Renderer, from: number, chunks: number, ms = 100): number {
  const frames = (rate * ms) / 1000;
  for (let i = 0; i < chunks; i++) {
    const at = from + i * ms * 1000;
    r.push(Math.round(at), [Float32Array.from({ length: frames }, (_, k) => tone(at + (k * 1e6) / rate))]);
  }
  return from + chunks * ms * 1000;
}

test('on whole positions the interpolator gives the samples, between them the tone', () => {
  const source = Float32Array.from({ length: 400 }, (_, i) => Math.sin(i * 0.7));
  const out = new Float32Array(100);
  interpolate(out, source, 1000, 1100, 1);
  assert.deepEqual([...out], [...source.subarray(100, 200)]);
  interpolate(out, source, 1000, 1100.37, 1.0003);
  out.forEach((v, i) => assert.ok(Math.abs(v - Math.sin((100.37 + i * 1.0003) * 0.7)) < 1e-3, `${i}: ${v}`));
  interpolate(out, source, 1000, 900 - reach, 1);
  assert.equal(out[0], 0, 'outside there is silence');
});

test('chunks join, holes stay holes, and what lies behind is refused', () => {
  const q = new Queue(rate, 1);
  const one = new Float32Array(480).fill(1);
  assert.ok(q.push(1_000_000, [one]));
  assert.ok(q.push(1_010_001, [one]), 'rounded to a whole µs');
  assert.equal(q.end(), 960);
  assert.ok(q.push(1_030_001, [one]));
  assert.equal(q.end(), 960 + 480 + 480);
  assert.deepEqual([...q.read(0, 958, 962)], [1, 1, 0, 0]);
  assert.ok(!q.push(1_020_000, [one]));
  assert.ok(Math.abs(q.timeAt(q.indexAt(1_035_000)) - 1_035_000) < 1e-6);
  q.dropBefore(5000);
  assert.equal(q.end(), 1920, 'the last chunk keeps the timeline');
});

/** Plays blocks at an output that runs ppm faster than the server's clock. */
function play(r: Renderer, start: number, blocks: number, ppm: number, each: (b: ReturnType<Renderer['block']>, target: number, i: number) => void): number {
  const perFrame = (1e6 / rate) * (1 - ppm * 1e-6);
  let target = start;
  for (let i = 0; i < blocks; i++) {
    each(r.block(block, target, perFrame, true), target, i);
    target += block * perFrame;
  }
  return target;
}

for (const ppm of [-200, -37, 0, 37, 200]) {
  test(`an output that is ${ppm} ppm off is followed without a jump`, () => {
    const r = new Renderer(rate, 1);
    fill(r, 1_000_000, 300);
    let worst = 0;
    play(r, 1_000_000, 1300, ppm, (b, target, i) => {
      assert.ok(typeof b === 'object', `block ${i}: ${String(b)}`);
      // Every sample is the one of its time. The tone's steepest place moves by 0.0014 in 1 µs.
      const first = b.channels[0]!;
      for (const k of [300, 700, 1000]) worst = Math.max(worst, Math.abs(first[k]! - tone(target + (k * 1e6 * (1 - ppm * 1e-6)) / rate)));
      assert.ok(Math.abs(r.stats.speedPpm) < 5000);
    });
    assert.ok(worst < 0.0014 * 40, `worst difference ${worst}`);
    assert.deepEqual([r.stats.resyncs, r.stats.underruns, r.stats.late, r.stats.refused], [0, 0, 0, 0]);
  });
}

test('an error of less than two milliseconds is drawn in softly', () => {
  const r = new Renderer(rate, 1);
  fill(r, 0, 300);
  let at = play(r, 0, 20, 0, () => {});
  at = play(r, at + 1500, 1, 0, () => {});
  let last = r.stats.speedPpm;
  play(r, at, 300, 0, () => {
    assert.ok(Math.abs(r.stats.speedPpm - last) <= 61, 'the speed changes slowly');
    last = r.stats.speedPpm;
  });
  assert.ok(Math.abs(r.stats.errorUs) < 200, `${r.stats.errorUs} µs are left`);
  assert.equal(r.stats.resyncs, 0);
});

test('a large error is corrected at once and counted, without a step in the sound', () => {
  const r = new Renderer(rate, 1);
  fill(r, 0, 100);
  const at = play(r, 0, 20, 0, () => {});
  let before = 0;
  let joined = false;
  play(r, at + 50_000, 40, 0, (b) => {
    assert.ok(typeof b === 'object');
    for (const v of b.channels[0]!) {
      if (joined) assert.ok(Math.abs(v - before) < 0.12, `a step from ${before} to ${v}`); // the tone's own is 0.029
      joined = true;
      before = v;
    }
  });
  assert.equal(r.stats.resyncs, 1);
  assert.ok(Math.abs(r.stats.errorUs) < 50);
});

test('late chunks are dropped and counted', () => {
  const r = new Renderer(rate, 1);
  fill(r, 0, 10);
  play(r, 500_000, 10, 0, () => {});
  fill(r, 100_000, 3);
  assert.equal(r.stats.late, 3);
});

test('a stream that runs dry fades out, and comes back in time', () => {
  const r = new Renderer(rate, 1);
  fill(r, 0, 5);
  let silent = 0;
  let at = play(r, 0, 40, 0, (b, target) => {
    if (b === 'silence') silent++;
    if (typeof b === 'object' && target > 480_000) assert.ok(Math.abs(b.channels[0]![block - 1]!) < 1e-6);
  });
  assert.equal(r.stats.underruns, 1);
  assert.ok(silent > 10);
  fill(r, 900_000, 20);
  let first = true;
  at = play(r, at, 30, 0, (b, target) => {
    if (typeof b !== 'object' || target < 900_000) return;
    first = false;
    assert.ok(Math.abs(b.channels[0]![900]! - tone(target + (900 * 1e6) / rate)) < 0.01);
  });
  assert.ok(!first && at > 0);
});

test('before its time a stream is silent, and begins to the sample', () => {
  const r = new Renderer(rate, 1);
  r.push(1_050_000, [new Float32Array(9600).fill(0.5)]);
  assert.equal(r.block(block, 1_000_000, 1e6 / rate, false), 'silence');
  const b = r.block(block, 1_040_000, 1e6 / rate, false);
  assert.ok(typeof b === 'object');
  const from = b.channels[0]!.findIndex((v) => Math.abs(v) > 0.25);
  assert.ok(Math.abs(from - 480) <= 1, `begins at ${from}`);
});

test('nothing is made of what has not come, unless it is urgent', () => {
  const r = new Renderer(rate, 1);
  assert.equal(r.block(block, 0, 1e6 / rate, false), 'wait');
  fill(r, 0, 1);
  assert.equal(typeof r.block(block, 0, 1e6 / rate, false), 'object');
  for (let i = 1; i < 4; i++) r.block(block, (i * block * 1e6) / rate, 1e6 / rate, false);
  assert.equal(r.block(block, (4 * block * 1e6) / rate, 1e6 / rate, false), 'wait');
  assert.equal(r.stats.underruns, 0);
});

test('the correction stays far inside of what the specification allows', () => {
  for (let e = -20_000; e <= 20_000; e += 50) {
    assert.ok(Math.abs(correction(e)) <= 0.0018);
    assert.ok(e === 0 || Math.sign(correction(e)) === Math.sign(e));
  }
});

test('the output\'s clock finds offset and rate through jitter, and notices another output', () => {
  const next = random(31);
  const c = new OutputClock();
  const heard = (ctx: number, ppm: number, offset: number) => ctx * 1000 * (1 + ppm * 1e-6) + offset;
  for (let i = 1; i <= 600; i++) {
    const ctx = i * 0.05;
    c.add(ctx, heard(ctx, 80, 500) + (next() - 0.5) * 4);
    if (i > 200) assert.ok(Math.abs(c.heardAt(ctx + 0.5) - heard(ctx + 0.5, 80, 500)) < 0.5, `after ${ctx} s: ${c.heardAt(ctx + 0.5) - heard(ctx + 0.5, 80, 500)} ms`);
  }
  assert.ok(Math.abs(c.msPerSecond() - 1000.08) < 0.03);
  c.add(30.05, heard(30.05, 80, 500) + 60); // one stall says nothing
  assert.equal(c.restarts, 0);
  for (let i = 602; i < 640; i++) c.add(i * 0.05, heard(i * 0.05, 80, 700));
  assert.equal(c.restarts, 1);
  assert.ok(Math.abs(c.heardAt(31.5) - heard(31.5, 80, 700)) < 0.5);
});

test('a sound card that ran dry for a moment is noticed within half a second', () => {
  const next = random(32);
  const c = new OutputClock();
  let gap = 500;
  for (let i = 1; i <= 2000; i++) {
    const ctx = i * 0.04;
    if (i % 300 === 0) gap += (i % 600 === 0 ? -1 : 1) * 2.9; // ms
    c.add(ctx, ctx * 1000 + gap + (next() - 0.5) * 0.2);
    if (i > 20 && i % 300 > 12) assert.ok(Math.abs(c.heardAt(ctx) - ctx * 1000 - gap) < 0.3, `at ${ctx} s: ${c.heardAt(ctx) - ctx * 1000 - gap} ms`);
  }
  assert.equal(c.restarts, 6);
});

test('jitter alone is no step', () => {
  const next = random(33);
  const c = new OutputClock();
  for (let i = 1; i <= 3000; i++) c.add(i * 0.04, i * 40 + 7 + (next() + next() + next() - 1.5) * 2);
  assert.equal(c.restarts, 0);
});
