// Pairing in the console, by every method, with real players.
import { chromium } from '@playwright/test';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Page } from '@playwright/test';
import { admin, expect, open, test, type Server } from './harness/fixtures';
import { binary } from './harness/paths';
import { blankPicture, qrPicture } from './harness/qr';
import type { Player } from './harness/server';

/** A player that waits in the inbox, and its page of pairing. */
async function waiting(ui: Page, server: Server, name: string, args: string[] = []): Promise<{ player: Player; id: string }> {
  const player = server.player(name, args);
  const id = await player.id();
  await server.eventually('/inbox', (i) => i.waiting.some((e: { client_id: string }) => e.client_id === id));
  await open(ui, server, 'devices', 'pair', id);
  return { player, id };
}

const tokenOf = (p: Player): string =>
  JSON.parse(execFileSync(binary, ['player', 'token', '--json', '--identity', p.identity], { encoding: 'utf8' })).token;

const picture = (name: string, buffer: Buffer) => ({ name, mimeType: 'image/png', buffer });
const paired = (ui: Page) => expect(ui.locator('[data-state=paired]')).toBeVisible({ timeout: 60_000 });
const trust = async (server: Server, id: string): Promise<string> => (await server.api('GET', `/clients/${id}`)).trust;

test('a code that the device shows: slots, a wrong try, a paste, paired', async ({ ui, server }, info) => {
  const { player, id } = await waiting(ui, server, `Digits ${info.project.name}`);
  await expect(ui.getByTestId('way-digits')).toContainText('Recommended');
  await ui.getByTestId('way-digits').click();
  const field = ui.getByLabel('Code', { exact: true });
  await expect(field).toBeFocused();
  await expect(ui.locator('.dv-slot')).toHaveCount(6);
  await expect(ui.locator('.dv-slots-group')).toHaveCount(2);
  const { code } = await player.next('pairing_code');
  const right = String(code).replace(/\D/g, '');

  await field.pressSequentially('12');
  await expect(ui.getByText('2 of 6 digits')).toBeVisible();
  await ui.keyboard.press('Enter');
  await expect(ui.getByRole('alert')).toContainText('4 digits are missing');

  await field.fill(right === '123456' ? '654321' : '123456');
  await ui.keyboard.press('Enter');
  await expect(ui.getByText('That code was wrong.')).toBeVisible();
  await expect(ui.getByText('0 of 6 digits')).toBeVisible();

  await field.fill(`${right.slice(0, 3)} - ${right.slice(3)}`);
  await expect(field).toHaveValue(right);
  await ui.getByRole('button', { name: 'Check the code' }).click();
  await paired(ui);
  await expect.poll(() => trust(server, id)).toBe('paired');

  // It is given its name at once.
  await ui.getByLabel('Name for this device').fill(`Bar ${info.project.name}`);
  await ui.getByRole('button', { name: 'Save' }).click();
  await server.eventually(`/clients/${id}`, (c) => c.label === `Bar ${info.project.name}`);
});

test('the QR code of the device, from a picture', async ({ ui, server }, info) => {
  const { player, id } = await waiting(ui, server, `QR ${info.project.name}`, ['--unpaired-access=false']);
  await ui.getByTestId('way-qr').click();
  const { token } = await player.next('pairing_code');
  const file = ui.getByTestId('qr-file');
  await file.setInputFiles(picture('blank.png', blankPicture()));
  await expect(ui.getByRole('alert')).toContainText('No QR code was found');
  await file.setInputFiles(picture('other.png', qrPicture('https://example.org/')));
  await expect(ui.getByRole('alert')).toContainText('another QR code');
  await file.setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') });
  await expect(ui.getByRole('alert')).toContainText('no picture');
  await file.setInputFiles(picture('code.png', qrPicture(token)));
  await paired(ui);
  await expect.poll(() => trust(server, id)).toBe('paired');
});

test('the QR code of the device, from a picture that is pasted', async ({ ui, server }, info) => {
  const { player } = await waiting(ui, server, `QR paste ${info.project.name}`);
  await ui.getByTestId('way-qr').click();
  const { token } = await player.next('pairing_code');
  await expect(ui.getByTestId('qr-file')).toBeAttached();
  await ui.evaluate((bytes) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], 'code.png', { type: 'image/png' }));
    document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
  }, [...qrPicture(token)]);
  await paired(ui);
});

