'use strict';
// What a customer does in a browser while its servers, real agents, are at the other end of the portal.

const fs = require('node:fs');
const { Controller, require_, until } = require('./site.cjs');
const { says, sell, signIn } = require('./customer.cjs');

/** Nothing is left of what suspected a copy. */
function isSound(status) {
  return status.state === 'active' && !status.conditions.some(({ type }) => type === 'CloneSuspected');
}

/** Answers as the portal's page did when `link` led to the environment. */
async function open(page, vendor, name) {
  await page.goto(`${vendor.url}/subscription`);
  await page.getByRole('link', { name }).click();
}

/**
 * One environment through all that may befall it: two machines go on as it, one is named; its server is installed anew, a one-time code gives it
 * back; it is to be released, which the vendor refuses first.
 */
async function oneEnvironment({ vendor, keep }, browser) {
  const { activation_code: code } = sell(vendor, '--slots', 'production=1', '--releases-a-year', '0');
  const first = new Controller(vendor, 'first', { portal: true });
  await first.start();
  const done = first.ctl(code, 'activate', '--name', 'Oslo', '--purpose', 'production');
  require_(done.status === 0, done.stderr);
  const page = await browser.visitor();
  await signIn(page, vendor, code);

  const copy = await copied(vendor, first, keep);
  await survivorIsNamed(vendor, first, copy, page, browser);
  await keyIsLost(vendor, first, code, page, browser);
  await releaseIsRefusedAndApproved(vendor, first, page, browser);
  await page.context().close();
}

/** The same machine twice: both run, and both have asked since. */
async function copied(vendor, first, keep) {
  await first.daemon.stop();
  const copy = new Controller(vendor, 'copy', { portal: true, hardware: 'first' });
  fs.cpSync(`${first.folder}/state`, `${copy.folder}/state`, { recursive: true });
  await first.start();
  await copy.start();
  keep(copy.daemon);
  first.run('refresh');
  const told = copy.run('refresh');
  require_(told.includes('CloneSuspected'), told);
  return copy;
}

async function survivorIsNamed(vendor, first, copy, page, browser) {
  await open(page, vendor, 'Oslo');
  await says(page, 'Two machines ask as this environment');
  await browser.look(page, 'environment-forked');
  // By what the server itself shows.
  const events = JSON.parse(first.run('events', '--json'));
  const asked = events.find(({ action, detail }) => action === 'requested' && detail.startsWith('refresh '));
  require_(asked, JSON.stringify(events));
  const last = asked.detail.split(' ')[1];
  await page.getByRole('button', { name: last }).click();
  await says(page, 'The machine was named');
  await says(page, 'named by you');
  await browser.look(page, 'environment-survivor-named');
  first.run('refresh');
  const rekeyed = await until('the survivor has a new key', () => first.status(), (s) => s.license?.sequence === 2);
  require_(isSound(rekeyed), JSON.stringify(rekeyed));
  copy.run('refresh');
  const retired = copy.status();
  require_(retired.state === 'unlicensed' && retired.reason === 'retired', JSON.stringify(retired));
  first.run('refresh');
  require_(isSound(first.status()), JSON.stringify(first.status()));
  await open(page, vendor, 'Oslo');
  require_(!(await page.content()).includes('Two machines'), 'the fork is on the page still');
  await browser.look(page, 'environment-after-a-fork');
}

async function keyIsLost(vendor, first, code, page, browser) {
  await first.daemon.stop();
  fs.rmSync(`${first.folder}/state`, { recursive: true });
  await first.start();
  const refused = first.ctl(code, 'activate', '--purpose', 'production');
  require_(refused.status !== 0 && refused.stderr.includes('rebind'), refused.stderr);
  await open(page, vendor, 'Oslo');
  await page.getByRole('button', { name: 'Make a one-time code' }).click();
  const once = (await page.locator('.secret').innerText()).trim();
  const wrong = first.ctl(code, 'rebind', '--rebind-code', once.replaceAll(/[2-9]/g, (digit) => (digit === '2' ? '3' : '2')));
  require_(wrong.status !== 0, 'a code that was made up rebinds');
  const rebound = first.ctl(code, 'rebind', '--rebind-code', once);
  require_(rebound.status === 0, rebound.stderr);
  require_(first.status().state === 'active', JSON.stringify(first.status()));
  const again = first.ctl(code, 'rebind', '--rebind-code', once);
  require_(first.status().state === 'active', again.stderr);
}

