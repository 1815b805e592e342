// Opens Debian's chromium at the console, walks the journey, and ends with 1 and one line on the first thing that is not
// as it should be: a failed assertion, a message of the browser, a request to another origin.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const { CONSOLE_URL: url, CONSOLE_USER: user, CONSOLE_PASSWORD: password, CONSOLE_PROFILE: profile } = process.env;
export const origin = new URL(url).origin;

// The log-in page, and through it.
export async function logIn(page) {
  await page.goto(url);
  assert.match(page.url(), /\/login/, 'a stranger is asked to log in');
  await page.fill('#user', user);
  await page.fill('#password', password);
  await page.click('form[action="/login"] button');
}

export async function visit(journey) {
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
    await journey(page);
    assert.deepEqual(faults, []);
  } catch (error) {
    console.log(`${error.message}\nat ${page.url()}\n${faults.join('\n')}`);
    process.exitCode = 1;
  } finally {
    await context.close();
  }
}
