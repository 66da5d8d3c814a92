// Every page: no serious finding of axe in either theme, nothing wider than a phone, and
// (with SCREENSHOTS=1) its pictures for docs/screenshots.
import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { expect, open, test } from './harness/fixtures';
import { furnish, pages, type House } from './harness/house';
import { root } from './harness/paths';
import { admin, Server } from './harness/server';

let server: Server;
let house: House;

test.beforeAll(async () => {
  test.setTimeout(240_000);
  server = await Server.start();
  await server.setUp();
  house = await furnish(server);
});
test.afterAll(async () => {
  await server.stop();
});
test.beforeEach(async ({ page }) => {
  const r = await page.context().request.post(server.url + '/api/v1/session', { data: admin });
  expect(r.ok()).toBeTruthy();
});

async function settle(page: Page, at: string[], theme: 'light' | 'dark'): Promise<void> {
  await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
  await open(page, server, ...at);
  await expect(page.locator('main h1').first()).toBeVisible();
  await expect(page.locator('main .spinner')).toHaveCount(0);
}

async function findings(page: Page): Promise<string[]> {
  const r = await new AxeBuilder({ page: page as never /* of another version of the same types */ }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze();
  return r.violations
    .filter((v) => v.impact === 'serious' || v.impact === 'critical')
    .flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')}: ${n.failureSummary?.split('\n').slice(1).join(' ')}`));
}

test('axe has no serious finding on any page, and no page is wider than the screen', async ({ page }) => {
  test.setTimeout(600_000);
  const wrong: string[] = [];
  for (const { name, at } of pages(house)) {
    for (const theme of ['light', 'dark'] as const) {
      await settle(page, at, theme);
      wrong.push(...(await findings(page)).map((f) => `${name} (${theme}): ${f}`));
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (over > 0) wrong.push(`${name} (${theme}): ${over} px wider than the screen`);
    }
  }
  expect(wrong).toEqual([]);
});

test('axe has no serious finding at the door', async ({ page }) => {
  await page.context().clearCookies();
  for (const theme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: theme });
    await page.goto(server.url + '/');
    await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
    expect(await findings(page)).toEqual([]);
  }
});

test('pictures of every page @screenshots', async ({ page }, info) => {
  test.setTimeout(600_000);
  const dir = path.join(root, 'docs/screenshots');
  fs.mkdirSync(dir, { recursive: true });
  for (const { name, at } of pages(house)) {
    for (const theme of ['light', 'dark'] as const) {
      await settle(page, at, theme);
      await page.waitForFunction(() => [...document.images].every((i) => i.complete));
      await page.screenshot({ path: path.join(dir, `${name}-${info.project.name}-${theme}.png`), fullPage: info.project.name === 'phone', scale: 'css' });
    }
  }
});
