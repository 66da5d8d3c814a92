import { admin, expect, signIn, test } from './harness/fixtures';

test('the first administrator is made with the printed code, once', async ({ page, fresh }) => {
  await page.goto(fresh.url + '/');
  await expect(page.getByRole('heading', { name: 'Welcome' })).toBeVisible();
  const fill = async (code: string) => {
    await page.getByLabel('Set-up code').fill(code);
    await page.getByLabel('Name', { exact: true }).fill(admin.name);
    await page.getByLabel('New password').fill(admin.password);
    await page.getByLabel('The same again').fill(admin.password);
    await page.getByRole('button', { name: 'Begin' }).click();
  };
  await fill('AAAA-AAAA-AAAA');
  await expect(page.getByRole('alert')).toBeVisible();
  await fill(fresh.setupCode());
  await expect(page.getByRole('navigation', { name: 'Pages' })).toBeVisible();

  // Whoever comes later signs in.
  await page.context().clearCookies();
  await page.reload();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  const again = await page.context().request.post(fresh.url + '/api/v1/setup', { data: { code: 'AAAA-AAAA-AAAA', name: 'Eve', password: 'long enough to count' } });
  expect(again.status()).toBe(409);
});

test('a wrong password says so, the right one signs in, and signing out ends it', async ({ page, server }) => {
  await page.goto(server.url + '/');
  await page.getByLabel('Name', { exact: true }).fill(admin.name);
  await page.getByLabel('Password', { exact: true }).fill('wrong password');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await expect(page.getByRole('alert')).toContainText('wrong');
  await signIn(page, server);
  await page.getByRole('button', { name: 'Account of Ada' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
});

test('what is missing at the door is said in the language of the console', async ({ page, server }) => {
  await page.addInitScript(() => localStorage.setItem('tutti.language', 'fr'));
  await page.goto(server.url + '/');
  const name = page.getByLabel('Nom', { exact: true });
  await page.getByRole('button', { name: 'Se connecter' }).click();
  await expect(name).toBeFocused();
  expect(await name.evaluate((e: HTMLInputElement) => e.validationMessage)).toBe('Remplissez ce champ.');
  await name.fill(admin.name);
  await page.getByLabel('Mot de passe').fill(admin.password);
  await page.getByRole('button', { name: 'Se connecter' }).click();
  await expect(page.getByRole('navigation', { name: 'Pages' })).toBeVisible();
});

test('the language changes at once and is kept', async ({ ui }) => {
  await ui.getByRole('button', { name: 'Account of Ada' }).click();
  await ui.getByLabel('Language').selectOption('de');
  await expect(ui.getByRole('navigation', { name: 'Seiten' })).toBeAttached();
  await ui.reload();
  await expect(ui.getByRole('navigation', { name: 'Seiten' }).getByRole('link', { name: 'Geräte' })).toBeVisible();
});
