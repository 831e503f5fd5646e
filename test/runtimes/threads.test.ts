/**
 * Threads on Deno and Bun cost what they cost on Node.js. Deno's `port.on` visits each element of each array of a message: by it
 * a build of 20,000 rows took 20 times the processor time of Node.js, and the kernels' thread 30 times.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const module = pathToFileURL(resolve('test/runtimes/runtimes.mjs')).href;
const { installed, RUNTIMES } = (await import(module)) as typeof import('./runtimes.mjs');

interface Spent {
  build: number;
  call: number;
}

/** As a multiple of the processor time of Node.js: well above noise, and well below what was. */
const MOST = 5;

const programs: Record<string, string> = {};
const missing = await lacking();

/** Why the runtimes are not to be had; in CI they have to be. */
async function lacking(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'the runtimes are those of Linux x64';
  try {
    for (const name of ['Deno', 'Bun']) programs[name] = await installed(name);
    return undefined;
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    return `the runtimes cannot be installed: ${(error as Error).message}`;
  }
}

describe('threads on other runtimes', { skip: missing, timeout: 300_000 }, () => {
  let home: string;
  let node: Spent;

  before(async () => {
    home = mkdtempSync(join(tmpdir(), 'funnelvec-threads-'));
    mkdirSync(join(home, 'node_modules'));
    symlinkSync(resolve('.'), join(home, 'node_modules', 'funnelvec'));
    writeFileSync(join(home, 'package.json'), '{ "private": true, "type": "module" }\n');
    cpSync('test/runtimes/spent.mjs', join(home, 'spent.mjs'));
    node = await spentBy(process.execPath, []);
  });
  after(() => rmSync(home, { recursive: true, force: true }));

  async function spentBy(program: string, args: readonly string[]): Promise<Spent> {
    const env = { ...process.env, NODE_OPTIONS: '', DENO_NO_UPDATE_CHECK: '1' };
    const { stdout } = await promisify(execFile)(program, [...args, 'spent.mjs'], { cwd: home, env });
    return JSON.parse(stdout);
  }

  for (const name of ['Deno', 'Bun']) {
    it(`cost on ${name} what they cost on Node.js`, async () => {
      const there = await spentBy(programs[name]!, RUNTIMES[name]!.args);
      for (const key of ['build', 'call'] as const) {
        const [mine, other] = [there[key], node[key]].map(Math.round);
        assert.ok(there[key] <= MOST * node[key], `${key}: ${mine} ms of processor time, Node.js ${other}`);
      }
    });
  }
});
