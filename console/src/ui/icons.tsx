// Icons are strokes on a 24 by 24 grid in the colour of the text. They are decoration:
// what they mean stands beside them, or in the label of the button.
import type { JSX } from 'preact';

const paths = {
  now: 'M4 14v-4M8 17V7M12 20V4M16 17V7M20 14v-4',
  devices: 'M7 3h10a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H7a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1ZM12 7h.01M12 17a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z',
  speaker: 'M4 9v6h4l5 4V5L8 9H4ZM16.5 8.5a5 5 0 0 1 0 7M19 6a9 9 0 0 1 0 12',
  health: 'M3 12h4l2-6 4 12 2-6h6',
  schedules: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 7v5l3 3',
  admin: 'M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6l7-3Z',
  play: 'M7 4l13 8-13 8V4Z',
  pause: 'M8 5v14M16 5v14',
  stop: 'M6 6h12v12H6z',
  next: 'M5 5l10 7-10 7V5ZM19 5v14',
  previous: 'M19 5L9 12l10 7V5ZM5 5v14',
  volume: 'M4 9v6h4l5 4V5L8 9H4ZM16.5 8.5a5 5 0 0 1 0 7',
  muted: 'M4 9v6h4l5 4V5L8 9H4ZM17 9l5 6M22 9l-5 6',
  shuffle: 'M3 6h4l10 12h4M3 18h4l3-4M14 9l3-3h4M18 3l3 3-3 3M18 15l3 3-3 3',
  repeat: 'M4 12V9a3 3 0 0 1 3-3h12M16 3l3 3-3 3M20 12v3a3 3 0 0 1-3 3H5M8 21l-3-3 3-3',
  queue: 'M4 6h16M4 12h10M4 18h10M18 13v7M18 20a2 2 0 1 1-4 0',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM20 20l-4-4',
  megaphone: 'M4 10v4h3l9 5V5l-9 5H4ZM19 9a4 4 0 0 1 0 6',
  mic: 'M12 15a3 3 0 0 0 3-3V6a3 3 0 0 0-6 0v6a3 3 0 0 0 3 3ZM6 11a6 6 0 0 0 12 0M12 17v4',
  plus: 'M12 5v14M5 12h14',
  close: 'M6 6l12 12M18 6L6 18',
  check: 'M5 13l4 4L19 7',
  warning: 'M12 4l9 16H3l9-16ZM12 10v4M12 17h.01',
  info: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 11v5M12 8h.01',
  question: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7M12 17h.01',
  block: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM6 6l12 12',
  mask: 'M4 6c5-2 11-2 16 0v6c0 5-4 8-8 9-4-1-8-4-8-9V6ZM8 11h2M14 11h2M9 16c2-1 4-1 6 0',
  link: 'M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1',
  key: 'M14 10a4 4 0 1 0-4 4l1-1h2v-2h2v-1ZM15 10l6 0M19 10v3',
  qr: 'M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h2v2M20 14v2M14 20h2M18 18h2v2',
  camera: 'M4 7h4l2-2h4l2 2h4v12H4V7ZM12 16a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z',
  image: 'M4 5h16v14H4zM4 16l5-5 5 5M13 14l3-3 4 4M9 9h.01',
  edit: 'M4 20h4L19 9l-4-4L4 16v4ZM13 7l4 4',
  trash: 'M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13',
  more: 'M6 12h.01M12 12h.01M18 12h.01',
  up: 'M6 15l6-6 6 6',
  down: 'M6 9l6 6 6-6',
  left: 'M15 6l-6 6 6 6',
  right: 'M9 6l6 6-6 6',
  folder: 'M3 6h6l2 2h10v11H3V6Z',
  music: 'M9 18V5l11-2v13M9 18a3 3 0 1 1-3-3 3 3 0 0 1 3 3ZM20 16a3 3 0 1 1-3-3 3 3 0 0 1 3 3Z',
  user: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4 21a8 8 0 0 1 16 0',
  sun: 'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 2v2M12 20v2M4 12H2M22 12h-2M5 5l1 1M18 18l1 1M19 5l-1 1M6 18l-1 1',
  out: 'M14 4h5v16h-5M3 12h11M10 8l4 4-4 4',
  download: 'M12 4v11M7 11l5 5 5-5M4 20h16',
  upload: 'M12 16V5M7 9l5-5 5 5M4 20h16',
  swap: 'M4 8h14M14 4l4 4-4 4M20 16H6M10 12l-4 4 4 4',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 24 }: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
