// The Devices page: who waits, who pretends, who may play; many at once; places.
import { execFileSync } from 'node:child_process';
import type { Page } from '@playwright/test';
import { admin, expect, open, test, type Server } from './harness/fixtures';
import { binary } from './harness/paths';
import type { Player } from './harness/server';

const tokenOf = (identity: string): string =>
  JSON.parse(execFileSync(binary, ['player', 'token', '--json', '--identity', identity], { encoding: 'utf8' })).token;

/** A player that waits in the inbox. */
async function knock(server: Server, name: string, args: string[] = []): Promise<{ player: Player; id: string }> {
  const player = server.player(name, args);
  const id = await player.id();
  await server.eventually('/inbox', (i) => i.waiting.some((e: { client_id: string }) => e.client_id === id));
  return { player, id };
}

/** The entry of a device in the inbox. */
const entry = (ui: Page, id: string) => ui.locator(`#inbox-${id}`);
/** The line of a device in the list. */
const row = (ui: Page, name: string) => ui.getByRole('listitem').filter({ has: ui.getByRole('link', { name, exact: true }) });

test('a device that waits is approved, with a name and an end', async ({ ui, server }, info) => {
  const name = `Guest ${info.project.name}`;
  const { id } = await knock(server, name);
  await open(ui, server, 'devices');
  await expect(row(ui, name)).toHaveAttribute('data-standing', 'waiting');
  await ui.getByRole('link', { name: `Decide about ${name}` }).click();
  const client = await server.api('GET', `/clients/${id}`);
  await expect(entry(ui, id).locator('[data-fingerprint]')).toHaveAttribute('data-fingerprint', client.fingerprint);
  await entry(ui, id).getByRole('button', { name: 'Approve' }).click();
  const dialog = ui.getByRole('dialog');
  await dialog.getByLabel('Name for this device').fill(`Party ${info.project.name}`);
  await dialog.getByLabel('How long').selectOption({ label: 'For some hours' });
  await dialog.getByLabel('Hours').fill('0');
  await dialog.getByRole('button', { name: 'Approve' }).click();
  await expect(dialog.getByRole('alert')).toContainText('above 0');
  await dialog.getByLabel('Hours').fill('8');
  await dialog.getByRole('button', { name: 'Approve' }).click();
  await expect(dialog).toBeHidden();
  await expect(entry(ui, id)).toHaveCount(0);
  const c = await server.eventually(`/clients/${id}`, (x) => x.trust === 'approved');
  expect(c.label).toBe(`Party ${info.project.name}`);
  expect(new Date(c.approval_ends_at).getTime()).toBeGreaterThan(Date.now());
  await open(ui, server, 'devices');
  await expect(row(ui, `Party ${info.project.name}`)).toHaveAttribute('data-standing', 'approved');

  // And taken back: it waits again.
  await open(ui, server, 'devices', 'd', id);
  await ui.getByRole('button', { name: 'Revoke' }).click();
  await ui.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await server.eventually(`/clients/${id}`, (x) => x.trust === 'unapproved');
  await expect(ui.locator('.dv-head')).toContainText('Waiting');
});

test('a device is denied, another is blocked for good', async ({ ui, server }, info) => {
  const denied = await knock(server, `Nuisance ${info.project.name}`);
  const blocked = await knock(server, `Nasty ${info.project.name}`);
  await open(ui, server, 'devices', 'inbox');
  await entry(ui, denied.id).getByRole('button', { name: 'Deny' }).click();
  await expect(entry(ui, denied.id)).toHaveCount(0);
  await entry(ui, blocked.id).getByRole('button', { name: 'Block' }).click();
  await ui.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  await expect(entry(ui, blocked.id)).toBeVisible();
  await entry(ui, blocked.id).getByRole('button', { name: 'Block' }).click();
  await ui.getByRole('dialog').getByRole('button', { name: 'Block' }).click();
  await expect(entry(ui, blocked.id)).toHaveCount(0);
  await server.eventually(`/clients/${denied.id}`, (c) => c.trust === 'denied' && !c.blocked);
  await server.eventually(`/clients/${blocked.id}`, (c) => c.blocked);
  await open(ui, server, 'devices');
  await expect(row(ui, `Nasty ${info.project.name}`)).toHaveAttribute('data-standing', 'blocked');

  // Forgotten, it is gone from the list.
  await row(ui, `Nasty ${info.project.name}`).getByRole('link').click();
  await ui.getByRole('button', { name: 'Forget' }).click();
  await blocked.player.stop();
  await ui.getByRole('dialog').getByRole('button', { name: 'Forget' }).click();
  await expect(ui.getByLabel('Search devices')).toBeVisible();
  await expect(row(ui, `Nasty ${info.project.name}`)).toHaveCount(0);
});

