// What one person does is seen by another, in another browser, at once and without asking.
import { expect, open, second, test } from './harness/fixtures';

const uris = ['quiet/corridor.flac', 'quiet/stairs.flac', 'loud/kitchen.flac'];

test('a queue that one moves, shortens and empties changes before the other’s eyes, who asks for nothing', async ({ ui, server, browser }) => {
  const id = (await server.approved('Live left')).id;
  const zone = await server.zone('Live Hall', id);
  await server.api('POST', `/groups/${zone}/queue`, { uris });
  const other = await second(browser, server);
  try {
    for (const page of [ui, other]) {
      await open(page, server, 'now', zone, 'queue');
      await expect(page.getByTestId('queue-item')).toHaveText([/Quiet Corridor/, /Slow Stairs/, /Loud Kitchen/]);
    }
    await ui.bringToFront();
    const asked: string[] = [];
    other.on('request', (r) => asked.push(`${r.method()} ${new URL(r.url()).pathname}`));

    await ui.getByRole('button', { name: /^Loud Kitchen, place 3\./ }).press('ArrowUp');
    for (const page of [ui, other]) await expect(page.getByTestId('queue-item')).toHaveText([/Quiet Corridor/, /Loud Kitchen/, /Slow Stairs/]);

    await ui.getByTestId('queue-item').nth(2).getByRole('button', { name: /Slow Stairs/ }).last().click();
    await ui.getByRole('button', { name: 'Remove' }).click();
    for (const page of [ui, other]) await expect(page.getByTestId('queue-item')).toHaveText([/Quiet Corridor/, /Loud Kitchen/]);

    // Neither browser: a program.
    await server.api('POST', `/groups/${zone}/queue`, { uris: ['gong.flac'] });
    for (const page of [ui, other]) await expect(page.getByTestId('queue-item')).toHaveText([/Quiet Corridor/, /Loud Kitchen/, /Gong/]);

    await server.api('DELETE', `/groups/${zone}/queue`);
    for (const page of [ui, other]) await expect(page.getByText('The queue is empty')).toBeVisible();
    expect(asked.filter((a) => a.includes('/queue'))).toEqual([]);
  } finally {
    await other.context().close();
    await server.api('DELETE', `/groups/${zone}`);
  }
});
