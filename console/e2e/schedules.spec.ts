// The Schedules page against a real server: what is made in the page is what the scheduler
// carries out.
import type { Page } from '@playwright/test';
import { expect, open, test, type Server } from './harness/fixtures';

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

interface Part { name: string; days: string[]; start: string; end: string; uri?: string; volume?: number; holidays: string; stop?: boolean }
interface Plan { schedule_id: string; group_id: string; dayparts: Part[]; quiet_hours: { start: string; end: string; max_volume: number }[]; skip_until?: string; enabled: boolean }

const planOf = async (server: Server, zone: string): Promise<Plan | undefined> =>
  (await server.api<{ schedules: Plan[] }>('GET', '/schedules')).schedules.find((s) => s.group_id === zone);

/** A zone with a schedule that the test begins with, and its page. */
async function zone(ui: Page, server: Server, name: string, more: object = {}): Promise<string> {
  const id = await server.zone(name);
  await server.api('POST', '/schedules', { group_id: id, name, time_zone: 'Europe/Berlin', dayparts: [], quiet_hours: [], ...more });
  await open(ui, server, 'schedules', id);
  await expect(ui.getByRole('region', { name: 'The week' })).toBeVisible();
  return id;
}

const dialog = (ui: Page, name: string | RegExp) => ui.getByRole('dialog', { name });

/** The seldom actions are behind a button on a phone. */
async function action(ui: Page, name: string): Promise<void> {
  const button = ui.getByRole('button', { name, exact: true });
  if (!(await button.isVisible())) await ui.getByRole('button', { name: 'More', exact: true }).click();
  await button.click();
}

test('a zone gets a schedule, and a daypart by form that is searched for in the library', async ({ ui, server }, info) => {
  const id = await server.zone(`Form ${info.project.name}`);
  await open(ui, server, 'schedules', id);
  await ui.getByRole('button', { name: 'Make a schedule' }).click();
  await expect(ui.getByRole('region', { name: 'The week' })).toBeVisible();

  await ui.getByRole('button', { name: 'Add a daypart' }).click();
  const d = dialog(ui, 'Add a daypart');
  await d.getByRole('button', { name: 'Save' }).click();
  await expect(d.getByText('Give it a name.')).toBeVisible();
  await expect(d.getByText('Choose what plays.')).toBeVisible();
  await d.getByLabel('Name').fill('Lunch');
  await d.getByRole('button', { name: 'Monday to Friday' }).click();
  await d.getByLabel('Begins').fill('11:30');
  await d.getByLabel('Ends').fill('14:00');
  await expect(d.getByText('Lasts 2.5 h.')).toBeVisible();
  await d.getByLabel('Search').fill('corridor');
  await d.getByRole('list', { name: 'What was found' }).getByRole('button', { name: /Quiet Corridor/ }).click();
  await d.getByLabel('Set the volume at the beginning').check();
  await d.getByLabel('Volume', { exact: true }).fill('42');
  await d.getByRole('button', { name: 'Save' }).click();
  await expect(d).toBeHidden();

  const plan = (await planOf(server, id))!;
  expect(plan.dayparts).toMatchObject([{ name: 'Lunch', days: days.slice(0, 5), start: '11:30', end: '14:00', uri: 'quiet/corridor.flac', volume: 42, holidays: 'as_usual' }]);
  if (info.project.name === 'desktop') await expect(ui.getByTestId('day-wed').getByRole('button', { name: /Lunch/ })).toBeVisible();

  // What would be in force together is refused, with the reason at the field.
  await ui.getByRole('button', { name: 'Add a daypart' }).click();
  await d.getByLabel('Name').fill('Concert');
  await d.getByLabel('What happens').selectOption('Silence');
  await d.getByLabel('Begins').fill('13:00');
  await d.getByLabel('Ends').fill('15:00');
  await d.getByRole('button', { name: 'Save' }).click();
  await expect(d.getByText(/“Lunch” .* is in force on Monday then/)).toBeVisible();
  await d.getByRole('button', { name: 'Weekend' }).click();
  await d.getByRole('button', { name: 'Save' }).click();
  await expect(d).toBeHidden();
  expect((await planOf(server, id))!.dayparts).toHaveLength(2);

  // And undone from the message.
  await ui.getByRole('button', { name: 'Undo' }).last().click();
  await expect.poll(async () => (await planOf(server, id))!.dayparts.length).toBe(1);
});

