/** The modules of the packed package are joined into few files, which load what they hold and no more, and which bundlers take apart. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { load, missing } from './bundlers.js';
import { Consumer, filesOf, linkTree, packRelease, root, unpackRelease } from './consumer.js';

const { pure, inLines } = (await import(pathToFileURL(join(root, 'scripts/platforms/slim.mjs')).href)) as Record<
  'pure' | 'inLines',
  (code: string) => string
>;

/** How many files an entry may load; one file for each module, they were 92, 87, 286, 64, 25, 55, 55, 58 and 38. */
const MOST: Record<string, number> = {
  'index.js': 32,
  'wasm.js': 27,
  'store/index.js': 68,
  'store/pool-worker.js': 22,
  'kernels/offload-worker.js': 18,
  'embed/worker.js': 16,
  'sources/qdrant/index.js': 12,
  'sources/milvus/index.js': 18,
  'files/index.js': 12,
};

describe('the files of the packed package', () => {
  let consumer: Consumer;
  let esm: string;
  before(() => {
    consumer = new Consumer().write({ 'package.json': '{ "name": "consumer", "private": true, "type": "module" }\n' });
    unpackRelease(packRelease(join(consumer.home, 'archives')), consumer);
    esm = join(consumer.installed, 'dist', 'esm');
  });
  after(() => consumer?.remove());

  /** The files that a file imports or requires before it runs; in pages others stand in for some. */
  function imported(file: string, inPages: boolean): string[] {
    const text = readFileSync(file, 'utf8');
    const names = text.matchAll(/(?:\b(?:from|import)|(?<!=>)\brequire\()\s*"((?:\.|#host\/)[^"]+)"/g);
    return Array.from(names, ([, name]) => {
      if (!name!.startsWith('#host/')) return join(dirname(file), name!);
      const path = join(esm, name!.slice('#host/'.length));
      return inPages && existsSync(`${path}-web.js`) ? `${path}-web.js` : `${path}.js`;
    }).filter((one) => one.endsWith('.js'));
  }

  function loadedWith(file: string, found = new Set<string>()): Set<string> {
    if (found.has(file)) return found;
    found.add(file);
    for (const one of imported(file, false)) loadedWith(one, found);
    return found;
  }

  it('are few that an entry or a thread loads', () => {
    for (const [entry, most] of Object.entries(MOST)) {
      const { size } = loadedWith(join(esm, entry));
      assert.ok(size > 4 && size <= most, `${entry}: ${size}`);
    }
    const program = "require('funnelvec'); console.log(Object.keys(require.cache).length)";
    const count = Number(consumer.node(['--input-type=commonjs', '-e', program]));
    assert.ok(count > 4 && count <= MOST['index.js']!, `${count} by require`);
  });

  it('import each other without circles, in Node.js and in pages', () => {
    for (const build of ['esm', 'cjs']) {
      const folder = join(consumer.installed, 'dist', build);
      for (const inPages of build === 'esm' ? [false, true] : [false]) {
        const done = new Set<string>();
        const visit = (file: string, path: string[]): void => {
          assert.ok(!path.includes(file), `${[...path, file].join(' imports ')}`);
          if (done.has(file)) return;
          for (const one of imported(file, inPages)) visit(one, [...path, file]);
          done.add(file);
        };
        for (const name of filesOf(folder).filter((one) => one.endsWith('.js'))) visit(join(folder, name), []);
        assert.ok(done.size > 100, `${done.size}`);
      }
    }
  });

  it('are few that --version and doctor load, the store not among them', () => {
    // ES modules; doctor requires the library's.
    for (const [name, most] of [
      ['main', 3],
      ['doctor', 4],
    ] as const) {
      const { size } = loadedWith(join(esm, 'cli', `${name}.js`));
      assert.ok(size > 1 && size <= most, `${name}: ${size}`);
    }
    const cli = join(esm, 'cli', 'main.js');
    const told =
      'import m from "node:module";process.on("exit",()=>process.stderr.write(Object.keys(m._cache).join("\\n")))';
    const { status, stderr } = consumer.tryNode(['--import', `data:text/javascript,${told}`, cli, 'doctor']);
    assert.equal(status, 0, stderr);
    const loaded = stderr.split('\n').filter((file) => file.endsWith('.js'));
    assert.ok(loaded.length > 4 && loaded.length <= 24, `${loaded.length}: ${stderr}`);
  });

  it('have no optional package among their imports, but for the adapters of LangChain and Mastra', () => {
    const { peerDependencies, optionalDependencies } = JSON.parse(
      readFileSync(join(consumer.installed, 'package.json'), 'utf8'),
    );
    const peers = Object.keys({ ...peerDependencies, ...optionalDependencies });
    const importing = filesOf(esm).filter((name) => {
      if (!name.endsWith('.js')) return false;
      const names = readFileSync(join(esm, name), 'utf8').matchAll(/\b(?:from|import)\s*"([^"]+)"/g);
      return Array.from(names, ([, one]) => one!).some((one) => peers.some((peer) => `${one}/`.startsWith(`${peer}/`)));
    });
    const adapters = ['langchain', 'mastra'].map((name) => loadedWith(join(esm, `adapters/${name}/index.js`)));
    assert.ok(importing.length > 0);
    for (const name of importing)
      assert.ok(
        adapters.some((files) => files.has(join(esm, name))),
        name,
      );
    for (const entry of Object.keys(MOST))
      for (const file of loadedWith(join(esm, entry)))
        assert.ok(!importing.some((name) => file === join(esm, name)), file);
  });

  it('load neither threads nor clocks of Node.js with an import', () => {
    for (const program of [
      "import('funnelvec').then(() => console.log(JSON.stringify(process.moduleLoadList)))",
      "require('funnelvec'); console.log(JSON.stringify(process.moduleLoadList))",
    ]) {
      const loaded = JSON.parse(consumer.node(['--input-type=commonjs', '-e', program])) as string[];
      const names = loaded.map((line) => line.replace('NativeModule ', ''));
      assert.ok(names.includes('diagnostics_channel'), names.join(' '));
      assert.deepEqual(
        ['worker_threads', 'perf_hooks'].filter((name) => names.includes(name)),
        [],
      );
    }
  });

  it('hold one copy of each class, whichever entries a program imports', () => {
    const program = `
      const all = await Promise.all(['', '/store', '/wasm', '/embed', '/tune', '/kernels'].map((e) => import('funnelvec' + e)));
      const classes = all.map((one) => one.FunnelError).filter(Boolean);
      const thrown = await all[1].FunnelIndex.open('/nowhere').catch((error) => error);
      console.log(JSON.stringify([classes.length, new Set(classes).size, thrown instanceof classes[0], thrown.name]));`;
    const [count, ...rest] = JSON.parse(consumer.node(['--input-type=module', '-e', program]));
    assert.ok(count >= 2, count);
    assert.deepEqual(rest, [1, true, 'FunnelError']);
  });

  it('say of the command that it may be run', { skip: process.platform === 'win32' }, () => {
    const { bin } = JSON.parse(readFileSync(join(consumer.installed, 'package.json'), 'utf8'));
    for (const name of filesOf(consumer.installed)) {
      const isProgram = Object.values(bin).includes(`./${name}`);
      assert.equal(statSync(join(consumer.installed, name)).mode & 0o111, isProgram ? 0o111 : 0, name);
    }
  });

  it('show a line and not a file where nobody catches an error', () => {
    for (const program of [
      "import('funnelvec/embed').then(({ Embedder }) => Embedder.load({ preset: 'wordllama' }));",
      "require('funnelvec/embed').Embedder.load({ preset: 'wordllama' });",
      "require('funnelvec').funnel([], []);",
      "require('funnelvec/store').FunnelIndex.create(':memory:', { dim: -1 });",
    ]) {
      const { stderr, status } = consumer.tryNode(['--input-type=commonjs', '-e', program]);
      assert.equal(status, 1);
      assert.match(stderr, /FunnelError: Expected /);
      assert.ok(stderr.length < 4_000, `${program} prints ${stderr.length} characters:\n${stderr.slice(0, 300)}`);
    }
  });

  it('have every name that is imported of stand-ins', { skip: missing ?? false }, async () => {
    const esbuild = load('esbuild') as { build: (options: object) => Promise<unknown> };
    const entries = [
      ...['index', 'wasm', 'store/index', 'tune/index', 'train/index', 'files/index', 'vectors/index', 'kernels/index'],
      ...['fuse/index', 'sources/index', 'sources/qdrant/index', 'sources/milvus/index', 'adapters/mastra/index'],
      ...['embed/index', 'conformance/index', 'adapters/ai-sdk/index', 'adapters/langchain/index'],
    ];
    const external = [
      'node:*',
      '*.wasm',
      '@mastra/*',
      '@langchain/*',
      'lmdb',
      'hyparquet*',
      'csv-parse*',
      'apache-arrow',
      'h5wasm*',
      'uplot*',
      'better-sqlite3',
      'libsql',
      'sqlite-vec',
      'lz4-napi',
    ];
    for (const condition of ['browser', 'workerd'])
      for (const entry of entries) {
        const entryPoints = [join(esm, `${entry}.js`)];
        const options = { entryPoints, external, conditions: [condition], platform: 'neutral', logLevel: 'silent' };
        await esbuild.build({ ...options, bundle: true, format: 'esm', write: false });
      }
  });

  it('import nothing of Node.js in pages, where docs/runtimes.md has their entry build', {
    skip: missing ?? false,
  }, async () => {
    const esbuild = load('esbuild') as { build: (options: object) => Promise<unknown> };
    const entries = ['', '/wasm', '/store', '/vectors', '/fuse', '/kernels', '/source', '/ai-sdk', '/embed'];
    for (const condition of ['browser', 'workerd'])
      for (const entry of entries) {
        const stdin = { contents: `export * from 'funnelvec${entry}';`, resolveDir: consumer.home };
        const options = { stdin, conditions: [condition], external: ['*.wasm'], logLevel: 'silent' };
        await esbuild.build({ ...options, platform: 'neutral', bundle: true, format: 'esm', write: false });
      }
  });

  it('come apart in bundles, which have what those of single modules have', { skip: missing ?? false }, async () => {
    const esbuild = load('esbuild') as {
      build: (options: object) => Promise<{ outputFiles: { contents: Uint8Array }[] }>;
    };
    const clone = new Consumer();
    for (const part of ['package.json', 'dist']) {
      const to = join(clone.installed, part);
      if (part === 'dist') linkTree(join(root, part), to);
      else clone.write({ 'node_modules/funnelvec/package.json': readFileSync(join(root, part), 'utf8') });
    }
    const programs = {
      funnel: ["import { funnel } from 'funnelvec/wasm'; globalThis.used = funnel;", 25_000],
      index: ["import { FunnelIndex } from 'funnelvec/store'; globalThis.used = FunnelIndex;", 130_000],
      fuse: ["import * as fuse from 'funnelvec/fuse'; globalThis.used = fuse;", 3_000],
    } as const;
    try {
      for (const [name, [text, most]] of Object.entries(programs)) {
        const sizes = [];
        for (const project of [clone, consumer]) {
          project.write({ [`${name}.mjs`]: text });
          const entryPoints = [join(project.home, `${name}.mjs`)];
          const options = { entryPoints, bundle: true, minify: true, format: 'esm', write: false };
          const { outputFiles } = await esbuild.build({ ...options, platform: 'browser' });
          sizes.push(outputFiles[0]!.contents.length, gzipSync(outputFiles[0]!.contents, { level: 9 }).length);
        }
        const [single, , joined, packed] = sizes as [number, number, number, number];
        assert.ok(joined <= single * 1.01, `${name}: ${joined} bytes in place of ${single}`);
        assert.ok(packed <= most, `${name}: ${packed} bytes gzipped`);
      }
    } finally {
      clone.remove();
    }
  });
});

