/**
 * The tarball that would be published, installed into an empty project: what is in it, what runs from it and on which
 * kernels, and what the compiler says of its types. Nothing here sees the repository's dist, but for names of kernels.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { VERSION } from '#dist/core/places.js';
import { NATIVE_NAMES } from '#dist/kernels/load.js';
import { type Archives, Consumer, filesOf, packRelease, root, unpackOwn } from './consumer.js';
import { PROGRAMS, SUITE_TYPED, TYPED } from './programs.js';

// WASM and JavaScript; the WASM modules come as files, too, for who may not compile bytes.
const MAX_PACKED = 700_000;
// With adapters for other packages and a docstring for each public name, all of them twice: for import and for require.
const MAX_UNPACKED = 3_600_000;
const NATIVE = new RegExp(`^(${NATIVE_NAMES.join('|')})$`);
// Not `--offline`: npm needs the metadata of the optional dependencies for a lock file, also of those that it omits, and a
// fresh machine has none in its cache.
const QUIET = ['--no-audit', '--no-fund', '--prefer-offline'];
const INSTALL = ['--ignore-scripts', '--omit=optional', ...QUIET];

interface Probe {
  active: string;
  bad: number;
  code: string;
  onDisk: string;
  answers: Record<string, [number, number][]>;
  sources: string[];
}

let consumer: Consumer;
let bare: Consumer; // the same without the package that has the binary
let registry: ChildProcess;
let archives: Archives;
let binaryFolder: string; // of that package
let manifest: Record<string, unknown>;
let hasNative: boolean;

describe('the packed package', { timeout: 600_000 }, () => {
  before(async () => {
    consumer = new Consumer().write({ 'package.json': '{ "name": "consumer", "private": true }\n', ...PROGRAMS });
    archives = packRelease(join(consumer.home, 'archives'));
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const given = [version, ...(archives.own === undefined ? [] : [archives.own])];
    registry = spawn(process.execPath, [join(root, 'test/package/registry.mjs'), ...given]);
    const [port] = (await once(registry.stdout!, 'data')) as [Buffer];
    consumer.write({ '.npmrc': `@funnelvec:registry=http://127.0.0.1:${String(port).trim()}/\n` });
    consumer.npm(['install', ...INSTALL, archives.main]);
    manifest = JSON.parse(readFileSync(join(consumer.installed, 'package.json'), 'utf8'));
    hasNative = archives.own !== undefined;
    bare = consumer.copy();
    if (archives.own !== undefined) binaryFolder = unpackOwn(archives.own, consumer);
  });

  after(() => {
    registry?.kill();
    consumer?.remove();
    bare?.remove();
  });

  const probe = (project: Consumer, program: string, env: Record<string, string> = {}): Probe =>
    JSON.parse(project.node([program], env));

  describe('holds', () => {
    it('only what a user needs', () => {
      const allowed = [
        /^(package\.json|README\.md|LICENSE|docs\/[\w-]+\.md)$/,
        /^dist\/(esm|cjs)\/[\w/-]+\.(js|cjs|d\.ts|d\.cts)$/,
        /^dist\/cjs\/package\.json$/,
        /^dist\/esm\/kernels\/(kernels|codes)\.wasm$/,
      ];
      const files = filesOf(consumer.installed);
      assert.deepEqual(
        files.filter((file) => !allowed.some((pattern) => pattern.test(file))),
        [],
      );
      assert.ok(files.includes('LICENSE'));
    });

    it('every file that its exports name', () => {
      const named = (value: unknown): string[] =>
        typeof value === 'string' ? [value] : Object.values(value as object).flatMap(named);
      const files = named([
        manifest['exports'],
        manifest['bin'],
        manifest['main'],
        manifest['types'],
        manifest['imports'],
      ]);
      for (const file of files.filter((name) => !name.includes('*'))) {
        assert.ok(existsSync(join(consumer.installed, file)), file);
      }
    });

    it('every module that its modules name, and none that is empty', () => {
      const modules = filesOf(join(consumer.installed, 'dist')).filter((file) => file.endsWith('.js'));
      for (const file of modules) {
        const path = join(consumer.installed, 'dist', file);
        const code = readFileSync(path, 'utf8');
        assert.notEqual(code, 'export{};', file);
        for (const [, name] of code.matchAll(/\b(?:from|import|require)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g)) {
          assert.ok(existsSync(join(dirname(path), name!)), `${file}: ${name}`);
        }
      }
    });

    it('entries of CommonJS that say they were ES modules, and whose names Node.js finds in their text', () => {
      const peer = join(consumer.home, 'node_modules', '@langchain');
      symlinkSync(join(root, 'node_modules', '@langchain'), peer, 'junction');
      try {
        const exported = Object.entries(manifest['exports'] as Record<string, { require?: { default: string } }>);
        const entries = exported.flatMap(([entry, { require: by }]) => (by?.default ? [[entry, by.default]] : []));
        assert.ok(entries.length >= 14, entries.join());
        consumer.write({
          'entries.cjs': `
            const told = ${JSON.stringify(entries)}.map(async ([entry, file]) => {
              const own = require('funnelvec' + entry.slice(1));
              const named = await import('./node_modules/funnelvec/' + file);
              return [entry, own.__esModule, Object.keys(own).filter((name) => !(name in named))];
            });
            Promise.all(told).then((all) => console.log(JSON.stringify(all)));`,
        });
        const told = JSON.parse(consumer.node(['entries.cjs']));
        assert.deepEqual(
          told,
          entries.map(([entry]) => [entry, true, []]),
        );
      } finally {
        rmSync(peer);
        rmSync(join(consumer.home, 'entries.cjs'), { force: true });
      }
    });

    it('no binary, which is in a package of its own when a compiler was there', (t) => {
      if (process.env['CI'] !== 'true' && !hasNative) return t.skip('no native binary was built');
      assert.deepEqual(filesOf(binaryFolder), ['LICENSE', 'README.md', 'funnelvec.node', 'package.json']);
      const { os, cpu, libc, scripts, version } = JSON.parse(readFileSync(join(binaryFolder, 'package.json'), 'utf8'));
      assert.deepEqual([os, cpu, scripts, version], [[process.platform], [process.arch], undefined, VERSION]);
      assert.equal(libc !== undefined, process.platform === 'linux');
    });

    it('the names of all platforms’ packages, of its own version', () => {
      const names = Object.entries(manifest['optionalDependencies'] as object).filter(([name]) => name.startsWith('@'));
      const all = ['linux-x64', 'linux-x64-musl', 'linux-arm64', 'linux-arm64-musl'];
      all.push('darwin-x64', 'darwin-arm64', 'win32-x64', 'win32-arm64');
      assert.deepEqual(
        names,
        all.map((name) => [`@funnelvec/${name}`, VERSION]),
      );
    });

    it('a binary that needs no newer system libraries than Node.js itself', (t) => {
      if (process.platform !== 'linux' || !hasNative) return t.skip('no Linux binary was built');
      const binary = readFileSync(join(binaryFolder, 'funnelvec.node'), 'latin1');
      const newest = (library: string) =>
        Math.max(0, ...Array.from(binary.matchAll(new RegExp(`${library}(\\d+)`, 'g')), (match) => Number(match[1])));
      assert.ok(newest('GLIBC_2\\.') <= 28, `GLIBC_2.${newest('GLIBC_2\\.')}`);
      assert.ok(newest('GLIBCXX_3\\.4\\.') <= 25, `GLIBCXX_3.4.${newest('GLIBCXX_3\\.4\\.')}`);
    });

    it('no path of the machine that built it', () => {
      const paths = [root, join(homedir(), '/'), consumer.home];
      const folders = [consumer.installed, ...(hasNative ? [binaryFolder] : [])];
      for (const file of folders.flatMap((folder) => filesOf(folder).map((name) => join(folder, name)))) {
        const text = readFileSync(file, 'latin1');
        for (const path of paths) assert.ok(!text.includes(path), `${path} in ${file}`);
      }
    });

    it('no host of a package registry: people have mirrors', () => {
      for (const file of filesOf(consumer.installed)) {
        const text = readFileSync(join(consumer.installed, file), 'utf8');
        assert.doesNotMatch(text, /\b(pypi|npmjs|crates|debian)\.(org|com|io)\b/, file);
      }
    });

    it(`at most ${MAX_PACKED / 1000} kB packed, ${MAX_UNPACKED / 1e6} MB on disk`, () => {
      const packed = statSync(archives.main).size;
      const sizes = filesOf(consumer.installed).map((file) => statSync(join(consumer.installed, file)).size);
      const unpacked = sizes.reduce((sum, size) => sum + size, 0);
      assert.ok(packed <= MAX_PACKED, `${packed} bytes packed`);
      assert.ok(unpacked <= MAX_UNPACKED, `${unpacked} bytes unpacked`);
    });
  });

  describe('installs', () => {
    it('without scripts and without dependencies', () => {
      const scripts = Object.keys((manifest['scripts'] ?? {}) as object);
      const hooks = ['preinstall', 'install', 'postinstall', 'prepare'];
      assert.deepEqual(
        scripts.filter((name) => hooks.includes(name)),
        [],
      );
      assert.equal(manifest['gypfile'], false); // else npm adds an install script for a binding.gyp that it meets
      assert.equal(manifest['dependencies'], undefined);
      assert.deepEqual(
        readdirSync(join(bare.home, 'node_modules')).filter((name) => !name.startsWith('.')),
        ['funnelvec'],
      );
    });

    it('from a lockfile and runs nothing, even where scripts are allowed', () => {
      const lock = JSON.parse(readFileSync(join(consumer.home, 'package-lock.json'), 'utf8'));
      const own = lock.packages['node_modules/funnelvec'];
      assert.equal(own.hasInstallScript, undefined);
      for (const name of Object.keys(own.optionalDependencies)) assert.ok(lock.packages[`node_modules/${name}`], name);
      const before = filesOf(consumer.installed);
      const other = bare.copy();
      try {
        const output = other.npm(['ci', '--foreground-scripts', ...QUIET]);
        assert.doesNotMatch(output, /node-gyp|^> /m);
        assert.deepEqual(filesOf(other.installed), before);
        if (!hasNative) return;
        // This platform's is there alone, and its binary runs.
        assert.deepEqual(readdirSync(join(other.home, 'node_modules', '@funnelvec')), [basename(binaryFolder)]);
        assert.match(doctor(other).nativeBinary!, /@funnelvec.[\w-]+.funnelvec\.node$/);
      } finally {
        other.remove();
      }
    });
  });

  describe('runs', () => {
    for (const program of ['import.mjs', 'require.cjs']) {
      it(`every entry by ${program.split('.')[0]}, with the same scores`, () => {
        const { answers, bad, code, onDisk, sources } = probe(consumer, program);
        const { main, ...others } = answers;
        assert.equal(main!.length, 4);
        for (const [entry, answer] of Object.entries(others)) assert.deepEqual(answer, main, entry);
        assert.equal(bad, -1);
        assert.equal(code, 'BAD_DIMS');
        assert.deepEqual(sources, ['function', 'function', 'function', 'function']);
        assert.equal(onDisk, 'MISSING_PACKAGE'); // lmdb is the user's to install
      });
    }

    it('with the same scores by import and by require, on all kernels', () => {
      const { answers } = probe(consumer, 'import.mjs');
      assert.deepEqual(probe(consumer, 'require.cjs').answers, answers);
      for (const kernels of ['wasm', 'js', ...(hasNative ? ['scalar', 'native'] : [])]) {
        const env = { FUNNELVEC_KERNELS: kernels };
        for (const program of ['import.mjs', 'require.cjs']) {
          const got = probe(consumer, program, env);
          assert.deepEqual(got.answers, answers, `${program} on ${kernels}`);
          if (kernels !== 'native') assert.equal(got.active, kernels);
        }
      }
    });

    it('natively from the prebuilt binary', (t) => {
      if (!hasNative) return t.skip('no native binary was built');
      for (const program of ['import.mjs', 'require.cjs']) assert.match(probe(consumer, program).active, NATIVE);
    });

    it('on WASM without it', () => {
      for (const program of ['import.mjs', 'require.cjs']) assert.equal(probe(bare, program).active, 'wasm');
    });

    it('on WASM beside a binary that does not load, and says why', (t) => {
      if (!hasNative) return t.skip('no native binary was built');
      const broken = consumer.copy();
      try {
        const folder = join(broken.home, 'node_modules', '@funnelvec', basename(binaryFolder));
        writeFileSync(join(folder, 'funnelvec.node'), 'not a binary');
        assert.equal(probe(broken, 'import.mjs').active, 'wasm');
        const report = doctor(broken);
        assert.deepEqual(
          report.failures.map((failure) => failure.name),
          ['native'],
        );
        assert.match(report.failures[0]!.message, /^@funnelvec\/[\w-]+ does not load: .*funnelvec\.node/);
        // Nor does one of another version.
        const file = join(folder, 'package.json');
        writeFileSync(file, readFileSync(file, 'utf8').replace(`"version": "${VERSION}"`, '"version": "999.0.0"'));
        assert.match(doctor(broken).failures[0]!.message, /it is of version 999\.0\.0, and this is funnelvec/);
      } finally {
        broken.remove();
      }
    });

    it('not on kernels that do not exist: the error lists those that do', () => {
      const { status, stderr } = consumer.tryNode(['import.mjs'], { FUNNELVEC_KERNELS: 'sse9' });
      assert.notEqual(status, 0);
      assert.match(stderr, /KERNELS_UNAVAILABLE/);
      assert.match(stderr, /FUNNELVEC_KERNELS: "sse9" is not the name of any kernels\. Expected one of .*wasm, js/);
    });

    it('not on native kernels that are absent: the error says where it looked', () => {
      const { status, stderr } = bare.tryNode(['import.mjs'], { FUNNELVEC_KERNELS: 'native' });
      assert.notEqual(status, 0);
      assert.match(stderr, /native cannot run here \(No prebuilt binary for .*@funnelvec/);
    });

    it('funnelvec/wasm without loading any binary', (t) => {
      const loaded = (entry: string): { best: number; objects: string[] } =>
        JSON.parse(consumer.node(['loaded.mjs', entry]));
      assert.deepEqual(loaded('funnelvec/wasm'), { best: 1, objects: [] });
      if (!hasNative) return t.skip('no native binary was built, so there is nothing to compare with');
      assert.equal(loaded('funnelvec').objects.length, 1);
    });

    it('in several threads at once, which all end', () => {
      for (const project of [consumer, bare]) {
        const threads = JSON.parse(project.node(['workers.mjs'])) as Record<string, unknown>[];
        assert.equal(threads.length, 6);
        for (const thread of threads) {
          assert.deepEqual(thread, threads[0]);
          assert.equal(thread['code'], 'BAD_DIMS'); // of the FunnelError; it replaced the exit code
          assert.deepEqual(thread['async'], thread['sync']);
          assert.match(thread['active'] as string, project === bare || !hasNative ? /^wasm$/ : NATIVE);
        }
      }
    });

    it('a source of somebody else’s under the suite for sources', () => {
      for (const file of ['array-source.mjs', 'array-source.test.mjs']) {
        consumer.write({ [file]: readFileSync(join(root, 'examples', file), 'utf8') });
      }
      const output = consumer.node(['--test', '--test-reporter=tap', 'array-source.test.mjs']);
      assert.match(output, /^# fail 0$/m);
      assert.ok(Number(/^# pass (\d+)$/m.exec(output)![1]) >= 60, output);
    });

    it('its command', (t) => {
      const cli = join(consumer.installed, (manifest['bin'] as { funnelvec: string }).funnelvec);
      const { platform, nativeBinary, kernels } = doctor(consumer);
      assert.match(platform, new RegExp(`^${process.platform}-${process.arch}`));
      assert.equal(nativeBinary !== undefined, hasNative);
      assert.equal(kernels.filter((k) => k.active).length, 1);
      assert.match(consumer.node([cli, 'doctor']), /in use/);
      // All others read their command lines with a package that is optional.
      const without = consumer.tryNode([cli, 'search', 'robots']);
      assert.equal(without.status, 1);
      assert.match(without.stderr, /npm install commander/);
      if (process.platform === 'win32') return t.skip('the link in .bin is a script there');
      const link = spawnSync(join(consumer.home, 'node_modules', '.bin', 'funnelvec'), ['doctor'], {
        encoding: 'utf8',
      });
      assert.equal(link.status, 0, link.stderr);
    });

    it('its command without a binary, which says what it looked for', () => {
      const { nativeBinary, kernels, failures } = doctor(bare);
      assert.equal(nativeBinary, undefined);
      assert.equal(kernels.find((k) => k.active)?.name, 'wasm');
      assert.match(failures[0]!.message, /No prebuilt binary for [\w-]+ \(looked for @funnelvec\//);
      for (const name of ['avx2', 'neon', 'scalar']) {
        assert.match(kernels.find((k) => k.name === name)?.reason ?? '', /No prebuilt binary/);
      }
    });
  });

  describe('has types', () => {
    const base = { strict: true, noEmit: true, skipLibCheck: false, target: 'es2022' };
    const settings = {
      'node16, without @types/node': {
        module: 'node16',
        moduleResolution: 'node16',
        lib: ['es2022', 'dom'],
        types: [],
      },
      'nodenext, without dom': {
        module: 'nodenext',
        moduleResolution: 'nodenext',
        lib: ['es2022'],
        typeRoots: [join(root, 'node_modules', '@types')],
        types: ['node'],
      },
      'bundler, without @types/node': {
        module: 'esnext',
        moduleResolution: 'bundler',
        lib: ['es2022', 'dom'],
        types: [],
      },
    };
    for (const [name, options] of Object.entries(settings)) {
      it(`for ${name}`, () => {
        const files = options.moduleResolution === 'bundler' ? ['typed.ts'] : ['typed.mts', 'typed.cts'];
        for (const file of files) typeCheck(file, { ...base, ...options });
      });
    }

    it('with every file of declarations that an entry reaches, and no other', () => {
      const declarations = filesOf(consumer.installed).filter((file) => file.endsWith('.d.ts'));
      const left = Object.values(manifest['exports'] as object)
        .flatMap((entry) => JSON.stringify(entry).match(/[^"]+\.d\.ts/g) ?? [])
        .map((file) => join('.', file));
      const reached = new Set<string>();
      for (let file = left.pop(); file !== undefined; file = left.pop()) {
        if (reached.has(file)) continue;
        reached.add(file);
        const text = readFileSync(join(consumer.installed, file), 'utf8');
        for (const [, path] of text.matchAll(/['"](\.{1,2}\/[^'"\n]+)\.js['"]/g))
          left.push(join(dirname(file), `${path}.d.ts`));
      }
      assert.deepEqual(declarations.sort(), [...reached].map((file) => file.replaceAll('\\', '/')).sort());
    });

    it('as the build has them, with their comments', () => {
      const declarations = filesOf(consumer.installed).filter((file) => file.endsWith('.d.ts'));
      for (const file of declarations) {
        const built = readFileSync(join(root, file), 'utf8').split('\n');
        // Imports may have fewer names; all else is a part of what was built, in its order.
        const lines = readFileSync(join(consumer.installed, file), 'utf8').split('\n');
        let at = 0;
        for (const line of lines.filter((one) => !one.startsWith('import '))) {
          at = built.indexOf(line, at) + 1;
          assert.ok(at > 0, `${file}: ${line}`);
        }
      }
    });

    it('for a source under the suite, where modules are ES modules', () => {
      const [[, options]] = Object.entries(settings) as [[string, object]];
      typeCheck('suite.mts', { ...base, ...options }, SUITE_TYPED);
    });

    function typeCheck(file: string, compilerOptions: object, text = TYPED): void {
      consumer.write({
        [file]: text,
        'tsconfig.json': JSON.stringify({ compilerOptions, files: [file] }),
      });
      const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
      const { status, stdout, stderr } = consumer.tryNode([tsc, '-p', 'tsconfig.json']);
      assert.equal(status, 0, `${file}:\n${stdout}${stderr}`);
    }
  });
});

interface Report {
  platform: string;
  nativeBinary?: string;
  kernels: { name: string; active: boolean; reason?: string }[];
  failures: { name: string; message: string }[];
}

function doctor(project: Consumer): Report {
  const { bin } = JSON.parse(readFileSync(join(project.installed, 'package.json'), 'utf8'));
  return JSON.parse(project.node([join(project.installed, bin.funnelvec), 'doctor', '--json']));
}
