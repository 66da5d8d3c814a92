// Every page in every language: no label is cut or broken within a word, nothing is wider
// than the screen, and no sentence of another language is left.
import type { Page } from '@playwright/test';
import * as path from 'node:path';
import { expect, open, test } from './harness/fixtures';
import { furnish, pages, type House } from './harness/house';
import { admin, Server } from './harness/server';

const languages = ['en', 'de', 'fr', 'es'] as const;
/** What opens the dialog with the most labels. */
const announce = { en: 'Announce', de: 'Durchsage', fr: 'Annoncer', es: 'Anunciar' };

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

/** What is wrong with the labels that can be seen: each as words. */
function badLabels(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const wrong: string[] = [];
    // Words of the console itself. Names that people gave may be shortened.
    const labels = 'nav a > span:not([aria-label]), .tabs a, button, .btn, .btn > span, .badge, label, legend, summary, th, dt, h1, h2, h3, figcaption > span';
    for (const e of document.querySelectorAll<HTMLElement>(labels)) {
      if (!e.checkVisibility() || e.closest('.sr, .skip, .ellipsis')) continue;
      const box = e.getBoundingClientRect();
      if (box.width < 2) continue;
      let said = false; // for screen readers alone
      for (let p: Element | null = e; p; p = p.parentElement) said ||= getComputedStyle(p).clipPath !== 'none';
      if (said) continue;
      const say = (what: string) => wrong.push(`${what}: <${e.tagName.toLowerCase()} class="${e.className}"> ${JSON.stringify(e.textContent!.trim().slice(0, 60))}`);
      if (getComputedStyle(e).display !== 'inline') {
        if (e.scrollWidth > e.clientWidth + 1) say(`cut, ${e.scrollWidth} px in ${e.clientWidth}`);
        if (getComputedStyle(e).overflowY !== 'visible' && e.scrollHeight > e.clientHeight + 1) say(`cut below, ${e.scrollHeight} px in ${e.clientHeight}`);
      }
      // Behind the edge of what scrolls sideways, or of the screen.
      let edge = innerWidth;
      for (let p = e.parentElement; p; p = p.parentElement) if (getComputedStyle(p).overflowX !== 'visible') edge = Math.min(edge, p.getBoundingClientRect().right);
      if (box.right > edge + 1 && !e.closest('.scroll')) say(`${Math.round(box.right - edge)} px behind the edge`);
      const texts = document.createTreeWalker(e, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        const text = texts.currentNode as Text;
        if (text.parentElement!.closest('.sr, .ellipsis, .mono, code, svg')) continue;
        for (const word of text.data.matchAll(/[\p{L}\p{N}]+/gu)) {
          const range = document.createRange();
          range.setStart(text, word.index);
          range.setEnd(text, word.index + word[0].length);
          const lines = new Set([...range.getClientRects()].filter((r) => r.width > 0).map((r) => Math.round(r.top)));
          if (lines.size > 1) say(`the word ${word[0]} is broken`);
        }
      }
    }
    const over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    if (over > 0) wrong.push(`the page is ${over} px wider than the screen`);
    return [...new Set(wrong)];
  });
}

for (const language of languages) {
  test(`no label is cut in ${language}`, async ({ page }, info) => {
    test.setTimeout(300_000);
    await page.addInitScript((l) => localStorage.setItem('tutti.language', l), language);
    await page.emulateMedia({ reducedMotion: 'reduce' });
    const wrong: string[] = [];
    const parts = [
      ...pages(house),
      ...['queue', 'library', 'sources', 'history'].map((tab) => ({ name: `now-${tab}`, at: ['now', house.lobby, tab] })),
      ...['import', 'swap'].map((part) => ({ name: `personas-${part}`, at: ['devices', 'personas', part] })),
    ];
    for (const { name, at } of parts) {
      await open(page, server, ...at);
      await expect(page.locator('html')).toHaveAttribute('lang', language);
      await expect(page.locator('main h1').first()).toBeVisible();
      await expect(page.locator('main .spinner')).toHaveCount(0);
      if (name === 'admin-audit') await expect(page.getByTestId('audit-line').first()).toBeVisible();
      if (name === 'health') await expect(page.locator('.spark').first()).toBeVisible();
      await page.evaluate(() => document.fonts.ready);
      wrong.push(...(await badLabels(page)).map((w) => `${name}: ${w}`));
      // For looking at: a folder of pictures that nobody keeps.
      if (process.env.LOOK) await page.screenshot({ path: path.join(process.env.LOOK, `${name}-${info.project.name}-${language}.png`), fullPage: true, scale: 'css' });
    }
    // Dialogs that every page has, or that have many labels.
    await open(page, server, 'now');
    await page.locator('.topbar button').click();
    await page.locator('dialog summary').click();
    wrong.push(...(await badLabels(page)).map((w) => `account: ${w}`));
    await page.keyboard.press('Escape');
    await page.locator('[data-testid=zone] button').filter({ hasText: announce[language] }).first().click();
    await expect(page.locator('dialog .foot button').first()).toBeVisible();
    wrong.push(...(await badLabels(page)).map((w) => `announce: ${w}`));
    if (process.env.LOOK) await page.screenshot({ path: path.join(process.env.LOOK, `announce-${info.project.name}-${language}.png`), scale: 'css' });
    expect(wrong).toEqual([]);
  });
}
