// One small plot. It is a picture with words for those who do not see it; the table holds
// the same numbers.
import type { JSX } from 'preact';
import { t } from '../../i18n';
import { awaySpans, bars, niceTop, paths, summary } from './plot';
import type { Column } from './types';

/** Height of the drawing, in its own units. */
const height = 40;

export interface SparklineProps {
  label: string;
  column: Column;
  kind: 'line' | 'bars';
  /** Steps in which the client was away are shaded. */
  connected: Column;
  /** Marks at steps whose value is above zero, such as reconnects. */
  marks?: Column;
  format: (v: number) => string;
  /** The least top of the scale, so that noise does not look like a mountain. */
  least: number;
  /** What bars add up to. */
  total?: boolean;
}

export function Sparkline(p: SparklineProps): JSX.Element {
  const s = summary(p.column);
  const top = niceTop(s?.max ?? 0, p.least);
  const n = Math.max(p.column.length, 1);
  const words = !s ? t('health.plot.nothing')
    : p.total ? t('health.plot.total', { v: p.format(s.sum) })
    : t('health.plot.summary', { min: p.format(s.min), median: p.format(s.median), max: p.format(s.max) });
  // Nothing happened: the words say it, and an empty frame would say nothing more.
  if (p.total && s?.sum === 0) {
    return (
      <figure class="spark">
        <figcaption><span>{p.label}</span><b class="num">{p.format(0)}</b></figcaption>
      </figure>
    );
  }
  const drawn = p.kind === 'line' ? paths(p.column, top, height) : null;
  return (
    <figure class="spark">
      <figcaption>
        <span>{p.label}</span>
        <b class="num">{s ? (p.total ? p.format(s.sum) : p.format(s.last)) : '–'}</b>
      </figcaption>
      <div class="spark-box">
        <svg viewBox={`0 0 ${n} ${height}`} preserveAspectRatio="none" role="img" aria-label={`${p.label}: ${words}`}>
          {awaySpans(p.connected).map(([from, to]) => <rect key={from} class="away" x={from} y={0} width={to - from} height={height} />)}
          {drawn && <path class="area" d={drawn.area} />}
          {drawn && <path class="line" d={drawn.line} vector-effect="non-scaling-stroke" />}
          {p.kind === 'bars' && bars(p.column, top, height).map((b) => <rect key={b.x} class="bar" x={b.x} y={b.y} width={Math.max(1, n / 180)} height={b.height} />)}
          {p.marks?.map((v, i) => (v ? <path key={i} class="mark" d={`M${i + 0.5} 0V${height}`} vector-effect="non-scaling-stroke" /> : null))}
        </svg>
        {!s && <span class="spark-empty dim small" aria-hidden="true">{t('health.plot.nothing')}</span>}
        {s && !p.total && <span class="spark-top dim" aria-hidden="true">{p.format(top)}</span>}
      </div>
      {s && !p.total && <span class="spark-words dim num" aria-hidden="true">{words}</span>}
    </figure>
  );
}
