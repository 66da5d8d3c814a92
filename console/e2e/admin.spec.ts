// The Admin page against a real server.
import * as fs from 'node:fs';
import * as net from 'node:net';
import type { Page } from '@playwright/test';
import { admin, expect, open, Server, signIn, test } from './harness/fixtures';

const dialog = (ui: Page, name: string | RegExp) => ui.getByRole('dialog', { name });

/** What a token may do, asked with the token itself. */
const status = async (server: Server, token: string, method: string, where: string, body?: unknown): Promise<number> =>
  (await fetch(server.url + '/api/v1' + where, {
    method, headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }, body: body === undefined ? undefined : JSON.stringify(body),
  })).status;

test('an operator of one zone sees and does only that zone', async ({ ui, server, browser }, info) => {
  const p = info.project.name;
  const [mine, other] = [await server.zone(`Mine ${p}`), await server.zone(`Other ${p}`)];
  const who = { name: `Bar ${p}`, password: 'behind the counter' };
  await open(ui, server, 'admin', 'people');
  await ui.getByRole('button', { name: 'New person' }).click();
  const d = dialog(ui, 'New person');
  await d.getByLabel('Name').fill(who.name);
  await d.getByRole('radio', { name: 'Only chosen zones' }).check();
  await d.getByLabel('Password', { exact: true }).fill(who.password);
  await d.getByLabel('The same again').fill('behind the counters');
  await d.getByRole('button', { name: 'Add the person' }).click();
  await expect(d.getByText('The two passwords differ.')).toBeVisible();
  await expect(d.getByText('Give a right in at least one zone')).toBeVisible();
  await d.getByLabel(`Mine ${p}`).selectOption('Operate');
  await d.getByLabel('The same again').fill(who.password);
  await d.getByRole('button', { name: 'Add the person' }).click();
  await expect(d).toBeHidden();
  const card = ui.getByTestId('person').filter({ hasText: who.name });
  await expect(card).toContainText(`Mine ${p}: operate`);
  await expect(card).toContainText('Never');

  const context = await browser.newContext({ viewport: info.project.use.viewport ?? null, locale: 'en-GB' });
  const bar = await context.newPage();
  await signIn(bar, server, who);
  await expect(bar.getByRole('heading', { name: `Mine ${p}` })).toBeVisible();
  await expect(bar.getByText(`Other ${p}`)).toHaveCount(0);
  await expect(bar.getByRole('link', { name: 'Admin' })).toHaveCount(0);
  // What the page does not offer, the server refuses.
  const token = (await (await bar.request.get(server.url + '/api/v1/session')).json()).csrf_token as string;
  const act = (where: string, data: object) => bar.request.post(server.url + '/api/v1' + where, { data, headers: { 'X-CSRF-Token': token } });
  expect((await act(`/groups/${mine}/repeat`, { mode: 'all' })).status()).toBe(200);
  expect([403, 404]).toContain((await act(`/groups/${other}/repeat`, { mode: 'all' })).status());
  expect((await act('/tokens', { name: 'mine', role: 'admin' })).status()).toBe(403);
  expect((await bar.request.get(server.url + '/api/v1/users')).status()).toBe(403);
  await open(bar, server, 'schedules');
  await expect(bar.getByText(`Mine ${p} has no schedule`)).toBeVisible();

  // Disabled, and the session is over at once.
  await ui.getByRole('button', { name: `Change ${who.name}` }).click();
  const e = dialog(ui, `Change ${who.name}`);
  await e.getByLabel('Disabled: cannot sign in').check();
  await e.getByRole('button', { name: 'Save' }).click();
  await expect(card).toContainText('Disabled');
  expect((await bar.request.get(server.url + '/api/v1/groups')).status()).toBe(401);
  await context.close();

  await ui.getByRole('button', { name: `Delete ${who.name}` }).click();
  await dialog(ui, `Delete ${who.name}`).getByRole('button', { name: 'Delete' }).click();
  await expect(card).toHaveCount(0);
});

test('the last one who can administer is protected', async ({ ui, server }) => {
  await open(ui, server, 'admin', 'people');
  const card = ui.getByTestId('person').filter({ hasText: admin.name });
  await expect(card).toContainText('You');
  await expect(card).toContainText('The last one who can administer');
  await expect(ui.getByRole('button', { name: `Delete ${admin.name}` })).toBeDisabled();
  await ui.getByRole('button', { name: `Change ${admin.name}` }).click();
  const d = dialog(ui, `Change ${admin.name}`);
  await expect(d.getByRole('radio', { name: 'Look' })).toBeDisabled();
  await expect(d.getByLabel('Disabled: cannot sign in')).toBeDisabled();
});

