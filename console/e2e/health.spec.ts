// Health against a real server: each speaker's plots and how they move, the services, and a
// trouble in words (a link that is too slow for PCM) with the button that mends it.
import { expect, open, test } from './harness/fixtures';
import { SlowLink } from './harness/slowlink';

/** Carries FLAC of a test tone, and not PCM of 48 kHz and 24 bits (288 kB/s). */
const weak = 110_000;

test('plots of each speaker move, the services are listed, and a slow link is named and mended by its button', async ({ ui, server }) => {
  test.setTimeout(360_000);
  const link = await SlowLink.to(server.devices, weak);
  const [near, other] = [await server.approved('Health near'), await server.approved('Health other')];
  const slow = await server.approved('Health far', ['--connect', link.address, '--formats', 'pcm:48000:24:2,flac:48000:24:2']);
  const zone = await server.zone('Health Hall', near.id, other.id, slow.id);
  try {
    await server.api('POST', `/groups/${zone}/play`, { uri: 'quiet/corridor.flac' });
    await server.eventually(`/clients/${slow.id}`, (c) => c.player?.stream_format?.codec === 'pcm', 'PCM over the weak link');
    await open(ui, server, 'health');

    const services = ui.getByTestId('service');
    await expect(services).toHaveCount(5);
    for (const name of ['Discovery', 'Connections', 'Trust and pairing', 'Music', 'Console and API']) {
      await expect(services.filter({ hasText: name }).getByText('Running')).toBeVisible();
    }

    for (const name of ['Health near', 'Health other', 'Health far']) {
      const card = ui.getByTestId('speaker-health').filter({ hasText: name });
      await card.scrollIntoViewIfNeeded();
      await expect(card.getByRole('img', { name: /^Buffer: .* to .*, median/ })).toBeVisible();
      // While its link is full, answers of the weak one take too long to tell a time.
      if (name !== 'Health far') await expect(card.getByRole('img', { name: /^Round trip: .*median/ })).toBeVisible();
    }
    // The newest step is drawn where there was none: the plot moves on.
    const near1 = ui.getByTestId('speaker-health').filter({ hasText: 'Health near' });
    await near1.scrollIntoViewIfNeeded();
    const line = near1.locator('.spark path.line').first();
    const before = await line.getAttribute('d');
    expect(before).not.toBe('');
    await expect(line).not.toHaveAttribute('d', before!, { timeout: 60_000 });

    // The same as numbers.
    await ui.getByRole('button', { name: 'Table' }).click();
    await expect(near1.getByRole('row', { name: /^Buffer/ }).getByRole('cell').nth(2)).toHaveText(/\d\ss$/); // a space that does not break
    await ui.getByRole('button', { name: 'Plots' }).click();

    const finding = ui.getByTestId('finding').and(ui.locator('[data-code="late"]')).filter({ hasText: 'Health far' });
    await expect(finding).toContainText('too late', { timeout: 120_000 });
    await expect(finding).toContainText('its link is too slow');
    await expect(finding).not.toContainText('Health near');
    await expect(ui.getByTestId('speaker-health').filter({ hasText: 'Health far' }).getByRole('figure', { name: /^Late pieces [1-9]/ })).toBeVisible();
    await finding.getByRole('button', { name: 'Use FLAC' }).click();
    const asked = ui.getByRole('dialog');
    await expect(asked).toContainText('about half of the link');
    await asked.getByRole('button', { name: 'Use FLAC' }).click();
    await expect(finding.getByRole('status')).toContainText('Done.');
    const c = await server.eventually(`/clients/${slow.id}`, (x) => x.player?.stream_format?.codec === 'flac', 'FLAC is sent over the weak link');
    expect(c.player.preferred_format.codec).toBe('flac');
    // And nobody else was touched.
    expect((await server.api('GET', `/clients/${near.id}`)).player.preferred_format ?? null).toBeNull();
  } finally {
    await server.api('DELETE', `/groups/${zone}`);
    await Promise.all([near, other, slow].map((p) => p.player.stop()));
    await link.close();
  }
});
