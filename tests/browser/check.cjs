'use strict';
// check.cjs BINARIES PICTURES
//
//   BINARIES    the folder with the built programs
//   PICTURES    where pictures of the pages are left

const path = require('node:path');
const { Browser } = require('./browser.cjs');
const { onSite } = require('./site.cjs');
const { journeys: customer } = require('./customer.cjs');
const servers = require('./servers.cjs');
const vendor = require('./vendor.cjs');

async function main(binaries, shots) {
  await onSite(path.resolve(binaries), async (site) => {
    await site.vendor.serve();
    site.keep(site.vendor.server);
    const browser = await Browser.start(path.resolve(shots));
    try {
      for (const journey of [...Object.values(customer), ...Object.values(servers), ...Object.values(vendor)]) {
        console.log(`browser: ${journey.name}`);
        await journey(site, browser);
      }
      browser.conclude();
    } finally {
      await browser.stop();
    }
  });
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