test('a token shows its secret once, does what it may, and is deleted', async ({ ui, server }, info) => {
  const name = `panel ${info.project.name}`;
  await open(ui, server, 'admin', 'tokens');
  await ui.getByRole('button', { name: 'New token' }).click();
  const d = dialog(ui, 'New token');
  await d.getByLabel('Name').fill('Bär');
  await d.getByRole('button', { name: 'Make the token' }).click();
  await expect(d.getByText('Use letters and digits without accents')).toBeVisible();
  await d.getByLabel('Name').fill(name);
  await d.getByRole('radio', { name: 'Operate' }).check();
  await d.getByLabel('Valid').selectOption('For 30 days');
  await d.getByRole('button', { name: 'Make the token' }).click();
  const secret = dialog(ui, `The token ${name}`);
  const token = await secret.getByTestId('token-secret').innerText();
  // A slip does not cost it.
  await ui.keyboard.press('Escape');
  await expect(secret.getByText('It cannot be shown again.')).toBeVisible();
  await secret.getByRole('button', { name: 'I have kept it' }).click();
  await expect(secret).toBeHidden();

  expect(await status(server, token, 'GET', '/groups')).toBe(200);
  expect(await status(server, token, 'GET', '/tokens')).toBe(403);
  const made = (await server.api('GET', '/tokens')).tokens.find((x: { name: string }) => x.name === name);
  const daysLeft = (Date.parse(made.expires_at) - Date.now()) / 86_400_000;
  expect(daysLeft).toBeGreaterThan(29);
  expect(daysLeft).toBeLessThan(31);

  await ui.getByRole('button', { name: `Delete the token ${name}` }).click();
  await dialog(ui, `Delete the token ${name}`).getByRole('button', { name: 'Delete' }).click();
  await expect(ui.getByTestId('token').filter({ hasText: name })).toHaveCount(0);
  expect(await status(server, token, 'GET', '/groups')).toBe(401);
});

test('policy opens only when it is confirmed, and closes at once', async ({ ui, server }) => {
  await open(ui, server, 'admin', 'policy');
  const policy = async () => (await server.api('GET', '/server')).policy.controller as string;
  await ui.getByRole('radio', { name: 'Every approved device' }).click();
  const d = dialog(ui, 'Every approved device');
  await expect(d).toContainText('can then change what plays');
  await d.getByRole('button', { name: 'Cancel' }).click();
  await expect(ui.getByRole('radio', { name: 'Paired ones' })).toBeChecked();
  expect(await policy()).toBe('paired_only');
  await ui.getByRole('radio', { name: 'Every approved device' }).click();
  await d.getByRole('button', { name: 'Allow it' }).click();
  await expect(ui.getByRole('radio', { name: 'Every approved device' })).toBeChecked();
  expect(await policy()).toBe('approved');
  await ui.getByRole('radio', { name: 'Paired ones' }).click();
  await expect.poll(policy).toBe('paired_only');
});

