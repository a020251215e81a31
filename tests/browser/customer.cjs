'use strict';
// What a customer does in a browser. No script runs in it, but where the keyboard alone is used.

const fs = require('node:fs');
const path = require('node:path');
const { tabTo } = require('./browser.cjs');
const { Controller, require_ } = require('./site.cjs');

function sell(vendor, ...more) {
  const words = ['subscription', 'create', '--customer', 'ACME <b>& Söhne</b>', '--days', '365'];
  return vendor.json(...words, '--limit', 'users=500', '--feature', 'single-sign-on', ...more);
}

async function signIn(page, vendor, code) {
  await page.goto(vendor.url);
  await page.getByLabel('Activation Code').fill(code);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Uploads a file where the page asks for one. */
async function upload(page, name, contents) {
  await page.setInputFiles('input[type=file]', { name, mimeType: 'application/octet-stream', buffer: Buffer.from(contents) });
  await page.locator('main').getByRole('button', { name: 'Upload' }).click();
}

/** What a link of the page downloads. */
async function download(page, link) {
  const waiting = page.waitForEvent('download');
  await page.getByRole('link', { name: link }).click();
  return fs.readFileSync(await (await waiting).path(), 'utf8');
}

async function says(page, text) {
  const found = await page.locator('main').innerText();
  require_(found.includes(text), `no ${JSON.stringify(text)} on ${page.url()}:\n${found}`);
}

/** Wrong codes are told in the form, alike whether they exist or not; the right one opens the subscription. */
async function signingIn({ vendor }, browser) {
  const { activation_code: code } = sell(vendor);
  const page = await browser.visitor();
  await page.goto(vendor.url);
  await browser.look(page, 'sign-in');
  await signIn(page, vendor, 'not a code');
  await browser.look(page, 'sign-in-mistyped');
  const stranger = sell(new (vendor.constructor)(vendor.binaries, path.join(vendor.folder, 'other'))).activation_code;
  await signIn(page, vendor, stranger);
  await says(page, 'No subscription here fits this Activation Code');
  await browser.look(page, 'sign-in-unknown');
  await page.goto(`${vendor.url}/subscription`);
  require_(new URL(page.url()).pathname !== '/subscription', `nobody is signed in, and sees ${page.url()}`);
  await page.goto(`${vendor.url}/nothing/here`);
  await browser.look(page, 'nothing-here');
  await signIn(page, vendor, code.toLowerCase().replaceAll('.', ' '));
  await says(page, 'ACME <b>& Söhne</b>');
  require_(!(await page.content()).includes(code), 'the page shows the Activation Code');
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await page.goto(`${vendor.url}/subscription`);
  require_(new URL(page.url()).pathname !== '/subscription', 'signed out, and sees the subscription');
  await page.context().close();
}

/** What the focused input asks for a file with. Chromium lets a key go by while it is busy, and one presses it again. */
async function fileChooser(page) {
  for (let pressed = 0; pressed < 5; pressed += 1) {
    const waiting = page.waitForEvent('filechooser', { timeout: 5000 }).catch(() => undefined);
    await page.keyboard.press('Space');
    const chooser = await waiting;
    if (chooser) return chooser;
  }
  throw new Error(`the keyboard does not open the choice of a file on ${page.url()}`);
}

/** Chooses a file by the keyboard alone, and sends it. */
async function uploadByKeyboard(page, name, contents) {
  await tabTo(page, 'input[type=file]');
  await (await fileChooser(page)).setFiles({ name, mimeType: 'application/octet-stream', buffer: Buffer.from(contents) });
  await tabTo(page, 'main button[type=submit]');
  await page.keyboard.press('Enter');
}

/** The keyboard reaches everything, and one sees where it is: signing in, a file that is refused, one that is answered, the answer. */
async function byKeyboard({ vendor, keep }, browser) {
  const { activation_code: code } = sell(vendor, '--slots', 'production=1');
  const page = await browser.visitor({ javaScriptEnabled: true, acceptDownloads: true });
  const focused = () => page.evaluate(() => document.activeElement.id);
  // As long as one listens, choices are handed over.
  page.on('filechooser', () => {});
  await page.goto(vendor.url);
  await tabTo(page, 'a.skip');
  await tabTo(page, 'input[name=code]');
  await page.keyboard.type(code);
  await tabTo(page, 'main button[type=submit]');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/subscription');
  await tabTo(page, 'nav a[href="/requests"]');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/requests');

  await uploadByKeyboard(page, 'notes.txt', 'this is no request');
  await says(page, 'There is a problem');
  require_((await page.title()).startsWith('Error: '), await page.title());
  require_((await focused()) === 'faults', `the focus is on ${await focused()}`);
  await tabTo(page, '#faults a');
  await page.keyboard.press('Enter');
  require_((await focused()) === 'file', `the summary leads to ${await focused()}`);
  await page.keyboard.press('Shift+Tab');
  const server = new Controller(vendor, 'by-keyboard', { portal: false });
  await server.start();
  keep(server.daemon);
  const request = server.ctl(code, 'request', 'activate', '--name', 'By hand', '--purpose', 'production');
  require_(request.status === 0, request.stderr);
  await uploadByKeyboard(page, 'request.jws', request.stdout);
  await page.waitForURL('**/answers/*');
  await tabTo(page, 'main a.button');
  const waiting = page.waitForEvent('download');
  await page.keyboard.press('Enter');
  const answer = fs.readFileSync(await (await waiting).path(), 'utf8');
  const file = path.join(server.folder, 'answer.jws');
  fs.writeFileSync(file, answer);
  server.run('license', 'install', file);
  require_(server.status().state === 'active', JSON.stringify(server.status()));
  await page.context().close();
}

/** A server without any way to the portal: request file up, answer down, active; renewed, rebound and released by courier. */
async function airGapped({ vendor, keep }, browser) {
  const { id, activation_code: code } = sell(vendor, '--slots', 'production=2', '--slots', 'quality=0');
  const controller = new Controller(vendor, 'air-gapped', { portal: false });
  await controller.start();
  keep(controller.daemon);
  const page = await browser.visitor({ acceptDownloads: true });
  await signIn(page, vendor, code);
  await browser.look(page, 'subscription-new');

  await page.getByRole('link', { name: 'Upload a request', exact: true }).first().click();
  await browser.look(page, 'requests');
  await upload(page, 'notes.txt', 'this is no request');
  await says(page, 'no sound request');
  await browser.look(page, 'requests-refused');
  await page.goto(`${vendor.url}/requests`);
  const request = controller.ctl(code, 'request', 'activate', '--name', 'Düsseldorf & Co', '--purpose', 'production');
  require_(request.status === 0, request.stderr);
  await upload(page, 'request.jws', request.stdout);
  await says(page, 'The request is answered');
  await browser.look(page, 'answer');
  const answer = await download(page, 'Download the answer');
  const file = path.join(controller.folder, 'answer.jws');
  fs.writeFileSync(file, answer);
  controller.run('license', 'install', file);
  require_(controller.status().state === 'active', JSON.stringify(controller.status()));

  // The same file again: the same answer.
  await page.goto(`${vendor.url}/requests`);
  await upload(page, 'request.jws', request.stdout);
  require_((await download(page, 'Download the answer')) === answer, 'a repeated request has another answer');

  await page.goto(`${vendor.url}/subscription`);
  await browser.look(page, 'subscription');
  await page.getByRole('link', { name: 'Düsseldorf & Co' }).click();
  await says(page, controller.run('serial').trim().split(/\s/).find((word) => word.includes('-')) ?? '');
  await browser.look(page, 'environment');

  // The vendor renews; the file goes the same way.
  vendor.run('subscription', 'set', id, '--feature', 'reports');
  const refresh = controller.run('request', 'refresh');
  await page.goto(`${vendor.url}/requests`);
  await upload(page, 'refresh.jws', refresh);
  fs.writeFileSync(file, await download(page, 'Download the answer'));
  controller.run('license', 'install', file);
  require_(controller.status().features.reports === true, 'the renewal has not arrived');

  await page.goto(`${vendor.url}/subscription`);
  await page.getByRole('link', { name: 'Düsseldorf & Co' }).click();
  await page.getByRole('button', { name: 'Make a one-time code' }).click();
  await says(page, 'It is shown once');
  await browser.look(page, 'rebind-code');

  await page.goto(`${vendor.url}/history`);
  await browser.look(page, 'history');
  await page.goto(`${vendor.url}/usage-reports`);
  await browser.look(page, 'usage-report');
  await upload(page, 'usage.txt', controller.run('usage', 'report'));
  await browser.look(page, 'usage-report-taken');
  await page.goto(`${vendor.url}/serial-number`);
  await browser.look(page, 'serial-number');

  const release = controller.run('request', 'release');
  await page.goto(`${vendor.url}/requests`);
  await upload(page, 'release.jws', release);
  fs.writeFileSync(file, await download(page, 'Download the answer'));
  controller.run('license', 'install', file);
  require_(controller.status().state === 'unlicensed', JSON.stringify(controller.status()));
  await page.goto(`${vendor.url}/subscription`);
  await browser.look(page, 'subscription-released');
  await page.context().close();
}

module.exports = { journeys: { airGapped, byKeyboard, signingIn }, says, sell, signIn };
