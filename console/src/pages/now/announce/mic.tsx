// Speaking into this device: record, listen, record anew.
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { clock, t } from '../../../i18n';
import { Button, Notice } from '../../../ui/controls';
import { longest, record, refusal, unavailable, type Recorder } from './recorder';

export function Mic({ clip, onClip }: { clip: Blob | null; onClip: (b: Blob | null) => void }): JSX.Element {
  const [recorder, setRecorder] = useState<Recorder | null>(null);
  const [problem, setProblem] = useState<string>(unavailable());
  const running = useRef<Recorder | null>(null);
  useEffect(() => () => running.current?.abort(), []);

  const finish = async () => {
    const r = running.current;
    running.current = null;
    setRecorder(null);
    if (r) onClip(await r.stop());
  };
  const start = async () => {
    onClip(null);
    setProblem('');
    try {
      running.current = await record(() => void finish());
      setRecorder(running.current);
    } catch (err) {
      setProblem(refusal(err));
    }
  };
  if (problem === 'insecure' || problem === 'unsupported') return <Notice tone="info">{t(`now.mic.${problem}`)}</Notice>;
  return (
    <div class="stack now-mic">
      {problem && <Notice tone="bad" alert>{t(`now.mic.${problem}`)}</Notice>}
      {recorder ? <Recording recorder={recorder} onStop={finish} /> : (
        <Button icon="mic" kind={clip ? undefined : 'primary'} big onClick={start}>{t(clip ? 'now.mic.again' : 'now.mic.record')}</Button>
      )}
      {clip && !recorder && <Listen clip={clip} />}
      <p class="small dim">{t('now.mic.hint', { of: clock(longest) })}</p>
    </div>
  );
}

function Recording({ recorder, onStop }: { recorder: Recorder; onStop: () => unknown }): JSX.Element {
  const bar = useRef<HTMLElement>(null);
  const [since, setSince] = useState(0);
  useEffect(() => {
    const from = performance.now();
    let shown = 0;
    let frame = requestAnimationFrame(function draw() {
      shown = Math.max(recorder.level(), shown * 0.92); // falls slowly, as meters do
      if (bar.current) bar.current.style.transform = `scaleX(${shown})`;
      setSince(Math.floor((performance.now() - from) / 1000));
      frame = requestAnimationFrame(draw);
    });
    return () => cancelAnimationFrame(frame);
  }, [recorder]);
  return (
    <div class="stack">
      <div class="row"><span class="now-rec" aria-hidden="true" /><strong role="status">{t('now.mic.recording')}</strong><span class="grow" /><span class="num">{clock(since * 1000)}</span></div>
      <div class="now-meter" role="img" aria-label={t('now.mic.level')}><i ref={bar} /></div>
      <Button icon="stop" kind="danger" big onClick={onStop}>{t('now.mic.stop')}</Button>
    </div>
  );
}

/** Hearing a clip before it is announced. */
export function Listen({ clip }: { clip: Blob }): JSX.Element | null {
  const [url, setUrl] = useState('');
  useEffect(() => {
    const u = URL.createObjectURL(clip);
    setUrl(u);
    return () => URL.revokeObjectURL(u);
  }, [clip]);
  return url ? <audio class="now-audio" controls src={url} aria-label={t('now.mic.listen')} /> : null;
}
