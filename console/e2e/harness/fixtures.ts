// What a test gets: a running server and a page that an administrator is signed in to.
import { test as base, expect, type Browser, type Page } from '@playwright/test';
import { admin, Server } from './server';

export { admin, expect, Server };

/** Signs a person in, in the page's own browser context, through the form. */
export async function signIn(page: Page, server: Server, who = admin): Promise<void> {
  await page.goto(server.url + '/');
  await page.getByLabel('Name', { exact: true }).fill(who.name);
  await page.getByLabel('Password', { exact: true }).fill(who.password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('navigation', { name: 'Pages' })).toBeVisible();
}

/** Opens a page of the console, such as open(page, 'devices', 'inbox'). */
export async function open(page: Page, server: Server, ...segments: string[]): Promise<void> {
  await page.goto(`${server.url}/#/${segments.join('/')}`);
  await expect(page.locator('main#content')).toBeVisible();
}

/** What the page must not have said at the end of a test. */
function watch(page: Page): () => void {
  const complaints: string[] = [];
  page.on('pageerror', (err) => complaints.push(`uncaught: ${err.message}`));
  page.on('console', (m) => {
    // A refusal of the server is also a line of the browser; that is what tests provoke.
    if (m.type() === 'error' && !/Failed to load resource|net::ERR_/.test(m.text())) complaints.push(m.text());
  });
  page.on('request', (r) => {
    const u = new URL(r.url());
    if (/^(https?|wss?):$/.test(u.protocol) && u.hostname !== '127.0.0.1') complaints.push(`loads from elsewhere: ${r.url()}`);
  });
  return () => expect(complaints).toEqual([]);
}

export const test = base.extend<{ fresh: Server; ui: Page }, { server: Server }>({
  // One server for all tests of a worker: use names of your own for what you make.
  server: [async ({}, use) => {
    const s = await Server.start();
    await s.setUp();
    await use(s);
    await s.stop();
  }, { scope: 'worker', timeout: 120_000 }],

  // A server of the test's own, with nobody set up.
  fresh: async ({}, use) => {
    const s = await Server.start();
    await use(s);
    await s.stop();
  },

  // The console, with the administrator signed in. The cookie comes from the API: the form
  // has tests of its own.
  ui: async ({ page, server }, use) => {
    const clean = watch(page);
    const r = await page.context().request.post(server.url + '/api/v1/session', { data: admin });
    expect(r.ok(), await r.text()).toBeTruthy();
    await page.goto(server.url + '/');
    await expect(page.getByRole('navigation', { name: 'Pages' })).toBeVisible();
    await use(page);
    clean();
  },
});

/** The same person in a second browser: a session of its own, and a page. */
export async function second(browser: Browser, server: Server): Promise<Page> {
  const context = await browser.newContext();
  const r = await context.request.post(server.url + '/api/v1/session', { data: admin });
  expect(r.ok(), await r.text()).toBeTruthy();
  return context.newPage();
}
