// A QR code as an image: dark squares on white, in both themes, for a camera to read.
import type { JSX } from 'preact';
import qrcode from 'qrcode-generator';
import { useMemo } from 'preact/hooks';

/** Empty modules around the code, as readers need. */
const quiet = 4;

export function Qr({ text, label }: { text: string; label: string }): JSX.Element {
  const { size, path } = useMemo(() => {
    const q = qrcode(0, 'M');
    q.addData(text, 'Alphanumeric'); // tokens are made of nothing else
    q.make();
    const n = q.getModuleCount();
    let d = '';
    for (let y = 0; y < n; y++) for (let x = 0; x < n; x++) if (q.isDark(y, x)) d += `M${x + quiet} ${y + quiet}h1v1h-1z`;
    return { size: n + 2 * quiet, path: d };
  }, [text]);
  return (
    <div class="qr">
      <svg viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shape-rendering="crispEdges">
        <path d={path} fill="#000" />
      </svg>
    </div>
  );
}
