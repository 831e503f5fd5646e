/** funnelvec doctor, and demo: what runs where nothing is installed beside the package. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import * as zlib from 'node:zlib';
import { FunnelIndex } from 'funnelvec/store';
import { staticFolder } from '../embed/tiny.js';
import { ARROW } from './arrow-files.js';
import { done, fails } from './command.js';
import { fakeLoader } from './fake-embedder.js';
import { tempFolder } from './files.js';
import { funnelvec } from './real.js';

const { path } = tempFolder();
const VERSION: string = JSON.parse(readFileSync('package.json', 'utf8')).version;

describe('doctor', () => {
  it('tells of a model what was decided for it, and why', async () => {
    const made = staticFolder().write({
      'config_sentence_transformers.json': { prompts: { query: 'three ' }, mood: 1 },
    });
    try {
      const { code, stdout } = await funnelvec(['doctor', '--model', made.path, '--json']);
      assert.equal(code, 0, stdout);
      const { name, dim, decisions, warnings } = JSON.parse(stdout).model;
      assert.match(name, /^funnelvec-embed-\S+ [0-9a-f]{12} \(mean, dim 8, l2, query "three "\)$/);
      assert.equal(dim, 8);
      for (const topic of ['model', 'tokenizer', 'pooling', 'prompt of queries', 'limit', 'normalised', 'precision']) {
        assert.ok(
          decisions.some((one: string) => one.startsWith(`${topic}: `)),
          topic,
        );
      }
      assert.match(warnings.join(), /mood of config_sentence_transformers\.json/);
      const { stdout: text } = await funnelvec(['doctor', '--model', made.path]);
      assert.match(text, /prompt of queries: "three " \(the folder says so\)/);
      assert.match(text, /prompt of documents: "" \(nobody says one\)/);
      assert.match(text, /warning: Nobody here knows mood/);
      const options = ['--dim', '8', '--strip', '--batch-size', '1'];
      const { stdout: own } = await funnelvec(['doctor', '--model', made.path, ...options, '--json']);
      assert.match(JSON.parse(own).model.name, /\(mean, dim 8, l2, strip, /);
      const cut = await funnelvec(['doctor', '--model', made.path, '--dim', '3']);
      assert.deepEqual([cut.code, /one of 8, .* received 3/.test(cut.stderr)], [1, true], cut.stderr);
      const output = await funnelvec(['doctor', '--model', made.path, '--output', 'x']);
      assert.match(output.stderr, /an ONNX model beside output "x"/);
      for (const alone of [['--dim', '8'], ['--strip'], ['--output', 'x'], ['--batch-size', '1']]) {
        const { code, stderr } = await funnelvec(['doctor', ...alone]);
        assert.deepEqual([code, stderr], [2, `funnelvec: Expected --model beside ${alone[0]}\n`]);
      }
      const none = await funnelvec(['doctor', '--model', made.path, '--batch-size', '0']);
      assert.match(none.stderr, /integer of 1 to \d+ for --batch-size but received 0/);
      const missing = await funnelvec(['doctor', '--model', path('no-model')]);
      assert.equal(missing.code, 1);
      assert.match(missing.stderr, /no such folder/);
    } finally {
      made.remove();
    }
  });

  it('tells versions of what is installed and what it is for, the machine, and whether an index can be written', async () => {
    const { code, stdout } = await funnelvec(['doctor', '--json']);
    assert.equal(code, 0, stdout);
    const report = JSON.parse(stdout);
    assert.equal(report.funnelvec, VERSION);
    assert.equal(report.node, process.version);
    assert.deepEqual(report.store, { works: true, tried: true });
    assert.match(report.packages.lmdb.version, /^3\./);
    assert.match(report.packages.commander.version, /^14\./);
    assert.match(report.packages.hyparquet.for, /Parquet/);
    assert.ok(report.memory.total >= report.memory.available && report.memory.available > 0);
    assert.ok(report.disk.free > 0 && report.threads >= 1);
    const { stdout: text } = await funnelvec(['doctor', '--deep']);
    assert.match(text, /python {4}not needed/);
    assert.match(text, /packages {2}\(all optional; npm install <name>\)\n {2}commander +14\./);
    assert.match(text, /index {5}can be written and read on disk/);
  });

  it('says that it did not try an index where it was not asked to', async () => {
    const { code, stdout } = await funnelvec(['doctor']);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /index {5}on disk by lmdb 3\.\d+\.\d+, not tried: doctor --deep writes one and reads it/);
    assert.doesNotMatch(stdout, /can be written and read/);
  });

  it('tells of an index how many rows have no codes or are dead, and what a search takes', async () => {
    const folder = path('doctored');
    const index = await FunnelIndex.create(folder, { dim: 4, autoOptimize: false });
    const write = (from: number, count: number) =>
      index.upsert({
        ids: Array.from({ length: count }, (_, i) => from + i),
        vectors: new Float32Array(4 * count).map((_, i) => Math.sin(i)),
      });
    await write(0, 300);
    await index.optimize();
    await write(290, 100);
    await index.close();
    const { code, stdout } = await funnelvec(['doctor', folder, '--json']);
    assert.equal(code, 0, stdout);
    const { rows, uncoded, dead, queryMs } = JSON.parse(stdout).index;
    assert.deepEqual([rows, uncoded, dead], [390, { rows: 100, bytesPerQuery: 1600 }, { rows: 10, coded: 10 }]);
    assert.ok(queryMs > 0);
    const { stdout: text } = await funnelvec(['doctor', folder]);
    assert.match(text, /390 rows, .* a search for ten takes [\d.]+ ms/);
    assert.match(text, /100 rows have no codes: every search reads 1\.6 kB of them/);
    const writer = await FunnelIndex.open(folder);
    await writer.optimize();
    await writer.close();
    assert.match((await funnelvec(['doctor', folder])).stdout, /\n {2}all rows have codes\n/);
    const missing = await funnelvec(['doctor', path('nowhere')]);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /there is no such folder \(funnelvec ingest <files> --to <path> makes one\)/);
  });

  it('has a usage of its own', async () => {
    const { code, stderr } = await funnelvec(['doctor', '--nope']);
    assert.equal(code, 2);
    assert.match(stderr, /Unknown option '--nope'/);
    const wrong = await funnelvec(['doctor', '--json'], { FUNNELVEC_KERNELS: 'nope' });
    assert.equal(wrong.code, 1);
    assert.match(JSON.parse(wrong.stdout).error, /nope/);
  });
});

describe('without any optional package', () => {
  const bare = path('bare');
  mkdirSync(bare);
  cpSync(resolve('dist'), `${bare}/dist`, { recursive: true });
  cpSync(resolve('package.json'), `${bare}/package.json`);
  const run = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [`${bare}/dist/esm/cli/main.js`, ...args], {
      encoding: 'utf8',
      cwd: bare,
      env: { ...process.env, NODE_PATH: '' },
    });
    return { status, stdout, stderr };
  };

  it('doctor works, and says what is missing', () => {
    const { status, stdout } = run('doctor');
    assert.equal(status, 0, stdout);
    assert.match(stdout, /commander +none +the command line/);
    assert.match(stdout, /binary +none; looked for\n/);
    assert.match(stdout, /scalar +no: no binary, see above\n/);
    assert.match(stdout, /index {5}not on disk: .*npm install lmdb/);
    assert.match(run('doctor', '--deep').stdout, /index {5}not on disk: .*npm install lmdb/);
  });

  it('doctor tells of an lmdb without its binary, and --deep of one whose binary does not load', () => {
    const broken = path('broken');
    mkdirSync(broken);
    for (const one of ['dist', 'package.json']) cpSync(`${bare}/${one}`, `${broken}/${one}`, { recursive: true });
    const put = (name: string, text: string) => {
      mkdirSync(`${broken}/node_modules/${name}`, { recursive: true });
      const manifest = { name, version: '3.5.6', main: 'x.cjs' };
      writeFileSync(`${broken}/node_modules/${name}/package.json`, JSON.stringify(manifest));
      writeFileSync(`${broken}/node_modules/${name}/x.cjs`, text);
    };
    put('lmdb', 'throw new Error("no binary for this system");');
    const told = (...words: string[]) =>
      spawnSync(process.execPath, [`${broken}/dist/esm/cli/main.js`, 'doctor', ...words], { encoding: 'utf8' });
    for (const words of [[], ['--deep'], ['--json']]) {
      const { status, stdout } = told(...words);
      assert.equal(status, 1, stdout);
      assert.match(stdout, /no binary for this system/);
    }
    put(`@lmdb/lmdb-${process.platform}-${process.arch}`, '');
    assert.match(told().stdout, /index {5}on disk by lmdb 3\.5\.6, not tried/);
    for (const deep of ['--deep', '--json']) {
      const { status, stdout } = told(deep);
      assert.equal(status, 1, stdout);
      assert.match(stdout, /no binary for this system/);
    }
  });

  it('tells its version', () => {
    for (const flag of ['--version', '-V'])
      assert.deepEqual(run(flag), { status: 0, stdout: `${VERSION}\n`, stderr: '' });
    for (const args of [
      ['--version', '--json'],
      ['--json', '--version'],
    ]) {
      assert.deepEqual(JSON.parse(run(...args).stdout), { version: VERSION });
    }
    const { status, stderr } = run('--version', 'films');
    assert.equal(status, 2);
    assert.match(stderr, /Expected --version alone but received films too/);
  });

  it('other commands say what to install', () => {
    for (const args of [['ingest', 'a.jsonl', '--to', 'x'], ['--help'], []]) {
      const { status, stderr } = run(...args);
      assert.equal(status, 1);
      assert.match(stderr, /Expected the package commander .*: npm install commander/);
    }
    const { status, stdout } = run('search', '--json');
    assert.equal(status, 1);
    assert.equal(JSON.parse(stdout).error.code, 'MISSING_PACKAGE');
  });

  it('files that need a package of their own name it', () => {
    mkdirSync(`${bare}/node_modules`, { recursive: true });
    symlinkSync(resolve('node_modules/commander'), `${bare}/node_modules/commander`, 'junction');
    const missing = (file: string, name: string) => {
      writeFileSync(`${bare}/${file}`, '{"a":[1]}\n');
      const { status, stderr } = run('ingest', file, '--vector', 'a', '--to', 'x');
      assert.equal(status, 1);
      assert.match(stderr, new RegExp(`npm install ${name}`));
    };
    missing('a.csv', 'csv-parse');
    missing('a.parquet', 'hyparquet');
    missing('a.jsonl', 'lmdb');
  });

  it('a compression that needs one names it, and what else helps', () => {
    symlinkSync(resolve('node_modules/hyparquet'), `${bare}/node_modules/hyparquet`, 'junction');
    const refused = (name: 'lz4' | 'zstd') => {
      writeFileSync(`${bare}/${name}.parquet`, Buffer.from(ARROW[name], 'base64'));
      const { status, stderr } = run('ingest', `${name}.parquet`, '--vector', 'id', '--to', 'x');
      assert.equal(status, 1);
      return stderr;
    };
    const install = /\(npm install hyparquet-compressors, or /;
    assert.match(refused('lz4'), /or pyarrow: compression="snappy"\) for lz4\.parquet but received LZ4/);
    assert.match(refused('lz4'), install);
    if ('zstdDecompressSync' in zlib) return;
    assert.match(refused('zstd'), /or Node\.js 22\.15 or newer\) for zstd\.parquet but received ZSTD/);
    assert.match(refused('zstd'), install);
  });
});

describe('demo', () => {
  it('compares the modes on made-up vectors, and says that they are', async () => {
    const { json } = await done(['demo', '--rows', '3000', '--json']);
    assert.match(json.what, /made-up vectors/);
    assert.equal(json.rows, 3000);
    const [scan, exact] = json.modes;
    assert.equal(scan.recall, 1);
    assert.equal(exact.recall, 1);
    assert.ok(exact.read < scan.read / 10);
    assert.match((await done(['demo', '--rows', '2000'])).stdout, /2,000 made-up vectors/);
  });

  it('searches sentences with a model, and refuses one that is not there', async () => {
    const load = fakeLoader();
    const { json } = await done(['demo', '--model', 'fake', '--json'], { load });
    assert.equal(load.open, 0);
    assert.equal(json.answers.length, 5);
    for (const { hits } of json.answers) {
      const scores = hits.map(({ score }: { score: number }) => score);
      assert.deepEqual(
        scores,
        scores.toSorted((a: number, b: number) => b - a),
      );
      assert.equal(hits.length, 3);
    }
    const { stderr, code } = await funnelvec(['demo', '--model', 'nomic-embed-text-v1.5'], {
      FUNNELVEC_MODELS: path('no'),
    });
    assert.equal(code, 1);
    assert.match(stderr, /Expected the files of preset nomic-embed-text-v1\.5 in .*no.*onnx\/model\.onnx/);
    await fails(2, /integer of 1000 to 1000000/, ['demo', '--rows', '5']);
  });
});