describe('a constant that bundlers may leave out', () => {
  const cases: [string, string][] = [
    ['const a=f(1);', 'const a=/*#__PURE__*/(()=>f(1))();'],
    ['export const a=new Map,b=2;', 'export const a=/*#__PURE__*/(()=>new Map)(),b=2;'],
    ['const a={b:f()};', 'const a=/*#__PURE__*/(()=>({b:f()}))();'],
    ['const a=()=>f();', 'const a=()=>f();'],
    ['const a=await f();', 'const a=await f();'],
    ['let a;a=f();', 'let a;a=f();'],
    ['class A{b=f()}', 'class A{b=f()}'],
  ];
  for (const [from, to] of cases) it(`is made of ${from}`, () => assert.equal(pure(from), to));
});

describe('a line of a file', () => {
  const long = (name: string): string => `const ${name}="${name.repeat(60)}";`;
  const cases: [string, string][] = [
    [`let a;${long('b')}${long('c')}`, `let a;\n${long('b')}\n${long('c')}`],
    [`function f(){${long('b')}}`, `function f(){\n${long('b')}}`],
    [`class A{static a=1;b(){${long('b')}}}`, `class A{static a=1;\nb(){\n${long('b')}}}`],
    [`const a=\`x;\${(()=>{${long('b')}})()}\``, `const a=\`x;\${(()=>{\n${long('b')}})()}\``],
    ['a();b();c();', 'a();b();c();'],
  ];
  for (const [from, to] of cases) it(`begins as in ${to.slice(0, 30)}`, () => assert.equal(inLines(from), to));
});