test('a fixed code, when somebody has pressed the button; the device speaks in its own words', async ({ ui, server }, info) => {
  const { player, id } = await waiting(ui, server, `Static ${info.project.name}`, ['--static-code', '40617253']);
  await ui.getByTestId('way-static').click();
  await expect(ui.locator('.dv-slot')).toHaveCount(8);
  await ui.getByLabel('Code', { exact: true }).fill('4061-7253');
  await ui.getByRole('button', { name: 'Pair', exact: true }).click();
  await expect(ui.locator('[data-state=pending]')).toBeVisible({ timeout: 60_000 });
  await expect(ui.getByText('The device says, in its own words:')).toBeVisible();
  await expect(ui.locator('blockquote')).toContainText('press p');
  player.process.send('p');
  await paired(ui);
  await expect.poll(() => trust(server, id)).toBe('paired');
});

test('a wrong fixed code fails with the next step, and the way back is there', async ({ ui, server }, info) => {
  const { player, id } = await waiting(ui, server, `Static wrong ${info.project.name}`, ['--static-code', '40617253']);
  await ui.getByTestId('way-static').click();
  await ui.getByLabel('Code', { exact: true }).fill('11112222');
  await ui.getByRole('button', { name: 'Pair', exact: true }).click();
  await expect(ui.locator('[data-state=pending]')).toBeVisible({ timeout: 60_000 });
  player.process.send('p');
  await expect(ui.locator('[data-state=failed]')).toHaveAttribute('data-reason', 'pairing_code_mismatch', { timeout: 60_000 });
  await expect(ui.getByRole('alert')).toContainText('The codes did not agree');
  expect(await trust(server, id)).toBe('unapproved');
  await ui.getByRole('button', { name: 'Start again' }).click();
  await expect(ui.getByTestId('way-static')).toBeVisible();
});

test('a pairing token, pasted; that of another device is refused before anything is asked', async ({ ui, server }, info) => {
  const other = server.player(`Other ${info.project.name}`);
  await server.eventually(`/clients/${await other.id()}`, (c) => c.connected);
  const { player, id } = await waiting(ui, server, `Token ${info.project.name}`);
  await ui.getByTestId('way-token').click();
  const field = ui.getByLabel('Token', { exact: true });
  const go = ui.getByRole('button', { name: 'Pair', exact: true });
  for (const [text, says] of [['12345678', 'digits of a code'], ['SP:0ABC', 'too short'], [tokenOf(other), 'belongs to Other']] as const) {
    await field.fill(text);
    await go.click();
    await expect(ui.getByRole('alert')).toContainText(says);
  }
  expect(await trust(server, id)).toBe('unapproved');
  await field.fill(` ${tokenOf(player).toLowerCase()}\n`);
  await expect(ui.getByText('This token belongs to Token')).toBeVisible();
  await go.click();
  await paired(ui);
  await expect.poll(() => trust(server, id)).toBe('paired');
});

test('a pairing token in front of the camera', async ({ server }, info) => {
  test.skip(info.project.name !== 'desktop', 'one size is enough: what is tested is the camera');
  const player = server.player('Camera');
  const id = await player.id();
  await server.eventually('/inbox', (i) => i.waiting.some((e: { client_id: string }) => e.client_id === id));
  const dir = fs.mkdtempSync(path.join(server.data, 'camera-'));
  fs.writeFileSync(path.join(dir, 'qr.png'), qrPicture(tokenOf(player)));
  execFileSync('ffmpeg', ['-v', 'error', '-loop', '1', '-i', path.join(dir, 'qr.png'), '-t', '1', '-r', '10',
    '-vf', 'scale=480:480:flags=neighbor,pad=640:480:(ow-iw)/2:0:white', '-pix_fmt', 'yuv420p', path.join(dir, 'qr.y4m')]);
  const o = info.project.use.launchOptions!;
  const browser = await chromium.launch({ ...o, args: [...o.args!, `--use-file-for-fake-video-capture=${path.join(dir, 'qr.y4m')}`] });
  try {
    const page = await browser.newPage({ permissions: ['camera'], locale: 'en-GB' });
    await page.context().request.post(server.url + '/api/v1/session', { data: admin });
    await open(page, server, 'devices', 'pair', id);
    await page.getByTestId('way-token').click();
    await page.getByRole('button', { name: 'Use the camera' }).click();
    await expect(page.getByText('This token belongs to Camera')).toBeVisible({ timeout: 60_000 });
    // Found: the camera is let go of.
    await expect(page.locator('video')).toHaveCount(0);
    await page.getByRole('button', { name: 'Pair', exact: true }).click();
    await paired(page);
  } finally {
    await browser.close();
  }
});

