// A compliance officer looks after the calls of a day: what was not recorded, why, and the report that was signed.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { logIn, visit } from './visit.mjs';

const { CONSOLE_DAY: day, CONSOLE_SCREENSHOT: screenshot, CONSOLE_REPORT: report } = process.env;

// The text of every row of the table that the heading names.
const rows = (page, heading) => page.locator(`table[aria-labelledby="${heading}"] tbody tr`).allInnerTexts();

await visit(async (page) => {
  await logIn(page);
  // With the keyboard alone: over the skip link and the brand to the parts of the console.
  await page.locator('nav.parts').waitFor();
  await page.evaluate(() => document.activeElement?.blur());
  for (let step = 0; step < 4; step += 1) await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Assurance', 'reached by Tab');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/assurance$/);
  assert.equal(await page.locator('nav.parts [aria-current=page]').innerText(), 'Assurance');
  const yesterday = (await rows(page, 'days')).find((row) => row.startsWith(day));
  assert.match(yesterday, /33\.33 %\s+3\s.*5 calls\s.*2 Not recorded/s, 'the share, and what is missing');
  assert.ok((await rows(page, 'silent')).some((row) => /^7009\s+never\s+never$/.test(row)), 'who is silent');

  await page.click(`a[href="/assurance/${day}"]`);
  await page.waitForURL(new RegExp(`${day}$`));
  const verdicts = await rows(page, 'verdicts');
  assert.equal(verdicts.length, 8, 'every verdict has its line');
  for (const line of [/^Compliant\s+1\s/, /^Not recorded\s+2\s/, /^Intentionally not recorded\s+1\s/, /^Excluded\s+1\s/]) {
    assert.ok(verdicts.some((row) => line.test(row)), `${line} in ${verdicts}`);
  }
  assert.match((await rows(page, 'dns'))[0], /^70(03|05)\s+0\.00 %\s+0\s+1/, 'the worst DN first');
  assert.equal((await rows(page, 'nodes')).length, 1);
  assert.equal((await rows(page, 'incidents')).length, 2);

  // By filter: one incident with the DN and the call.
  await page.fill('#number', '*003');
  await page.press('#number', 'Enter');
  await page.waitForURL(/number=/);
  const found = await rows(page, 'incidents');
  assert.equal(found.length, 1);
  assert.match(found[0], /7003[\s\S]*LOST[\s\S]*Not recorded there is no recording\s+nobody said yet/);
  await page.selectOption('#verdict', 'partial');
  await page.click('form.search button[type=submit]');
  await page.waitForURL(/verdict=partial/);
  assert.match(await page.locator('p.empty').first().innerText(), /No call matches/);
  await page.click('form.search a.quiet');
  await page.waitForURL((url) => !url.search);
  await page.selectOption('#verdict', 'intentionally_not_recorded');
  await page.click('form.search button[type=submit]');
  await page.waitForURL(/verdict=intentionally/);
  assert.match((await rows(page, 'incidents'))[0], /QUIET/, 'other calls are found as well');
  await page.click('form.search a.quiet');
  await page.waitForURL((url) => !url.search);

  // Say what was behind it.
  await page.locator('table[aria-labelledby="incidents"] tr', { hasText: 'LOST' }).locator('a').click();
  await page.locator('form.annotate').waitFor();
  await page.click('form.annotate button');
  assert.match(page.url(), /[0-9a-f]{32}$/, 'without a cause the browser sends nothing');
  assert.match(await page.locator('main').innerText(), /Nobody has said yet/);
  await page.selectOption('#cause', 'switch');
  await page.fill('#note', 'The port was not monitored.');
  await page.screenshot({ path: screenshot.replace('.png', '-incident.png'), fullPage: true });
  await page.click('form.annotate button');
  await page.locator('.said').waitFor();
  assert.match(await page.locator('div.notice').innerText(), /did not replicate[\s\S]*not monitored/);
  await page.click('p.back a');
  await page.waitForURL(new RegExp(`${day}#incidents$`));
  assert.ok((await rows(page, 'incidents')).some((row) => /LOST[\s\S]*The switch did not replicate/.test(row)));

  // The signed report, as a file.
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('a[download]')]);
  await download.saveAs(report);
  const [said, signature, rest] = (await readFile(report, 'utf8')).split('\n');
  assert.equal(JSON.parse(said).day, day);
  assert.deepEqual(Object.keys(JSON.parse(signature)), ['sha256', 'public', 'signature']);
  assert.equal(rest, '');
  await page.screenshot({ path: screenshot, fullPage: true });
  await page.click('p.back a');
  await page.locator('#days').waitFor();
  await page.screenshot({ path: screenshot.replace('.png', '-days.png'), fullPage: true });

  // A narrow screen: nothing runs out of the page.
  await page.setViewportSize({ width: 390, height: 800 });
  await page.goto(page.url());
  const fits = () => document.documentElement.scrollWidth <= document.documentElement.clientWidth;
  assert.ok(await page.evaluate(fits), 'the days fit a phone');
  await page.click(`a[href="/assurance/${day}"]`);
  await page.locator('#incidents').waitFor();
  assert.ok(await page.evaluate(fits), 'a day fits a phone');
});
