// The journey of a person through the console; ends with 1 and one line on the first thing that is not as it should be.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const { CONSOLE_URL: url, CONSOLE_USER: user, CONSOLE_PASSWORD: password, CONSOLE_RECORDING: recording } = process.env;
const { CONSOLE_NUMBER: number, CONSOLE_SCREENSHOT: screenshot, CONSOLE_PROFILE: profile } = process.env;
const origin = new URL(url).origin;

const context = await chromium.launchPersistentContext(profile, {
  executablePath: '/usr/bin/chromium',
  headless: true,
  ignoreHTTPSErrors: true,
  viewport: { width: 1200, height: 900 },
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required',
  ],
});
const page = context.pages()[0] ?? (await context.newPage());
const faults = [];
page.on('console', (message) => message.type() === 'error' && faults.push(`console: ${message.text()}`));
page.on('pageerror', (error) => faults.push(`script: ${error.message}`));
page.on('request', (request) => {
  if (new URL(request.url()).origin !== origin) faults.push(`request to another origin: ${request.url()}`);
});
page.setDefaultTimeout(15000);

try {
  await page.goto(url);
  assert.match(page.url(), /\/login/, 'a stranger is asked to log in');
  await page.fill('#user', user);
  await page.fill('#password', password);
  await page.click('form[action="/login"] button');
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
  assert.deepEqual(faults, []);
} catch (error) {
  console.log(`${error.message}\nat ${page.url()}\n${faults.join('\n')}`);
  process.exitCode = 1;
} finally {
  await context.close();
}