test('an attempt is cancelled here, and at the device; both say so', async ({ ui, server }, info) => {
  const { player, id } = await waiting(ui, server, `Cancel ${info.project.name}`);
  await ui.getByTestId('way-digits').click();
  await player.next('pairing_code');
  await ui.getByRole('button', { name: 'Cancel pairing' }).click();
  await expect(ui.locator('[data-state=cancelled]')).toHaveAttribute('data-reason', 'cancelled');
  await expect(ui.getByRole('alert')).toContainText('cancelled');
  await player.next('pairing_ended');

  await ui.getByRole('button', { name: 'Start again' }).click();
  await ui.getByTestId('way-digits').click();
  await player.next('pairing_code');
  player.process.send('c');
  await expect(ui.locator('[data-state=cancelled]')).toHaveAttribute('data-reason', 'user_cancelled');
  expect(await trust(server, id)).toBe('unapproved');
});

test('an attempt that somebody else began is met, followed, and may be cancelled', async ({ ui, server }, info) => {
  const { player, id } = await waiting(ui, server, `Taken ${info.project.name}`);
  await expect(ui.getByTestId('way-digits')).toBeVisible();
  await server.api('POST', `/clients/${id}/pairing`, { method: 'dynamic_pairing_code' });
  await player.next('pairing_code');
  await ui.getByTestId('way-digits').click();
  await expect(ui.getByText('This device is being paired already')).toBeVisible();
  // A page that is loaded in the middle of it goes on with it.
  await ui.reload();
  await expect(ui.getByText('This device is being paired already')).toBeVisible();
  await expect(ui.getByLabel('Code', { exact: true })).toBeVisible();
  await ui.getByRole('button', { name: 'Cancel pairing' }).click();
  await expect(ui.locator('[data-state=cancelled]')).toBeVisible();
});

test('a device that goes away in the middle of it: said in words', async ({ ui, server }, info) => {
  const { player } = await waiting(ui, server, `Away ${info.project.name}`);
  await ui.getByTestId('way-digits').click();
  await player.next('pairing_code');
  await player.process.stop('SIGKILL');
  await expect(ui.locator('[data-state=failed]')).toBeVisible({ timeout: 60_000 });
  await expect(ui.getByRole('alert')).toContainText(/connection to Away|is not connected/);
});

test('a token that is scanned from the list finds its device; that of a device to come is kept', async ({ ui, server }, info) => {
  const { player, id } = await waiting(ui, server, `Scanned ${info.project.name}`);
  const scan = async (token: string) => {
    await open(ui, server, 'devices');
    await ui.getByRole('button', { name: 'Scan a token' }).click();
    await ui.getByTestId('qr-file').setInputFiles(picture('token.png', qrPicture(token)));
  };
  await scan(tokenOf(player));
  await expect(ui.getByText(`This token belongs to Scanned ${info.project.name}`)).toBeVisible();
  await ui.getByRole('button', { name: 'Pair', exact: true }).click();
  await paired(ui);
  await expect.poll(() => trust(server, id)).toBe('paired');

  const file = path.join(server.data, `to-come-${info.project.name}.json`);
  const { token } = JSON.parse(execFileSync(binary, ['player', 'token', '--json', '--identity', file], { encoding: 'utf8' }));
  await scan(token);
  await ui.getByRole('button', { name: 'Keep the token' }).click();
  await expect(ui.locator('li[data-state=waiting]')).toHaveCount(1);
});

test('a device that was reset has a standing of its own, and is paired again', async ({ ui, server }, info) => {
  const name = `Reset ${info.project.name}`;
  const { player, id } = await waiting(ui, server, name);
  await server.api('POST', `/clients/${id}/pairing`, { method: 'pairing_psk', token: tokenOf(player) });
  await server.eventually(`/clients/${id}`, (c) => c.trust === 'paired');
  await player.stop();
  const kept = JSON.parse(fs.readFileSync(player.identity, 'utf8'));
  fs.writeFileSync(player.identity, JSON.stringify({ ...kept, records: [] }), { mode: 0o600 });
  const again = server.player(name, [], player.identity);
  await server.eventually(`/clients/${id}`, (c) => c.trust === 'credential_mismatch' && c.connected);

  await open(ui, server, 'devices');
  const row = ui.locator('li[data-standing=mismatch]').filter({ hasText: name });
  await expect(row).toContainText('Credential does not match');
  await row.getByRole('link', { name: `Decide about ${name}` }).click();
  const entry = ui.locator(`#inbox-${id}`);
  await expect(entry).toContainText('Pair it again');
  await expect(entry.getByRole('button', { name: 'Approve' })).toHaveCount(0);
  await entry.getByRole('link', { name: 'Pair' }).click();
  await ui.getByTestId('way-digits').click();
  const { code } = await again.next('pairing_code');
  await ui.getByLabel('Code', { exact: true }).fill(code);
  await ui.keyboard.press('Enter');
  await paired(ui);
  await expect.poll(() => trust(server, id)).toBe('paired');
});
