// Light, dark, or as the device has it (the default).
import { signal } from '@preact/signals';

export type Theme = 'auto' | 'light' | 'dark';
const stored = 'tutti.theme';
const dark = matchMedia('(prefers-color-scheme: dark)');

export const theme = signal<Theme>((localStorage.getItem(stored) as Theme | null) ?? 'auto');

export function applyTheme(): void {
  const t = theme.value;
  document.documentElement.dataset.theme = t === 'auto' ? (dark.matches ? 'dark' : 'light') : t;
}
dark.addEventListener('change', applyTheme);

export function setTheme(t: Theme): void {
  theme.value = t;
  localStorage.setItem(stored, t);
  applyTheme();
}