test('an impostor is shown as one, and let in only by naming the warning', async ({ ui, server }, info) => {
  const name = `Salon ${info.project.name}`;
  await server.approved(name);
  const { id } = await knock(server, name);
  await open(ui, server, 'devices');
  const fake = ui.locator('li[data-standing=pretending]').filter({ hasText: name });
  await expect(fake).toContainText('Known name, other key');
  await fake.getByRole('link', { name: `Decide about ${name}` }).click();
  await expect(entry(ui, id)).toContainText('poses as it');
  await entry(ui, id).getByRole('button', { name: 'Approve' }).click();
  const dialog = ui.getByRole('dialog');
  await expect(dialog.getByRole('button', { name: 'Approve' })).toBeDisabled();
  await dialog.getByLabel(/I have seen the warning.*name_reused_by_new_key/).check();
  await dialog.getByRole('button', { name: 'Approve' }).click();
  await expect(dialog).toBeHidden();
  await server.eventually(`/clients/${id}`, (c) => c.trust === 'approved' && !c.warning);
});

test('a name that is a script stays a name', async ({ ui, server }, info) => {
  const name = `<img src=x onerror="document.title='hacked'"> ${info.project.name}`;
  const { id } = await knock(server, name);
  for (const where of [['devices'], ['devices', 'inbox'], ['devices', 'd', id], ['devices', 'pair', id]]) {
    await open(ui, server, ...where);
    await expect(ui.getByText('<img src=x').first()).toBeVisible();
    expect(await ui.locator('main img').count()).toBe(0);
    expect(await ui.title()).not.toContain('hacked');
  }
});

test('the list is searched and filtered, and a device is added by its address', async ({ ui, server }, info) => {
  const name = `Needle ${info.project.name}`;
  const { id } = await knock(server, name);
  const c = await server.api('GET', `/clients/${id}`);
  await open(ui, server, 'devices');
  await ui.getByLabel('Search devices').fill(c.fingerprint.toLowerCase());
  await expect(row(ui, name)).toBeVisible();
  await expect(ui.locator('li[data-standing]')).toHaveCount(1);
  await ui.getByLabel('Search devices').fill('nothing has this name');
  await expect(ui.getByRole('heading', { name: 'No device matches' })).toBeVisible();
  await ui.getByRole('button', { name: 'Show all' }).click();
  await ui.getByRole('group', { name: 'Show only' }).getByRole('button', { name: /Waiting/ }).click();
  await expect(row(ui, name)).toBeVisible();
  await expect(ui.locator('li[data-standing]:not([data-standing=waiting])')).toHaveCount(0);
  await ui.getByRole('group', { name: 'Show only' }).getByRole('button', { name: /Waiting/ }).click();

  await ui.getByRole('button', { name: 'Add by address' }).click();
  const dialog = ui.getByRole('dialog');
  await dialog.getByLabel('Address of the device').fill('http://198.51.100.7');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(dialog.getByRole('alert')).toContainText('ws://');
  await dialog.getByLabel('Address of the device').fill('198.51.100.7');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(dialog).toBeHidden();
  const found = ui.locator('li[data-standing=found]').filter({ hasText: '198.51.100.7' });
  await expect(found).toBeVisible();
  await found.getByRole('button', { name: /Remove the address/ }).click();
  await expect(found).toHaveCount(0);
});

