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

/** The keyboard reaches everything, and one sees where it is. */
async function byKeyboard({ vendor }, browser) {
  const { activation_code: code } = sell(vendor);
  const page = await browser.visitor({ javaScriptEnabled: true });
  await page.goto(vendor.url);
  await tabTo(page, 'a.skip');
  await tabTo(page, 'input[name=code]');
  await page.keyboard.type(code);
  await tabTo(page, 'main button[type=submit]');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/subscription');
  await page.context().close();
}

module.exports = { byKeyboard, signingIn };