test('a daypart is drawn on the week, changed on one day, and copied to others', async ({ ui, server }, info) => {
  test.skip(info.project.name === 'phone', 'a mouse draws; fingers have the form');
  const id = await zone(ui, server, 'Drawn');
  const tuesday = ui.getByTestId('day-tue');
  await tuesday.scrollIntoViewIfNeeded();
  const box = (await tuesday.boundingBox())!;
  const y = (hour: number) => box.y + (box.height * hour) / 24;
  await ui.mouse.move(box.x + box.width / 2, y(9) + 1);
  await ui.mouse.down();
  await ui.mouse.move(box.x + box.width / 2, y(10), { steps: 4 });
  await ui.mouse.move(box.x + box.width / 2, y(12) - 1, { steps: 4 });
  await ui.mouse.up();
  const d = dialog(ui, 'Add a daypart');
  await expect(d.getByLabel('Begins')).toHaveValue('09:00');
  await expect(d.getByLabel('Ends')).toHaveValue('12:00');
  await expect(d.getByRole('checkbox', { name: 'Tuesday' })).toBeChecked();
  await d.getByLabel('Name').fill('Morning');
  await d.getByRole('checkbox', { name: 'Thursday' }).check({ force: true });
  await d.getByLabel('From', { exact: true }).selectOption('Radio station or address');
  await d.getByLabel('Address').fill('https://radio.example/soft');
  await d.getByRole('button', { name: 'Save' }).click();
  await expect(d).toBeHidden();

  // Thursday alone begins later.
  await ui.getByTestId('day-thu').getByRole('button', { name: /Morning/ }).click();
  const e = dialog(ui, 'Morning');
  await e.getByLabel('Change', { exact: true }).selectOption('Only Thursday');
  await e.getByLabel('Begins').fill('10:00');
  await e.getByRole('button', { name: 'Save' }).click();
  await expect(e).toBeHidden();
  const parts = async () => (await planOf(server, id))!.dayparts.map((p) => [p.start, p.days.join()]);
  expect((await parts()).sort()).toEqual([['09:00', 'tue'], ['10:00', 'thu']]);

  await ui.getByRole('button', { name: 'Copy Thursday to other days' }).click();
  const c = dialog(ui, 'Copy Thursday');
  await c.getByRole('checkbox', { name: 'Friday' }).check({ force: true });
  await c.getByRole('checkbox', { name: 'Tuesday' }).check({ force: true });
  await c.getByRole('button', { name: 'Copy', exact: true }).click();
  await expect(c).toBeHidden();
  expect(await parts()).toEqual([['10:00', 'tue,thu,fri']]);
});

test('what was changed in a form is not lost by a slip', async ({ ui, server }, info) => {
  await zone(ui, server, `Guard ${info.project.name}`);
  await ui.getByRole('button', { name: 'Add a daypart' }).click();
  const d = dialog(ui, 'Add a daypart');
  await d.getByLabel('Name').fill('Half a thought');
  await ui.keyboard.press('Escape');
  await expect(d.getByText('There are changes that are not saved.')).toBeVisible();
  await ui.goBack();
  await expect(d.getByLabel('Name')).toHaveValue('Half a thought');
  await d.getByRole('button', { name: 'Discard the changes' }).click();
  await expect(d).toBeHidden();
});

test('quiet hours cap the zone, and no command passes them', async ({ ui, server }, info) => {
  const { id: speaker } = await server.approved(`Quiet ${info.project.name}`);
  const id = await server.zone(`Night ${info.project.name}`, speaker);
  await server.api('POST', '/schedules', { group_id: id, name: 'Night', dayparts: [], quiet_hours: [] });
  await open(ui, server, 'schedules', id);
  await expect(ui.getByRole('region', { name: 'The week' })).toBeVisible();
  await action(ui, 'Add quiet hours');
  const d = dialog(ui, 'Add quiet hours');
  await expect(d.getByText(/No controller can pass it/)).toBeVisible();
  await d.getByLabel('Begins').fill('00:00');
  await d.getByLabel('Ends').fill('00:00');
  await expect(d.getByText(/Lasts 24 hours/)).toBeVisible();
  await d.getByLabel('Greatest volume').fill('20');
  await d.getByRole('button', { name: 'Save' }).click();
  await expect(d).toBeHidden();
  await expect(ui.getByTestId('quiet')).toContainText('at most 20');
  await expect(ui.getByRole('region', { name: 'At this moment' })).toContainText('at most 20');
  await server.api('POST', `/groups/${id}/volume`, { volume: 90 });
  await server.eventually(`/clients/${speaker}`, (c) => c.player?.volume === 20, 'the speaker at 20');
});

