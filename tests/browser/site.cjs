'use strict';
// A vendor's portal and customers' servers, all of them the real programs, in a folder of their own.

const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const PRODUCT = 'example-product';
const PATIENCE = 60_000;

/** Ends the test with what was expected. */
function require_(holds, what) {
  if (!holds) throw new Error(what);
}

/** A process that ends with the test; what it says goes to a file. */
class Started {
  constructor(folder, name, program, words, more = {}) {
    this.log = path.join(folder, `${name}.log`);
    const out = fs.openSync(this.log, 'a');
    this.process = spawn(program, words, { stdio: ['ignore', out, out], ...more });
    fs.closeSync(out);
    this.ended = new Promise((resolve) => this.process.on('exit', resolve));
  }

  /** The first group of the pattern in what it says, once it has said so. */
  async said(pattern) {
    for (const deadline = Date.now() + PATIENCE; Date.now() < deadline; ) {
      const text = fs.readFileSync(this.log, 'utf8');
      const found = pattern.exec(text);
      if (found) return found[1];
      require_(this.process.exitCode === null, `${this.log} ended: ${text}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${this.log} never said ${pattern}`);
  }

  async stop() {
    this.process.kill('SIGTERM');
    await this.ended;
  }
}

/** The vendor: a portal that serves, and its commands. */
class Vendor {
  constructor(binaries, folder) {
    this.binaries = binaries;
    this.folder = folder;
    this.directory = path.join(folder, 'portal');
    this.run('init', '--product', PRODUCT, '--issuer', 'Example Vendor');
  }

  /** What a command prints, which must succeed. */
  run(...words) {
    return this.give('', ...words);
  }

  /** The same, with a text on standard input. */
  give(input, ...words) {
    const program = path.join(this.binaries, 'entitle-portal');
    const done = spawnSync(program, ['--dir', this.directory, ...words], { input, encoding: 'utf8' });
    require_(done.status === 0, `entitle-portal ${words.join(' ')}: ${done.stderr}`);
    return done.stdout;
  }

  json(...words) {
    return JSON.parse(this.run('--json', ...words));
  }

  async serve(...words) {
    const program = path.join(this.binaries, 'entitle-portal');
    const all = ['--dir', this.directory, 'serve', '--listen', '127.0.0.1:0', ...words];
    this.server = new Started(this.folder, 'portal', program, all);
    this.url = await this.server.said(/listening on (https?:\/\/\S+)/);
  }
}

/** A controller of a customer's: the daemon and its command. */
class Controller {
  constructor(vendor, name, { portal, hardware = name }) {
    this.binaries = vendor.binaries;
    this.folder = path.join(vendor.folder, name);
    fs.mkdirSync(path.join(this.folder, 'roots.d'), { recursive: true });
    fs.copyFileSync(path.join(vendor.directory, 'roots.jwks'), path.join(this.folder, 'roots.d/vendor.jwks'));
    this.settings = path.join(this.folder, 'entitled.toml');
    fs.writeFileSync(
      this.settings,
      `product = '${PRODUCT}'\nstate_directory = '${this.folder}/state'\nruntime_directory = '${this.folder}/run'\n` +
        `root_directories = ['${this.folder}/roots.d']\n` +
        (portal ? `[portal]\nurl = '${vendor.url}'\n` : '') +
        `[identity]\noverride = 'asset ${hardware} 4711'\n`,
    );
  }

  async start() {
    const program = path.join(this.binaries, 'entitled');
    this.daemon = new Started(this.folder, 'agent', program, ['run', '--config', this.settings]);
    await this.daemon.said(/(the agent runs)/);
    for (const deadline = Date.now() + PATIENCE; Date.now() < deadline; ) {
      if (this.ctl('', 'status', '--json').stdout.startsWith('{')) return;
    }
    throw new Error('the agent never answered');
  }

  ctl(input, ...words) {
    const program = path.join(this.binaries, 'entitlectl');
    const env = { ...process.env, ENTITLED_SOCKET: path.join(this.folder, 'run/entitled.sock') };
    return spawnSync(program, words, { input, env, encoding: 'utf8' });
  }

  /** What a command prints, which must succeed. */
  run(...words) {
    const done = this.ctl('', ...words);
    require_(done.status === 0, `entitlectl ${words.join(' ')}: ${done.stderr}`);
    return done.stdout;
  }

  status() {
    return JSON.parse(this.ctl('', 'status', '--json').stdout);
  }
}

/** What `look` sees, once it is as wanted. */
async function until(what, look, wanted) {
  let seen;
  for (const deadline = Date.now() + PATIENCE; Date.now() < deadline; ) {
    seen = look();
    if (wanted(seen)) return seen;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: ${JSON.stringify(seen)}`);
}

/** A folder that is gone after `work`, and everything that was started in it. */
async function onSite(binaries, work) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'entitled-browser-'));
  const started = [];
  try {
    await work({
      vendor: new Vendor(binaries, folder),
      folder,
      keep: (process) => {
        started.push(process);
        return process;
      },
    });
  } finally {
    for (const process of started.reverse()) await process.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

module.exports = { Controller, Started, Vendor, onSite, require_, until };
