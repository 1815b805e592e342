// The journey of a person through the console: find a recording, look at it, hear it, leave.
import assert from 'node:assert/strict';
import { logIn, origin, visit } from './visit.mjs';

const { CONSOLE_RECORDING: recording, CONSOLE_NUMBER: number, CONSOLE_SCREENSHOT: screenshot } = process.env;

await visit(async (page) => {
  await logIn(page);
  const row = page.locator(`a[href="/recordings/${recording}"]`);
  await row.waitFor();
  assert.equal(await page.locator('tbody tr').count(), 2, 'the list shows both recordings');

  await page.fill('#number', number);
  await page.click('form.search button[type=submit]');
  await page.waitForURL(/number=/);
  await row.waitFor();
  assert.equal(await page.locator('tbody tr').count(), 1, 'the search finds the one');

  await row.click();
  await page.waitForURL(new RegExp(recording));
  assert.equal(await page.locator('svg path.sound').count(), 2, 'a waveform of two lanes');
  for (const path of await page.locator('svg path.sound').all()) {
    assert.ok((await path.getAttribute('d')).length > 100, 'a lane with sound');
  }
  const audio = page.locator('audio');
  await audio.evaluate((element) => { element.muted = true; return element.play(); });
  await page.waitForFunction(() => document.querySelector('audio').currentTime > 0.5);
  assert.ok((await audio.evaluate((element) => element.duration)) > 3.5, 'the whole call can be played');
  await page.screenshot({ path: screenshot, fullPage: true });

  await page.click('form[action="/logout"] button');
  await page.waitForURL(/\/login/);
  await page.goto(`${origin}/recordings/${recording}`);
  assert.match(page.url(), /\/login/, 'who has left sees nothing');
});