test('a device gets limits, channels, an equalizer and a zone', async ({ ui, server }, info) => {
  const { id } = await server.approved(`Tuned ${info.project.name}`);
  const zone = await server.zone(`Zone ${info.project.name}`);
  await open(ui, server, 'devices', 'd', id);
  await ui.getByLabel('Least').fill('60');
  await ui.getByLabel('Greatest').fill('40');
  await ui.getByRole('button', { name: 'Save the limits' }).click();
  await expect(ui.getByRole('alert')).toContainText('above the greatest');
  await ui.getByLabel('Least').fill('10');
  await ui.getByLabel('At the start').fill('25');
  await ui.getByRole('button', { name: 'Save the limits' }).click();
  await server.eventually(`/clients/${id}`, (c) => c.tuning?.volume_min === 10 && c.tuning?.volume_max === 40 && c.tuning?.volume_startup === 25);
  await ui.getByLabel('Channels').selectOption({ label: 'Mono, both mixed' });
  await server.eventually(`/clients/${id}`, (c) => c.tuning?.channels === 'mono');
  await ui.getByRole('slider', { name: 'Bass' }).focus();
  await ui.keyboard.press('ArrowRight');
  await server.eventually(`/clients/${id}`, (c) => c.tuning?.equalizer?.bands?.[0]?.gain_db === 1);
  await ui.getByRole('button', { name: 'Turn it off' }).click();
  await server.eventually(`/clients/${id}`, (c) => !c.tuning?.equalizer);
  await ui.getByLabel('Format that it is sent').selectOption({ index: 2 });
  await server.eventually(`/clients/${id}`, (c) => !!c.tuning?.preferred_format);
  await ui.getByRole('combobox', { name: 'Zone' }).selectOption({ label: `Zone ${info.project.name}` });
  await server.eventually(`/clients/${id}`, (c) => c.group_id === zone);
});

test('tokens of many devices: valid, twice, broken, and each paired when it appears', async ({ ui, server }, info) => {
  const file = (n: number) => `${server.data}/box-${info.project.name}-${n}.json`;
  const [one, two] = [tokenOf(file(1)), tokenOf(file(2))];
  await open(ui, server, 'devices', 'enrol');
  await ui.getByTestId('token-file').setInputFiles({ name: 'boxes.csv', mimeType: 'text/csv', buffer: Buffer.from(`token,room\n${one},Lobby\n"${two}",Bar\n${two},again\nSP:0BROKEN,?\n`) });
  await ui.getByRole('button', { name: 'Add 4 tokens' }).click();
  await expect(ui.locator('[data-result=waiting]')).toHaveCount(2);
  await expect(ui.locator('[data-result=duplicate]')).toHaveCount(1);
  await expect(ui.locator('[data-result=invalid]')).toContainText('Line 5');
  // What could not be read stays to be put right; a secret is not shown again.
  await expect(ui.getByLabel('Pairing tokens')).toHaveValue('SP:0BROKEN');
  await expect(ui.locator('main')).not.toContainText(one);
  await expect(ui.locator('li[data-state=waiting]')).toHaveCount(2);

  const box = server.player(`Box ${info.project.name}`, [], file(1));
  await expect(ui.locator('li[data-state=paired]')).toContainText(`Box ${info.project.name}`, { timeout: 60_000 });
  await server.eventually(`/clients/${await box.id()}`, (c) => c.trust === 'paired'); // the list may know it first
  await ui.locator('li[data-state=waiting]').getByRole('button').click();
  await expect(ui.locator('li[data-state=waiting]')).toHaveCount(0);
});

test('a broken speaker is swapped: its place, zone and limits go over', async ({ ui, server }, info) => {
  const n = info.project.name;
  const broken = await server.approved(`Old ${n}`);
  const spare = await server.approved(`New ${n}`);
  const zone = await server.zone(`Lobby zone ${n}`, broken.id);
  const place = await server.api('POST', '/personas', { name: `Lobby left ${n}`, client_id: broken.id });
  await server.api('PATCH', `/personas/${place.persona_id}`, { volume_max: 55 });
  await broken.player.stop();
  await server.eventually(`/clients/${broken.id}`, (c) => !c.connected);

  await open(ui, server, 'devices', 'personas');
  await ui.getByRole('link', { name: 'Swap a speaker' }).click();
  await ui.getByRole('button', { name: new RegExp(`Lobby left ${n}`) }).click();
  await ui.getByRole('button', { name: new RegExp(`New ${n}`) }).click();
  await expect(ui.getByText(`New ${n} becomes “Lobby left ${n}”`)).toBeVisible();
  await ui.getByRole('button', { name: 'Swap now' }).click();
  await expect(ui.getByTestId('swap-done')).toContainText(`Lobby left ${n} has its new speaker`);
  await server.eventually(`/clients/${spare.id}`, (c) => c.group_id === zone && c.label === `Lobby left ${n}` && c.limits?.volume_max === 55);
  await ui.getByRole('button', { name: `Take Old ${n} out` }).click();
  await server.eventually(`/personas/${place.persona_id}`, (p) => p.devices.length === 1 && p.active_device === spare.id);
});

