/** The tables that the cross-build, the loader and the archives share agree. The build itself runs outside CI: it needs zig. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { doubts } from '#dist/cli/doctor.js';
import { Consumer, filesOf, root } from './consumer.js';

interface Platform {
  os: string;
  cpu: string;
  libc?: string;
  target: string;
}
interface Source {
  file: string;
  flags: string[];
}
const load = (name: string) => import(pathToFileURL(join(root, 'scripts/platforms', name)).href);
const { PLATFORMS } = (await load('platforms.mjs')) as { PLATFORMS: Record<string, Platform> };
const { hostedAt } = (await load('platforms.mjs')) as { hostedAt: (url: string) => Record<string, unknown> };
const { addonOf } = (await load('gyp.mjs')) as { addonOf: (one: Platform) => { sources: Source[]; ldflags: string[] } };
const { refusals } = (await load('inspect.mjs')) as { refusals: (name: string, facts: object) => string[] };
const { KEPT, minified, toCommonJs } = (await load('slim.mjs')) as {
  KEPT: string[];
  minified: (text: string) => Promise<string>;
  toCommonJs: (code: string, name: string, isEntry?: boolean) => string;
};
const { bySharedText } = (await load('order.mjs')) as {
  bySharedText: (units: { text: Uint8Array; size: number }[]) => { text: Uint8Array }[];
};

describe('platforms', () => {
  it('are named where tracing reads of the package, each by a literal, and no other', () => {
    const all = Object.keys(PLATFORMS).sort();
    const module = readFileSync(join(root, 'dist/esm/core/traced.js'), 'utf8');
    const loaded = Array.from(module.matchAll(/load\('@funnelvec\/([\w-]+)'\)/g), ([, name]) => name);
    assert.deepEqual(loaded.sort(), all);
    // Turbopack follows it from here alone, and with no other name for `createRequire`.
    assert.match(module, /const load = module\.createRequire\(import\.meta\.url\);/);
    const paths = readFileSync(join(root, 'dist/cjs/core/traced.js'), 'utf8');
    for (const file of ['package.json', 'funnelvec.node']) {
      const found = paths.matchAll(/join\(__dirname, '\.\.\/\.\.\/\.\.\/\.\.\/@funnelvec\/([\w-]+)\/([\w.]+)'\)/g);
      const named = Array.from(found).filter(([, , one]) => one === file);
      assert.deepEqual(named.map(([, name]) => name).sort(), all, file);
    }
  });

  it('say where the project is hosted, whoever publishes them', () => {
    const home = {
      author: 'who',
      homepage: 'https://host.example/who/what#readme',
      bugs: { url: 'https://host.example/who/what/issues' },
      repository: { type: 'git', url: 'git+https://host.example/who/what.git' },
    };
    for (const end of ['', '/', '.git']) assert.deepEqual(hostedAt(`https://host.example/who/what${end}`), home);
    const wrong = [
      '',
      'who/what',
      'http://host.example/who/what',
      'https://host.example/who',
      'https://host.example/a/b/c',
    ];
    for (const one of wrong) {
      assert.throws(() => hostedAt(one), /Expected https:\/\/host\/owner\/name for --host but received/);
    }
  });

  it('are called as Node.js calls system and processor', () => {
    for (const [name, { os, cpu, libc }] of Object.entries(PLATFORMS)) {
      assert.equal(name, `${os}-${cpu}${libc === 'musl' ? '-musl' : ''}`);
      assert.equal(libc === undefined, os !== 'linux');
    }
  });

  it('are called tested, or not, alike by doctor and by the page about them', () => {
    const page = readFileSync(join(root, 'docs/runtimes.md'), 'utf8');
    const rows = Array.from(page.matchAll(/^\| (`[^|]*) \| (?:glibc|musl|macOS|Windows)[^|]* \| ([^|]*) \|$/gm));
    const said = rows.flatMap(([, names, words]) =>
      Array.from(names!.matchAll(/`([\w-]+)`/g), ([, name]): [string, string] => [name!, words!]),
    );
    assert.deepEqual(said.map(([name]) => name).sort(), Object.keys(PLATFORMS).sort());
    for (const [name, words] of said) {
      const doubt = doubts(name).join('');
      if (words === 'tested') assert.equal(doubt, '', name);
      else if (words.startsWith('untested')) assert.match(doubt, /^untested on /, name);
      else assert.equal(doubt, `on ${name} ${words.replace(' tested', ' were tested')}`);
    }
  });

  it('are refused a binary that needs a newer C library than they promise', () => {
    const facts = { libraries: ['libc.so'], exports: ['napi_register_module_v1'] };
    assert.deepEqual(refusals('linux-x64-musl', { ...facts, musl: '1.2.0' }), []);
    const why = ['it needs musl 1.2.5, and 1.2.0 is the oldest'];
    assert.deepEqual(refusals('linux-x64-musl', { ...facts, musl: '1.2.5' }), why);
    const newer = { ...facts, libraries: ['libc.so.6'], glibc: '2.29' };
    assert.deepEqual(refusals('linux-arm64', newer), ['it needs glibc 2.29, and 2.28 is the oldest']);
  });

  for (const [name, platform] of Object.entries(PLATFORMS)) {
    it(`have the flags of binding.gyp in a cross-build: ${name}`, () => {
      const { sources, ldflags } = addonOf(platform);
      for (const { file, flags } of sources) {
        for (const flag of ['-ffp-contract=off', '-O3', '-std=c++17'])
          assert.ok(flags.includes(flag), `${file}: ${flag}`);
        assert.equal(flags.includes('-mavx2'), file.startsWith('cpp/isa/avx'), file);
        assert.equal(flags.includes('-mavx512vnni'), file === 'cpp/isa/avx512vnni.cc', file);
      }
      const sets = platform.cpu === 'x64' ? ['avx2', 'avx512', 'avx512vnni', 'scalar'] : ['neon', 'scalar'];
      const files = ['addon', 'isa', ''].flatMap((folder) =>
        readdirSync(join(root, 'cpp', folder))
          .filter((file) => file.endsWith('.cc') && (folder !== 'isa' || sets.includes(file.slice(0, -3))))
          .map((file) => ['cpp', folder, file].filter(Boolean).join('/')),
      );
      assert.deepEqual(sources.map(({ file }) => file).sort(), files.sort());
      assert.equal(ldflags.includes('-Wl,-z,nodelete'), platform.os === 'linux');
    });
  }
});

it('a clone is not published: its archives are', () => {
  const shell = process.platform === 'win32';
  const { status, stderr } = spawnSync('npm', ['publish', '--dry-run'], { cwd: root, encoding: 'utf8', shell });
  assert.notEqual(status, 0);
  assert.match(stderr, /npm run pack:release/);
});

it('the stand-in for LMDB, which tests under wine run on, has all that it stands in for', async () => {
  const { home } = new Consumer();
  try {
    for (const part of ['package.json', 'dist/esm']) cpSync(join(root, part), join(home, part), { recursive: true });
    const files = 'dist/esm/store/files';
    cpSync(join(root, 'scripts/platforms/lmdb-stand-in'), join(home, files), { recursive: true });
    const made = async (tree: string, name: string) => {
      const { lmdbKv } = await import(pathToFileURL(join(tree, files, 'lmdb-kv.js')).href);
      return lmdbKv(join(home, name), { readOnly: false, relaxed: true });
    };
    const [lmdb, standIn] = [await made(root, 'lmdb.mdb'), await made(home, 'stand-in.mdb')];
    const names = Object.getOwnPropertyNames(Object.getPrototypeOf(lmdb)).filter((name) => name !== 'constructor');
    assert.ok(names.length > 10, names.join());
    assert.deepEqual(
      names.filter((name) => typeof standIn[name] !== 'function'),
      [],
    );
    for (const kv of [lmdb, standIn]) await kv.close().later();
  } finally {
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  }
});

describe('the files of an archive', () => {
  const unit = (text: string) => ({ text: Buffer.from(text), size: text.length });

  it('come next to those that have most of their text, the first first, each once', () => {
    const [red, blue] = ['a long sentence on the colour red. ', 'quite other words: oceans are blue. '];
    const units = [red, blue, `${red}Once more!`, `${blue}And deep, too.`, `${red}And again.`].map(unit);
    const order = bySharedText(units).map((one) => units.indexOf(one as (typeof units)[number]));
    assert.equal(order[0], 0);
    assert.deepEqual(order.slice(0, 3).sort(), [0, 2, 4]);
    assert.deepEqual(order.slice(3).sort(), [1, 3]);
    assert.deepEqual(bySharedText(units), bySharedText(units.slice()));
  });

  it('are in one order only', () => {
    assert.deepEqual(bySharedText([]), []);
    assert.equal(bySharedText([unit('')]).length, 1);
  });
});

describe('the CommonJS of a release', () => {
  const cases: [string, string][] = [
    ['import a from"node:path";', 'const a=require("node:path");'],
    ['import{a as b,c}from"./x.js";', 'const{a:b,c}=require("./x.js");'],
    ['import*as t from"#host/core/host";', 'const t=require("../core/host.js");'],
    ['import"./x.js";', 'require("./x.js");'],
    ['export const a=1,b=2;', 'const a=1,b=2;exports.a=a;exports.b=b;'],
    ['export{a as b,c};', 'exports.b=a;exports.c=c;'],
    ['export{a as b}from"./x.js";', 'const _0_=require("./x.js");exports.b=_0_.a;'],
    [
      'export function f(){return import("./é.js")}',
      'function f(){return Promise.resolve().then(()=>require("./é.js"))}exports.f=f;',
    ],
  ];
  for (const [from, to] of cases) {
    it(`of ${from}`, () =>
      assert.ok(toCommonJs(from, 'kernels/a.js').endsWith(`${to}`), toCommonJs(from, 'kernels/a.js')));
  }

  it('exports one object where only our own files require it', () => {
    const made = toCommonJs('export{a as b}from"./x.js";export const c=1,d=2;export{c as e};', 'kernels/a.js', false);
    const from = '"use strict";const _0_=require("./x.js");';
    assert.equal(made, `${from}const c=1,d=2;module.exports={b:_0_.a,c,d,e:c};`);
    const run = new Function('require', 'module', made);
    const module: { exports?: object } = {};
    run(() => ({ a: 7 }), module);
    assert.deepEqual(module.exports, { b: 7, c: 1, d: 2, e: 1 });
  });

  it('of every module that has a CommonJS twin', async () => {
    const esm = join(root, 'dist/esm');
    const modules = filesOf(esm).filter((name) => name.endsWith('.js') && existsSync(join(root, 'dist/cjs', name)));
    assert.ok(modules.length > 100, `${modules.length}`);
    for (const name of modules) {
      if (KEPT.includes(name)) continue;
      const code = await minified(readFileSync(join(esm, name), 'utf8'));
      assert.doesNotThrow(() => toCommonJs(code, name), name);
    }
  });

  for (const code of ['export let a=1;', 'export default 1;', 'export*from"./x.js";', 'import a from"./x.js";']) {
    it(`is not made of ${code}`, () =>
      assert.throws(() => toCommonJs(code, 'kernels/a.js'), /cannot be made CommonJS/));
  }
});
