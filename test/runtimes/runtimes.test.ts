/**
 * The packed package on the oldest and the newest Node.js that it is for, by the checks of probe.mjs; `npm run runtimes` has the
 * others, and writes the table of docs/runtimes.md.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { startMilvus, startQdrant } from '../sources/servers.js';
import type { Probed } from './runtimes.mjs';

const module = pathToFileURL(resolve('test/runtimes/runtimes.mjs')).href;
const { differing, installed, matrixOf, probed, project, RUNTIMES } = (await import(
  module
)) as typeof import('./runtimes.mjs');

const NAMES = ['Node 20', 'Node 26'];
const missing = await lacking();

/** Why the runtimes are not to be had; in CI they have to be. */
async function lacking(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'the runtimes are those of Linux x64';
  try {
    for (const name of NAMES) await installed(name);
    return undefined;
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    return `the runtimes cannot be installed: ${(error as Error).message}`;
  }
}

describe('the packed package on other versions of Node.js', { skip: missing, timeout: 300_000 }, () => {
  const found: Record<string, Probed> = {};
  let home: string;
  let servers: { stop(): Promise<void> }[] = [];

  before(async () => {
    home = mkdtempSync(join(tmpdir(), 'funnelvec-runtimes-'));
    const [qdrant, milvus] = await Promise.all([startQdrant(), startMilvus(), project(home)]);
    servers = [qdrant, milvus];
    const env = {
      PROBE_QDRANT: qdrant.url,
      PROBE_QDRANT_GRPC: `${qdrant.grpcHost}:${qdrant.grpcPort}`,
      PROBE_MILVUS: milvus.address,
    };
    const told = await Promise.all(NAMES.map((name) => probed(name, home, env)));
    NAMES.forEach((name, i) => {
      found[name] = told[i]!;
    });
  });
  after(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  });

  for (const name of NAMES) {
    it(`does everything on ${name}, and ends without a word`, () => {
      const { answers, ended, stderr } = found[name]!;
      for (const [check, { ok, why }] of Object.entries(answers)) assert.ok(ok, `${check}: ${why}`);
      assert.ok(Object.keys(answers).length >= 14);
      assert.equal(ended, 0);
      assert.equal(stderr, '');
    });
  }

  it('gives the same answers and bits on both', () => assert.deepEqual(differing(found), []));

  it('does what the table of docs/runtimes.md says, which has a column for every runtime', () => {
    const page = readFileSync('docs/runtimes.md', 'utf8');
    const cells = (text: string) =>
      text
        .split('\n')
        .filter((line) => line.startsWith('|') && !line.startsWith('|-'))
        .map((line) =>
          line
            .split('|')
            .slice(1, -1)
            .map((cell) => cell.trim()),
        );
    const table = cells(/<!-- runtimes -->\n([\s\S]*?)<!-- \/runtimes -->/.exec(page)![1]!);
    const versions = Object.entries(RUNTIMES).map(([name, { version }]) => `${name.replace(/ \d+$/, '')} ${version}`);
    assert.deepEqual(table[0], ['', ...versions]);
    const columns = [0, ...NAMES.map((name) => 1 + Object.keys(RUNTIMES).indexOf(name))];
    assert.deepEqual(
      table.map((row) => columns.map((at) => row[at])),
      cells(matrixOf(found)),
    );
  });

  it('tells of a client of Qdrant that fails on Node.js 26, in doctor and in errors', async () => {
    const node = await installed('Node 26');
    const run = (args: string[]) => spawnSync(node, args, { cwd: home, encoding: 'utf8' }).stdout;
    const report = JSON.parse(run(['node_modules/funnelvec/dist/esm/cli/main.js', 'doctor', '--json']));
    assert.deepEqual(report.runtime, { name: 'node', version: 'v26.12.1' });
    const { version, warning } = report.packages['@qdrant/js-client-rest'];
    if (/^1\.1[0-8]\./.test(version)) {
      assert.match(warning, /undici fails on Node\.js 26 .*npm install @qdrant\/js-client-rest@1\.19/);
      const program = `
        import { QdrantClient } from '@qdrant/js-client-rest';
        import { qdrantSource } from 'funnelvec/qdrant';
        const client = new QdrantClient({ url: 'http://127.0.0.1:59999', checkCompatibility: false });
        const error = await qdrantSource(client, { collection: 'x', head: 'a', full: 'b' }).info().catch((cause) => cause);
        console.log(error.code, error.message);`;
      assert.match(run(['--input-type=module', '-e', program]), /^UNSUPPORTED .*js-client-rest@1\.19/);
    } else assert.equal(warning, undefined);
  });
});
