import { defineConfig, devices } from '@playwright/test';
import * as fs from 'node:fs';

const chromium = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((p) => fs.existsSync(p));
if (!chromium) throw new Error('there is no Chromium: install Debian\'s package chromium, or name the program in CHROMIUM');

const launchOptions = {
  executablePath: chromium,
  args: [
    '--autoplay-policy=no-user-gesture-required',
    '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream',
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  ],
};

export default defineConfig({
  testDir: '.',
  outputDir: './results',
  globalSetup: './setup.ts',
  // One worker: the server, its devices and the browser share a small machine.
  workers: 1,
  fullyParallel: false,
  // What is waited for is waited for generously: tests assert what happens, not how fast.
  timeout: 120_000,
  expect: { timeout: 30_000 },
  retries: 0,
  forbidOnly: true,
  reporter: [['list']],
  grepInvert: process.env.SCREENSHOTS ? undefined : /@screenshots/,
  grep: process.env.SCREENSHOTS ? /@screenshots/ : undefined,
  use: {
    launchOptions,
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    trace: 'off',
    screenshot: 'only-on-failure',
    actionTimeout: 30_000,
  },
  projects: [
    { name: 'desktop', use: { viewport: { width: 1280, height: 800 } } },
    { name: 'phone', use: { ...devices['Pixel 5'], viewport: { width: 390, height: 844 }, launchOptions } },
  ],
});