test('the ledger is searched, exported and checked', async ({ ui, server }, info) => {
  const evil = `=HYPERLINK ${info.project.name}`;
  await server.zone(evil);
  await server.zone(`Plain ${info.project.name}`);
  await open(ui, server, 'admin', 'audit');
  const lines = ui.getByTestId('audit-line');
  await ui.getByLabel('Search', { exact: true }).fill(`hyperlink ${info.project.name}`);
  await expect(lines).toHaveCount(1);
  await expect(lines.first()).toContainText('Zone made');

  const [csv] = await Promise.all([ui.waitForEvent('download'), ui.getByRole('button', { name: 'CSV' }).click()]);
  const text = fs.readFileSync(await csv.path(), 'utf8');
  expect(text.split('\r\n')[0]).toBe('id,at,actor,kind,client_id,detail');
  for (const cell of text.split(/\r\n|,/)) expect(cell).not.toMatch(/^"?\s*[=+@]/);
  const [json] = await Promise.all([ui.waitForEvent('download'), ui.getByRole('button', { name: 'JSON lines' }).click()]);
  expect(JSON.parse(fs.readFileSync(await json.path(), 'utf8').trim()).detail).toContain(evil);

  // New lines come by themselves.
  await ui.getByLabel('Search', { exact: true }).fill(`Later ${info.project.name}`);
  await expect(ui.getByText('No line matches')).toBeVisible();
  await server.zone(`Later ${info.project.name}`);
  await expect(lines).toHaveCount(1);

  await ui.getByRole('button', { name: 'Check the chain' }).click();
  await expect(ui.getByTestId('verdict')).toHaveText('The ledger is whole.');
  const head = (await ui.getByTestId('head').innerText()).split(' ');
  expect(head[1]).toMatch(/^[0-9a-f]{64}$/);
  await ui.getByText('Compare with a line that was kept elsewhere').click();
  await ui.getByLabel('Number of the line').fill(head[0]!);
  await ui.getByLabel('Its hash').fill(head[1]!);
  await ui.getByRole('button', { name: 'Compare', exact: true }).click();
  await expect(ui.getByTestId('verdict')).toHaveText('The ledger is whole, and holds the line that was kept.');
  await ui.getByLabel('Its hash').fill('0'.repeat(64));
  await ui.getByRole('button', { name: 'Compare', exact: true }).click();
  await expect(ui.getByTestId('verdict')).toHaveText('The ledger was tampered with or damaged.');
});

test('a backup is made and its contents are shown; a wrong passphrase says so', async ({ ui, server }) => {
  const pass = 'violet harbour staple nine';
  await open(ui, server, 'admin', 'backup');
  await ui.getByLabel('Passphrase', { exact: true }).fill('aaaaaaaaaaaa');
  await expect(ui.getByText('Weak: guessed in hours')).toBeVisible();
  await ui.getByLabel('Passphrase', { exact: true }).fill(pass);
  await ui.getByLabel('The same passphrase again').fill(pass);
  const [file] = await Promise.all([ui.waitForEvent('download'), ui.getByRole('button', { name: 'Download the backup' }).click()]);
  expect(file.suggestedFilename()).toMatch(/^tutti-.*\.backup$/);
  const sealed = fs.readFileSync(await file.path());
  expect(sealed.subarray(0, 21).toString()).toBe('age-encryption.org/v1');

  await ui.getByLabel('Backup file').setInputFiles({ name: 'house.backup', mimeType: 'application/octet-stream', buffer: sealed });
  await ui.getByLabel('Passphrase of the backup').fill('not this one');
  await ui.getByRole('button', { name: 'Show what is in it' }).click();
  await expect(ui.getByText('This passphrase does not open the file.')).toBeVisible();
  await ui.getByLabel('Passphrase of the backup').fill(pass);
  await ui.getByRole('button', { name: 'Show what is in it' }).click();
  const contents = ui.getByTestId('backup-contents');
  await expect(contents).toContainText('The file is whole');
  await expect(contents).toContainText('Test House');
  await expect(contents.getByRole('button', { name: 'Restore and restart' })).toBeDisabled();
});

/** A port that is free and stays so until it is bound: one of the 768 that neither the system
 * gives to whoever asks for port 0 nor platform/nettest to the tests in Go. */
const freePort = async (): Promise<number> => {
  for (let left = 1000; left > 0; left--) {
    const port = 32_000 + Math.floor(Math.random() * 768);
    const free = await new Promise<boolean>((resolve) => {
      const l = net.createServer().on('error', () => resolve(false)).listen(port, '127.0.0.1', () => l.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error('no free port');
};

test('a backup is brought back: the server is what it was', async ({ page }) => {
  // A port of its own: the server comes back where it was.
  const house = await Server.start({ args: ['--http', `127.0.0.1:${await freePort()}`] });
  try {
    await house.setUp();
    const pass = 'violet harbour staple nine';
    const kept = await house.zone('Kept');
    const answer = await fetch(house.url + '/api/v1/backup', {
      method: 'POST', headers: { Authorization: `Bearer ${house.token}`, 'Content-Type': 'application/json' }, body: JSON.stringify({ passphrase: pass }),
    });
    const sealed = Buffer.from(await answer.arrayBuffer());
    await house.zone('Made later');
    await signIn(page, house);
    await open(page, house, 'admin', 'backup');
    await page.getByLabel('Backup file').setInputFiles({ name: 'house.backup', mimeType: 'application/octet-stream', buffer: sealed });
    await page.getByLabel('Passphrase of the backup').fill(pass);
    await page.getByRole('button', { name: 'Show what is in it' }).click();
    await page.getByLabel('Replace what this server is now').check();
    await page.getByRole('button', { name: 'Restore and restart' }).click();
    await expect(page.getByText('The server restarts with the backup.')).toBeVisible();
    await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible({ timeout: 90_000 });
    await signIn(page, house);
    const { groups } = (await (await page.request.get(house.url + '/api/v1/groups')).json()) as { groups: { group_id: string; name: string }[] };
    expect(groups.map((g) => [g.group_id, g.name])).toEqual([[kept, 'Kept']]);
  } finally {
    await house.stop();
  }
});

test('the server has a name, languages and an identity', async ({ ui, server }, info) => {
  await open(ui, server, 'admin', 'server');
  const { server_id } = await server.api('GET', '/server');
  await expect(ui.getByTestId('server-id')).toHaveText(server_id);
  await ui.getByLabel('Languages for devices').fill('de-CH, en');
  await ui.getByRole('button', { name: 'Save' }).click();
  await expect.poll(async () => (await server.api('GET', '/server')).languages.join()).toBe('de-CH,en');
  await ui.getByLabel('Languages for devices').fill('no language');
  await ui.getByLabel('Languages for devices').fill('x!');
  await ui.getByRole('button', { name: 'Save' }).click();
  await expect(ui.getByText('One of these is not a language tag')).toBeVisible();
  await ui.getByRole('button', { name: 'New key for the server…' }).click();
  const d = dialog(ui, 'New key for the server…');
  await expect(d.getByRole('button', { name: 'Change the key' })).toBeDisabled();
  await expect(d).toContainText('A backup made before knows only the former key');
  await d.getByRole('button', { name: 'Cancel' }).click();
  for (const [link, at] of [['Licences', '/licenses.txt'], ['API documentation', '/docs']] as const) {
    await expect(ui.getByRole('link', { name: link })).toHaveAttribute('href', at);
    expect((await ui.request.get(server.url + at)).ok(), `${at} ${info.project.name}`).toBe(true);
  }
});
