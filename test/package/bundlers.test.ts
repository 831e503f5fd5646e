/**
 * The packed package in bundles: every entry, by every bundler that docs/runtimes.md names, with and without the optional
 * packages, built and run. Each bundle must give the answers of the package run by plain Node.js.
 */
import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { VERSION } from '#dist/core/places.js';
import { safetensors, table, tokenizerJson } from '../embed/tiny.js';
import { ENTRIES, RUNNER, TINY_ONNX, TRACED } from './bundled-programs.js';
import { type Answers, addNext, BUNDLERS, load, missing, next } from './bundlers.js';
import { Consumer, linkTree, packRelease, root, unpackRelease } from './consumer.js';

const OPTIONAL = ['lmdb', 'onnxruntime-node', '@huggingface/tokenizers', 'uplot', '@qdrant/js-client-grpc'];
const NAMES = Object.keys(ENTRIES);
const MINUTE = 60_000;

/** Without the name of the kernels, which bundles may not have. */
const results = (answers: Answers) =>
  Object.fromEntries(Object.entries(answers).map(([name, { kernels, ...rest }]) => [name, rest]));

describe('bundles', { skip: missing ?? false, timeout: 15 * MINUTE }, () => {
  let without: Consumer;
  let withAll: Consumer;
  let deployed: Consumer; // bundles of `without` beside optional packages, without this one
  const models = new Consumer();
  let plain: { without: Answers; withAll: Answers };

  before(() => {
    models.write({
      'static/tokenizer.json': JSON.stringify(tokenizerJson()),
      'onnx/tokenizer.json': JSON.stringify(tokenizerJson()),
    });
    writeFileSync(join(models.home, 'static', 'model.safetensors'), safetensors({ 'embedding.weight': table() }));
    writeFileSync(join(models.home, 'onnx', 'model.onnx'), Buffer.from(TINY_ONNX, 'base64'));

    without = project();
    unpackRelease(packRelease(join(without.home, 'archives')), without);
    withAll = project();
    cpSync(join(without.home, 'node_modules'), join(withAll.home, 'node_modules'), { recursive: true });
    deployed = project();
    for (const name of OPTIONAL) for (const one of [withAll, deployed]) addPackage(name, one);
    plain = { without: runPlain(without), withAll: runPlain(withAll) };
  });

  after(() => {
    for (const one of [without, withAll, deployed, models]) one?.remove();
  });

  function runPlain(consumer: Consumer): Answers {
    return run(consumer, Object.fromEntries(NAMES.map((name) => [name, `${name}.start.mjs`])));
  }

  function run(consumer: Consumer, files: Record<string, string>, env: Record<string, string> = {}): Answers {
    const pairs = Object.entries(files).map(([name, file]) => `${name}=${join(consumer.home, file)}`);
    return JSON.parse(consumer.node(['runner.mjs', ...pairs], { MODELS: models.home, ...env }));
  }

  it('have what plain Node.js has to give', () => {
    const { store, embed, tune } = plain.without;
    assert.equal(store!['disk'], 'MISSING_PACKAGE');
    assert.deepEqual(embed, { static: 'MISSING_PACKAGE', onnx: 'MISSING_PACKAGE' });
    assert.equal(tune!['page'], 'MISSING_PACKAGE');
    assert.equal((plain.withAll['store']!['disk'] as unknown[]).length, 1);
    for (const kind of ['static', 'onnx']) assert.equal((plain.withAll['embed']![kind] as number[]).length, 32);
    assert.equal(plain.withAll['tune']!['page'], true);
    for (const name of NAMES) assert.equal(plain.withAll[name]!['failed'], undefined, name);
  });

  for (const [name, build] of Object.entries(BUNDLERS)) {
    describe(`of ${name}`, () => {
      const out = name.replaceAll(' ', '-');
      it('without the optional packages, which are asked for when they are needed', {
        timeout: 4 * MINUTE,
      }, async () => {
        const files = await build(without.home, out, {});
        assert.deepEqual(results(run(without, files)), results(plain.without));
        // Moved to where the packages are, and not this one, the same bundles have them.
        cpSync(join(without.home, out), join(deployed.home, out), { recursive: true });
        const modules = join(without.home, 'node_modules');
        const aside = `${modules}-aside`;
        renameSync(modules, aside);
        try {
          const answers = run(deployed, files);
          assert.deepEqual(results(answers), results(plain.withAll));
          assert.equal(answers['main']!['kernels'], 'wasm');
        } finally {
          renameSync(aside, modules);
        }
      });

      it('with them, nothing being external', { timeout: 4 * MINUTE }, async () => {
        const answers = run(withAll, await build(withAll.home, out, {}));
        assert.deepEqual(results(answers), results(plain.withAll));
        // A bundle finds the platform's package where Node.js does from there.
        assert.equal(answers['main']!['kernels'], plain.withAll['main']!['kernels']);
      });

      it('beside the package that is external as docs/runtimes.md says, on its kernels', {
        timeout: 4 * MINUTE,
      }, async () => {
        const files = await build(withAll.home, `${out}-external`, documentedSettings(name));
        assert.deepEqual(run(withAll, files), plain.withAll);
      });
    });
  }

  it('of code that requires the package', { timeout: 4 * MINUTE }, async () => {
    withAll.write({
      'required.cjs': `
const { FunnelIndex } = require('funnelvec/store');
exports.run = async () => {
  const index = FunnelIndex.createSync(process.env.INDEX, { dim: 2 });
  index.upsertSync([{ id: 'x', vector: [1, 2] }]);
  const { hits } = await index.query({ vector: [1, 2] });
  await index.close();
  return { id: hits[0].id };
};
`,
      'required.start.mjs': "import required from './required.cjs';\nglobalThis.answer = required.run();\n",
    });
    for (const [name, build] of Object.entries(BUNDLERS)) {
      if (name === 'esbuild to ES modules') continue; // nothing that requires a module of Node.js runs in these
      const out = `required-${name.replaceAll(' ', '-')}`;
      const files = await build(withAll.home, out, {}, ['required']);
      const answers = run(withAll, files, { INDEX: join(withAll.home, `${out}-index`) });
      assert.deepEqual(answers, { required: { id: 'x' } }, name);
    }
  });

  it('use no files of another version of the package', async () => {
    const files = await BUNDLERS['webpack to CommonJS']!(without.home, 'other', {}, ['main']);
    assert.equal(run(without, files)['main']!['kernels'], plain.without['main']!['kernels']);
    const scope = join(without.home, 'node_modules', '@funnelvec');
    const own = existsSync(scope) ? readdirSync(scope).map((name) => join(scope, name, 'package.json')) : [];
    const others = [join(without.installed, 'package.json'), ...own];
    const manifests = others.map((file) => readFileSync(file, 'utf8'));
    for (const [i, text] of manifests.entries()) {
      assert.equal(JSON.parse(text).version, VERSION);
      writeFileSync(others[i]!, text.replace(`"version": "${VERSION}"`, '"version": "999.0.0"'));
    }
    try {
      assert.equal(run(without, files)['main']!['kernels'], 'wasm');
    } finally {
      for (const [i, text] of manifests.entries()) writeFileSync(others[i]!, text);
    }
  });

  it('that are traced have binary and threads where they are deployed, as Next.js and serverless platforms trace', async () => {
    const { nodeFileTrace } = load('next/dist/compiled/@vercel/nft') as {
      nodeFileTrace: (files: string[], options: object) => Promise<{ fileList: Set<string> }>;
    };
    without.write(TRACED);
    const cache = {}; // both have most modules in common
    for (const program of Object.keys(TRACED)) {
      const { fileList } = await nodeFileTrace([join(without.home, program)], { base: without.home, cache });
      const alone = new Consumer();
      for (const file of fileList) cpSync(join(without.home, file), join(alone.home, file));
      const told = JSON.parse(alone.node([program]));
      alone.remove();
      assert.equal(told.kernels, plain.without['main']!['kernels'], program);
      assert.ok(told.ofIndex > 0, `${program}: ${told.ofIndex} threads of the index`);
      assert.equal(told.ofKernels, 1, program);
    }
  });

  describe('of Next.js', () => {
    const cases = [
      { kind: 'turbopack', packages: false, external: false },
      { kind: 'webpack', packages: false, external: false },
      { kind: 'turbopack', packages: true, external: true },
      { kind: 'webpack', packages: true, external: true },
      // Each build takes a minute of a processor: CI leaves out what the others make likely.
      ...(process.env['FUNNELVEC_BUNDLERS'] === 'all'
        ? [
            { kind: 'turbopack', packages: true, external: false },
            { kind: 'webpack', packages: true, external: false },
          ]
        : []),
    ];
    before(() => {
      for (const one of [without, withAll]) addNext(one);
    });
    for (const { kind, packages, external } of cases) {
      const how = external ? ', the package being external as docs/runtimes.md says, standalone' : '';
      it(`by ${kind} ${packages ? 'with' : 'without'} the optional packages${how}`, {
        timeout: 8 * MINUTE,
      }, async () => {
        const consumer = packages ? withAll : without;
        const standalone = { output: 'standalone', ...included(kind), ...documentedSettings('Next.js') };
        const settings = external ? standalone : {};
        const { counts, ...answers } = await next(consumer, kind, settings, models.home);
        const wanted = packages ? plain.withAll : plain.without;
        if (external) {
          assert.deepEqual(answers, wanted);
          for (const way of ['imported', 'required']) {
            const { kernels, ofIndex, ofKernels } = counts![way] as Record<string, unknown>;
            assert.equal(kernels, wanted['main']!['kernels'], way);
            assert.ok(Number(ofIndex) > 0, `${way}: ${ofIndex} threads of the index`);
            assert.equal(ofKernels, 1, way);
          }
        } else assert.deepEqual(results(answers), results(wanted));
      });
    }
  });

  it('are typed for the oldest TypeScript that docs/runtimes.md names', () => {
    const [, oldest] = /TypeScript (\d+\.\d+) or newer/.exec(readFileSync(join(root, 'docs/runtimes.md'), 'utf8'))!;
    const { version } = load('typescript-oldest/package.json') as { version: string };
    assert.ok(version.startsWith(`${oldest}.`), version);
    const manifest = JSON.parse(readFileSync(join(withAll.installed, 'package.json'), 'utf8'));
    const entries = Object.keys(manifest.exports).filter((entry) => !/\.(json|wasm)$/.test(entry));
    // The suite for sources is no part of programs; it and the readers of files are ES modules alone. The adapters of LangChain and Mastra are nothing without
    // their peers, which are installed nowhere here, and whose own declarations ask for a newer compiler.
    const modules = ['./source/conformance', './files'];
    const peers = ['./langchain', './mastra'];
    assert.ok([...modules, ...peers].every((entry) => entries.includes(entry)));
    assert.equal(entries.length, NAMES.length + 4);
    const imports = (some: readonly string[]) =>
      some.map((entry, i) => `export * as e${i} from 'funnelvec${entry.slice(1)}';`).join('\n');
    const text = `
import type { Embedder } from 'funnelvec/embed';
type IsAny<T> = 0 extends 1 & T ? true : false;
declare const embedder: Embedder;
declare const vectors: Awaited<ReturnType<typeof embedder.embed>>;
export const known: IsAny<typeof vectors> = false;
export const plain: Float32Array = vectors;
`;
    for (const [file, module] of Object.entries({
      'all.mts': 'node16',
      'all.cts': 'node16',
      'all.ts': 'esnext',
      'old.ts': 'commonjs',
    })) {
      const compilerOptions = {
        ...{ module, moduleResolution: { esnext: 'bundler', commonjs: 'node10' }[module] ?? module, target: 'es2022' },
        ...{ strict: true, noEmit: true, skipLibCheck: false, lib: ['es2022', 'dom'], types: [] },
      };
      const reachable = entries.filter(
        (entry) => !peers.includes(entry) && (!modules.includes(entry) || !['all.cts', 'old.ts'].includes(file)),
      );
      withAll.write({
        [file]: imports(reachable) + text,
        'tsconfig.json': JSON.stringify({ compilerOptions, files: [file] }),
      });
      const { status, stdout } = withAll.tryNode([load.resolve('typescript-oldest/bin/tsc'), '-p', '.']);
      assert.equal(status, 0, `${file}:\n${stdout}`);
    }
  });
});