async function releaseIsRefusedAndApproved(vendor, first, page, browser) {
  vendor.give('a long pass phrase', 'operator', 'add', 'clerk', '--role', 'support', '--password-file', '-');
  const clerk = await browser.visitor();
  await clerk.goto(`${vendor.url}/vendor/`);
  await clerk.getByLabel('Name').fill('clerk');
  await clerk.getByLabel('Password').fill('a long pass phrase');
  await clerk.getByRole('button', { name: 'Sign in' }).click();

  await open(page, vendor, 'Oslo');
  await page.getByText('Release the environment').click();
  await page.getByLabel('Reason').fill('   ');
  await page.getByRole('button', { name: 'Release Oslo' }).click();
  await says(page, 'There is a problem');
  await browser.look(page, 'environment-release-refused-by-form');
  await page.getByLabel('Reason').fill('the office is closed');
  await page.getByRole('button', { name: 'Release Oslo' }).click();
  await says(page, "waits for your vendor's approval");
  await browser.look(page, 'environment-release-waits');

  await clerk.goto(`${vendor.url}/vendor/approvals`);
  await says(clerk, 'the office is closed');
  await browser.look(clerk, 'vendor-approvals-waiting');
  await clerk.getByLabel('Why it is refused').fill('  ');
  await clerk.getByRole('button', { name: 'Refuse the release' }).click();
  await says(clerk, 'There is a problem');
  await browser.look(clerk, 'vendor-approvals-refused-by-form');
  await clerk.getByLabel('Why it is refused').fill('Please call us first: +47 555 01 23');
  await clerk.getByRole('button', { name: 'Refuse the release' }).click();
  await says(clerk, 'Nothing waits');

  await open(page, vendor, 'Oslo');
  await says(page, 'Please call us first');
  await browser.look(page, 'environment-release-refused');
  require_(first.status().state === 'active', 'it was refused, and took the license');
  await page.getByText('Release the environment').click();
  await page.getByLabel('Reason').fill('as agreed by telephone');
  await page.getByRole('button', { name: 'Release Oslo' }).click();
  await clerk.goto(`${vendor.url}/vendor/approvals`);
  await clerk.getByRole('button', { name: 'Approve the release' }).click();
  await says(clerk, 'It is approved');
  first.ctl('', 'refresh');
  require_(first.status().state === 'unlicensed', JSON.stringify(first.status()));
  await first.daemon.stop();
  await page.goto(`${vendor.url}/history`);
  await says(page, 'as agreed by telephone');
  await says(page, 'Please call us first');
  await browser.look(page, 'history-long');
  await clerk.context().close();
}

/** Somebody without a code starts a trial, and a server of theirs is active. */
async function trial({ vendor, keep }, browser) {
  vendor.run('trial', 'set', '--days', '90', '--edition', 'trial', '--slots', 'development=1', '--feature', 'reports');
  const page = await browser.visitor();
  await page.goto(vendor.url);
  await page.getByRole('link', { name: 'Start a trial' }).click();
  await browser.look(page, 'trial');
  await page.getByLabel('Company').fill('--');
  await page.getByLabel('E-mail address').fill('jo@acme.example');
  await page.getByRole('button', { name: 'Start the trial' }).click();
  await says(page, 'There is a problem');
  await browser.look(page, 'trial-refused');
  await page.getByLabel('Company').fill('ACME & Söhne');
  await page.getByRole('button', { name: 'Start the trial' }).click();
  await says(page, 'Your trial has started');
  await browser.look(page, 'trial-started');
  const code = (await page.locator('.secret').innerText()).trim();

  const server = new Controller(vendor, 'trial', { portal: true });
  await server.start();
  keep(server.daemon);
  const done = server.ctl(code, 'activate', '--purpose', 'development');
  require_(done.status === 0, done.stderr);
  require_(server.status().state === 'active' && server.status().features.reports === true, JSON.stringify(server.status()));
  await signIn(page, vendor, code);
  await says(page, '90 days left');
  await browser.look(page, 'subscription-trial');
  await page.goto(`${vendor.url}/serial-number`);
  await page.getByLabel('Serial Number').fill('not one');
  await page.getByRole('button', { name: 'Keep an environment' }).click();
  await browser.look(page, 'serial-number-refused');
  vendor.run('trial', 'off');
  await page.context().close();
}

module.exports = { oneEnvironment, trial };
