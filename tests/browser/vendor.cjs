'use strict';
// What a vendor does in a browser, and what the customer's server sees of it.

const path = require('node:path');
const { Controller, require_ } = require('./site.cjs');

const PASSWORD = 'correct horse battery';

async function says(page, text) {
  const found = await page.locator('main').innerText();
  require_(found.includes(text), `no ${JSON.stringify(text)} on ${page.url()}:\n${found}`);
}

async function signIn(page, vendor, password) {
  await page.goto(`${vendor.url}/vendor/`);
  await page.getByLabel('Name').fill('alice');
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** A subscription is sold, renewed and revoked, each seen by a server after a refresh. */
async function selling({ vendor, keep }, browser) {
  vendor.give(PASSWORD, 'operator', 'add', 'alice', '--role', 'admin', '--password-file', '-');
  const page = await browser.visitor();
  await page.goto(`${vendor.url}/vendor/`);
  await browser.look(page, 'vendor-sign-in');
  await signIn(page, vendor, 'correct horse batters');
  await browser.look(page, 'vendor-sign-in-refused');
  await signIn(page, vendor, PASSWORD);
  await page.goto(`${vendor.url}/vendor/subscriptions`);
  await browser.look(page, 'vendor-subscriptions');

  await page.getByRole('link', { name: 'New subscription' }).click();
  await browser.look(page, 'vendor-new');
  await page.getByLabel('Customer', { exact: true }).fill("Robert'); DROP TABLE subscriptions; -- <script>");
  await page.getByLabel('Edition', { exact: true }).fill('professional');
  await page.getByLabel('Support level').fill('gold');
  await page.getByLabel('End', { exact: true }).fill('soon');
  await page.getByRole('button', { name: 'Sell' }).click();
  await says(page, 'There is a problem');
  await browser.look(page, 'vendor-new-refused');
  await page.getByLabel('End', { exact: true }).fill('2198-01-01');
  await page.getByLabel('Production', { exact: true }).fill('1');
  await page.getByLabel('Features', { exact: true }).fill('reports');
  await page.getByRole('button', { name: 'Sell' }).click();
  const own = new URL(page.url()).pathname;
  const id = /[0-9a-f-]{36}/.exec(own)?.[0] ?? vendor.json('subscription', 'list').at(-1).id;
  const at = `${vendor.url}/vendor/subscriptions/${id}`;
  await page.goto(at);
  await browser.look(page, 'vendor-subscription-new');
  await page.getByRole('button', { name: 'Show the Activation Code' }).click();
  const code = (await page.locator('.secret').innerText()).trim();
  await browser.look(page, 'vendor-code');

  const controller = new Controller(vendor, 'sold', { portal: true });
  await controller.start();
  keep(controller.daemon);
  const done = controller.ctl(code, 'activate', '--purpose', 'production');
  require_(done.status === 0, done.stderr);
  const license = () => controller.status().license;
  require_(license().ends_at.startsWith('2198-01-01'), JSON.stringify(license()));

  await page.goto(at);
  await browser.look(page, 'vendor-subscription');
  await page.locator('main').getByRole('link', { name: 'Renew' }).click();
  await browser.look(page, 'vendor-renew');
  await page.getByLabel('New end').fill('2199-01-01');
  await page.locator('main form').getByRole('button').first().click();
  controller.run('refresh');
  require_(license().ends_at.startsWith('2199-01-01'), JSON.stringify(license()));

  await page.goto(at);
  await page.locator('main').getByRole('link', { name: 'Revoke' }).click();
  await browser.look(page, 'vendor-revoke');
  await page.getByLabel('Reason').fill('chargeback <i>');
  await page.locator('main form').getByRole('button').first().click();
  controller.ctl('', 'refresh');
  require_(controller.status().state === 'restricted', JSON.stringify(controller.status()));
  await page.goto(at);
  await says(page, 'chargeback <i>');
  await browser.look(page, 'vendor-subscription-revoked');

  for (const name of ['approvals', 'audit', 'keys', 'operators', 'tokens', 'webhooks', 'password']) {
    const answer = await page.goto(`${vendor.url}/vendor/${name}`);
    require_(answer.status() === 200, `${name}: ${answer.status()}`);
    await browser.look(page, `vendor-${name}`);
  }
  await page.goto(`${vendor.url}/vendor/subscriptions`);
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await page.goto(at);
  require_(!(await page.content()).includes('DROP TABLE'), 'signed out, and sees a subscription');
  await page.context().close();
}

module.exports = { selling };