/** A project with the programs: what bundles begin with is `<entry>.start.mjs`. */
function project(): Consumer {
  const files = Object.entries(ENTRIES).flatMap(([name, text]) => [
    [`${name}.mjs`, text],
    [`${name}.start.mjs`, `import { run } from './${name}.mjs';\nglobalThis.answer = run();\n`],
  ]);
  return new Consumer().write({
    'package.json': '{ "name": "bundled", "private": true, "type": "module" }\n',
    'runner.mjs': RUNNER,
    ...Object.fromEntries(files),
  });
}

/** A package of the repository's, with all that it needs. */
function addPackage(name: string, consumer: Consumer): void {
  const from = join(root, 'node_modules', name);
  const to = join(consumer.home, 'node_modules', name);
  if (existsSync(to) || !existsSync(from)) return;
  linkTree(from, to, (path) => {
    // We keep only this machine's binaries of onnxruntime-node: all of them are 300 MB.
    const [platform, arch] = /[\\/]bin[\\/]napi-v\d+[\\/](.+)/.exec(path)?.[1]?.split(/[\\/]/) ?? [];
    return (platform ?? process.platform) === process.platform && (arch ?? process.arch) === process.arch;
  });
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8'));
  for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) addPackage(needed, consumer);
}

/** The option that docs/runtimes.md gives for ONNX models where Turbopack traces, for this machine. */
function included(kind: string): Record<string, unknown> {
  if (kind !== 'turbopack') return {};
  const page = readFileSync(join(root, 'docs/runtimes.md'), 'utf8');
  const [, option] = /`(outputFileTracingIncludes: [^`]+)`/.exec(page)!;
  return new Function(`return { ${option!.replace('linux/x64', `${process.platform}/${process.arch}`)} }`)();
}

/** The options that the table of docs/runtimes.md gives for a bundler. */
function documentedSettings(bundler: string): Record<string, unknown> {
  const [first] = bundler.split(' ');
  const line = readFileSync(join(root, 'docs/runtimes.md'), 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`| ${first} `))!;
  const { version } = load(`${first === 'Next.js' ? 'next' : first!.toLowerCase()}/package.json`) as {
    version: string;
  };
  assert.ok(
    line.startsWith(`| ${first} ${version.split('.').slice(0, 2).join('.')}`),
    `${version} is not that of ${line}`,
  );
  return new Function(`return { ${/`([^`]+)` \|$/.exec(line)![1]} }`)();
}
