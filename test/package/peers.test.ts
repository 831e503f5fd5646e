/** Optional packages that are not installed: each is told by name, version and the command that installs it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { PACKAGES } from '#dist/core/packages.js';
import { root } from './consumer.js';

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

describe('without the packages that an entry needs', () => {
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'funnelvec-peers-')));
  const modules = join(home, 'node_modules');
  before(() => {
    mkdirSync(join(modules, 'funnelvec'), { recursive: true });
    cpSync(join(root, 'dist'), join(modules, 'funnelvec/dist'), { recursive: true });
    cpSync(join(root, 'package.json'), join(modules, 'funnelvec/package.json'));
  });
  after(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }));

  const write = (name: string, text: string | Uint8Array) => {
    mkdirSync(dirname(join(home, name)), { recursive: true });
    writeFileSync(join(home, name), text);
  };
  const run = (args: string[]) =>
    spawnSync(process.execPath, args, { cwd: home, encoding: 'utf8', env: { ...process.env, NODE_PATH: '' } });
  const answer = (type: 'module' | 'commonjs', code: string): string[] => {
    const { stdout, stderr } = run([`--input-type=${type}`, '-e', code]);
    assert.ok(stdout !== '', stderr);
    return JSON.parse(stdout);
  };
  const imported = (entry: string) =>
    answer(
      'module',
      `await import('${entry}').then((all) => console.log(JSON.stringify(['loaded', ...Object.keys(all)])),
        ({ name, code, message }) => console.log(JSON.stringify([name, code, message])));`,
    );
  const required = (entry: string) =>
    answer(
      'commonjs',
      `try { console.log(JSON.stringify(['loaded', ...Object.keys(require('${entry}'))])); }
       catch ({ name, code, message }) { console.log(JSON.stringify([name, code, message])); }`,
    );
  /** From Node.js 20.19 and 22.12 on. */
  const requiresModules = 'require_module' in process.features;

  it('the entries that extend classes of another package say so, imported and required', () => {
    for (const [entry, name] of [
      ['langchain', '@langchain/core'],
      ['mastra', '@mastra/core'],
    ] as const) {
      const range = manifest.peerDependencies[name];
      const wanted = [
        ...['FunnelError', 'MISSING_PACKAGE'],
        `Expected the package ${name} ${range} (funnelvec/${entry}): npm install ${name}@${range}`,
      ];
      assert.deepEqual(imported(`funnelvec/${entry}`), wanted);
      if (entry === 'langchain' || requiresModules) assert.deepEqual(required(`funnelvec/${entry}`), wanted);
    }
  });

  it('one that is too old to have what is needed is told likewise', () => {
    const old = { name: '@langchain/core', version: '0.1.0', type: 'module', exports: { './documents': './d.js' } };
    write('node_modules/@langchain/core/package.json', JSON.stringify(old));
    write('node_modules/@langchain/core/d.js', 'export {};');
    assert.match(
      imported('funnelvec/langchain').join(' '),
      /^FunnelError MISSING_PACKAGE .*npm install @langchain\/core@/,
    );
    assert.match(
      required('funnelvec/langchain').join(' '),
      /^FunnelError MISSING_PACKAGE .*npm install @langchain\/core@/,
    );
    const names = Object.fromEntries(
      ['documents', 'embeddings', 'vectorstores', 'utils/math', 'retrievers'].map((part) => [`./${part}`, './d.js']),
    );
    write('node_modules/@langchain/core/package.json', JSON.stringify({ ...old, exports: names }));
    const lacking = imported('funnelvec/langchain').join(' ');
    assert.match(lacking, /^FunnelError MISSING_PACKAGE .*does not load \(The requested module '@langchain\/core/);
    rmSync(join(modules, '@langchain'), { recursive: true });
  });

  it('all other entries load', () => {
    const entries = Object.keys(manifest.exports).filter((entry) => !/\.(json|wasm)$|langchain|mastra/.test(entry));
    assert.ok(entries.length >= 14);
    const code = `
      const all = ${JSON.stringify(entries.map((entry) => `funnelvec${entry.slice(1)}`))};
      const names = [];
      for (const entry of all) names.push(Object.keys(await import(entry)).length > 0);
      console.log(JSON.stringify(names));`;
    assert.deepEqual(
      answer('module', code),
      entries.map(() => true),
    );
  });

  it('files that need one name it when they are opened, in a program and in the command', async () => {
    const files: [file: string, bytes: Uint8Array | string, name: keyof typeof PACKAGES][] = [
      ['a.csv', 'v\n"[1]"\n', 'csv-parse'],
      ['a.parquet', 'PAR1\x15 PAR1', 'hyparquet'],
      ['a.arrow', 'ARROW1\0\0', 'apache-arrow'],
      ['a.hdf5', '\x89HDF\r\n\x1a\n', 'h5wasm'],
      ['a.db', sqlite(), 'libsql'],
    ];
    symlinkSync(join(root, 'node_modules/commander'), join(modules, 'commander'), 'junction');
    const builtIn = process.getBuiltinModule?.('node:sqlite') !== undefined;
    for (const [file, bytes, name] of files) {
      if (name === 'libsql' && builtIn) continue;
      write(file, bytes);
      const code = `
        import { readRows } from 'funnelvec/files';
        const failed = ({ name, code, message }) => console.log(JSON.stringify([name, code, message]));
        await readRows('${file}', { vector: 'v', vectorType: undefined }).next().catch(failed);`;
      const [range, use] = PACKAGES[name];
      const install = `npm install ${name}${range.startsWith('^') ? `@${range}` : ''}`;
      const message = `Expected the package ${name} ${range} (${use}): ${install}`;
      assert.deepEqual(answer('module', code), ['FunnelError', 'MISSING_PACKAGE', message]);
      const command = ['node_modules/funnelvec/dist/esm/cli/main.js', 'ingest', file, '--vector', 'v', '--to', 'x'];
      const { status, stderr } = run(command);
      assert.deepEqual([status, stderr.includes(message)], [1, true], stderr);
    }
  });

  it('commands that need one name it', () => {
    write('a.jsonl', '{"v":[1]}\n');
    const store = ['--collection', 'films', '--vector', '[1]'];
    for (const [line, name] of [
      [['mcp', '--store', 'films'], '@modelcontextprotocol/sdk'],
      [['search', '--milvus', '127.0.0.1:1', ...store], '@zilliz/milvus2-sdk-node'],
      [['search', '--qdrant', 'http://127.0.0.1:1', ...store], '@qdrant/js-client-rest'],
      [['ingest', 'a.jsonl', '--vector', 'v', '--to', 'x'], 'lmdb'],
    ] as const) {
      const { status, stderr } = run(['node_modules/funnelvec/dist/esm/cli/main.js', ...line]);
      assert.equal(status, 1, stderr);
      assert.ok(stderr.includes(`${name}`) && stderr.includes(`npm install ${name}`), stderr);
      assert.ok(stderr.includes(PACKAGES[name][0]), stderr);
    }
  });
});

it('errors name the versions that package.json has', () => {
  const all = { ...manifest.optionalDependencies, ...manifest.peerDependencies };
  assert.deepEqual(Object.fromEntries(Object.entries(PACKAGES).map(([name, [range]]) => [name, range])), all);
});

/** The first 100 bytes of an empty database. */
function sqlite(): Uint8Array {
  const head = Buffer.alloc(100);
  head.write('SQLite format 3\0', 'latin1');
  return head;
}