test('a place is made, its roster goes to another site sealed, is shown there and accepted', async ({ ui, server, fresh, browser }, info) => {
  const n = info.project.name;
  const speaker = await server.approved(`Hall ${n}`);
  await fresh.setUp();
  const { recipient } = await fresh.api('GET', '/server');

  await open(ui, server, 'devices', 'personas');
  await ui.getByRole('button', { name: 'New place' }).click();
  await ui.getByLabel('Speaker that stands there').selectOption({ label: `Hall ${n}` });
  await ui.getByLabel('Name of the place').fill(`Hall place ${n}`);
  await ui.getByRole('button', { name: 'Make the place' }).click();
  await expect(ui.getByRole('heading', { name: `Hall place ${n}` })).toBeVisible();
  await ui.getByLabel('Greatest').fill('70');
  await ui.getByRole('button', { name: 'Save', exact: true }).click();
  await server.eventually(`/clients/${speaker.id}`, (c) => c.limits?.volume_max === 70);

  await ui.getByLabel('Seal it, so that only certain readers can open it').check();
  await ui.getByLabel('Recipients').fill('nobody');
  await expect(ui.getByRole('alert')).toContainText('begins with age1');
  await ui.getByLabel('Recipients').fill(recipient);
  const [download] = await Promise.all([ui.waitForEvent('download'), ui.getByRole('button', { name: 'Download the roster' }).click()]);
  expect(download.suggestedFilename()).toBe(`hall-place-${n}-1.roster`);
  const file = `${server.data}/${n}.roster`;
  await download.saveAs(file);

  const there = await browser.newPage({ locale: 'en-GB' });
  await there.context().request.post(fresh.url + '/api/v1/session', { data: admin });
  await open(there, fresh, 'devices', 'personas', 'import');
  await there.getByTestId('roster-file').setInputFiles(file);
  await there.getByRole('button', { name: 'Look what is in it' }).click();
  await expect(there.getByRole('heading', { name: `Hall place ${n}` })).toBeVisible();
  expect((await fresh.api('GET', '/personas')).personas.some((p: { name: string }) => p.name === `Hall place ${n}`)).toBe(false);
  await there.getByRole('button', { name: 'Accept it' }).click();
  await expect(there.getByText('This place belongs to another site')).toBeVisible();
  await there.context().close();

  // Retired here: its device is free again.
  await ui.getByRole('button', { name: 'Retire the place' }).click();
  await ui.getByRole('dialog').getByRole('button', { name: 'Retire the place' }).click();
  await expect(ui.getByRole('link', { name: `Hall place ${n}` })).toHaveCount(0);
  await server.eventually(`/clients/${speaker.id}`, (c) => !c.persona_id);
});

test('who may only look sees no decisions, and the server would refuse them', async ({ ui, server, browser }, info) => {
  const { id } = await knock(server, `Looked at ${info.project.name}`);
  const who = { name: `Viewer ${info.project.name}`, password: 'only here to look around' };
  await server.api('POST', '/users', { ...who, role: 'viewer', zones: [] });
  const page = await browser.newPage({ locale: 'en-GB' });
  await page.context().request.post(server.url + '/api/v1/session', { data: who });
  await open(page, server, 'devices');
  await expect(row(page, `Looked at ${info.project.name}`)).toBeVisible();
  await expect(page.getByRole('link', { name: 'Decide' })).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Add by address' })).toHaveCount(0);
  await open(page, server, 'devices', 'd', id);
  await expect(page.getByRole('button', { name: /Approve|Block|Forget/ })).toHaveCount(0);
  await open(page, server, 'devices', 'pair', id);
  await expect(page.getByLabel('Search devices')).toBeVisible();
  await page.context().close();
  await expect(ui.locator('main')).toBeVisible();
});