test('tonight is previewed in words, and the schedule is skipped and followed again', async ({ ui, server }, info) => {
  const id = await zone(ui, server, `Tonight ${info.project.name}`, {
    dayparts: [{ name: 'All day', days, start: '00:00', end: '00:00', uri: 'loud', volume: 33 }],
    quiet_hours: [{ days, start: '00:00', end: '00:00', max_volume: 12 }],
  });
  const preview = ui.getByTestId('preview');
  await expect(preview.getByRole('listitem').filter({ hasText: 'All day' }).first()).toContainText('loud · volume 33');
  await expect(preview.getByRole('listitem').filter({ hasText: 'Quiet hours' }).first()).toContainText('at most 12');
  await expect(ui.getByTestId('in-force')).toHaveText('In force now: All day');

  await ui.getByRole('button', { name: 'Skip until tomorrow' }).click();
  await expect(ui.getByRole('button', { name: 'Follow the schedule again' })).toBeVisible();
  const until = Date.parse((await planOf(server, id))!.skip_until!);
  expect(until).toBeGreaterThan(Date.now());
  expect(until).toBeLessThan(Date.now() + 31 * 3_600_000);
  await ui.getByRole('button', { name: 'Follow the schedule again' }).click();
  await expect(ui.getByRole('button', { name: 'Skip until tomorrow' })).toBeVisible();
  expect((await planOf(server, id))!.skip_until).toBeUndefined();

  await ui.getByLabel('Switched on').uncheck();
  await expect(ui.getByTestId('in-force')).toHaveText('The schedule is switched off');
  expect((await planOf(server, id))!.enabled).toBe(false);
});

test('holidays are listed, and dayparts take them as they are told', async ({ ui, server }, info) => {
  const id = await zone(ui, server, `Feast ${info.project.name}`, { dayparts: [{ name: 'Office', days, start: '09:00', end: '17:00', stop: true }] });
  await action(ui, 'Holidays');
  const d = dialog(ui, 'Holidays');
  const date = info.project.name === 'phone' ? '2031-05-02' : '2031-05-01';
  await d.getByLabel('Date').fill(date);
  await d.getByLabel('Name').fill('Day of the crew');
  await d.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(d.getByTestId('holiday').filter({ hasText: 'Day of the crew' }).first()).toBeVisible();
  await d.getByLabel('Office').selectOption('Not on holidays');
  await d.getByRole('button', { name: 'Save' }).click();
  await expect(d).toBeHidden();
  expect((await server.api('GET', '/holidays')).holidays).toContainEqual({ date, name: 'Day of the crew' });
  expect((await planOf(server, id))!.dayparts[0]!.holidays).toBe('never');
  await ui.getByLabel('Another day').fill(date);
  await expect(ui.getByText('Nothing is planned.')).toBeVisible();
});

test('a schedule is copied to another zone', async ({ ui, server }, info) => {
  const name = info.project.name;
  const to = await server.zone(`Copy target ${name}`);
  await zone(ui, server, `Copy source ${name}`, { dayparts: [{ name: 'Office', days, start: '09:00', end: '17:00', stop: true }] });
  await action(ui, 'Copy to another zone');
  const d = dialog(ui, 'Copy to another zone');
  await d.getByLabel('Zone').selectOption(`Copy target ${name}`);
  await d.getByRole('button', { name: 'Copy', exact: true }).click();
  await expect(d).toBeHidden();
  expect((await planOf(server, to))!.dayparts).toMatchObject([{ name: 'Office', start: '09:00' }]);
});
