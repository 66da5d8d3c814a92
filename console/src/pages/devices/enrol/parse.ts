// Pairing tokens of many devices, out of what people have: lines of a file or a paste,
// tables with a heading, quotes and comments.

/** The most tokens that one request takes. */
export const mostTokens = 1000;
/** The largest file that is read (bytes). */
export const mostBytes = 2 << 20;

export interface Line {
  /** Its number in what was given, from 1. */
  line: number;
  text: string;
}

/** The first column, without quotes and comments. */
function firstColumn(line: string): string {
  const cell = line.replace(/^\ufeff/, '').replace(/#.*$/, '').trim().split(/[,;\t]/)[0]!.trim();
  return cell.replace(/^["'](.*)["']$/, '$1').trim();
}

const isHeading = (cell: string): boolean => !/^sp:/i.test(cell) && /^[a-z _-]{2,24}$/i.test(cell);

/** The lines that hold something that may be a token. */
export function lines(text: string): Line[] {
  const out: Line[] = [];
  let rows = 0;
  text.split(/\r\n|\r|\n/).forEach((raw, i) => {
    const cell = firstColumn(raw);
    if (!cell) return;
    rows++;
    if (rows === 1 && isHeading(cell)) return;
    out.push({ line: i + 1, text: cell });
  });
  return out;
}

/** What is shown of a token: its secret stays out of the page, and off the screen. */
export function masked(text: string): string {
  const s = text.trim();
  return s.length <= 12 ? s : `${s.slice(0, 10)}…`;
}
