/** Files of other formats: by name and by what they begin with, each is told which line of Python makes rows of it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { FOREIGN } from '#dist/files/formats/foreign.js';
import { formatOf, openReader } from '#dist/files/formats/open.js';
import { BULK } from './arrow-files.js';
import { done, fails } from './command.js';
import { tempFolder } from './files.js';

const { path, write } = tempFolder();
const into = (file: string, ...more: string[]) => ['ingest', file, '--vector', 'v', '--to', path('none'), ...more];

/** As users have them: what each is called, and what its line of Python uses. */
const TABLE: [file: string, name: RegExp, python: RegExp, to: string][] = [
  ['a.lance', /a Lance dataset/, /lance\.dataset/, 'a.parquet'],
  ['a.lance/', /a Lance dataset/, /lance\.dataset/, 'a.parquet'],
  ['a.vortex', /a Vortex file/, /vortex\.open/, 'a.parquet'],
  ['a.vtx', /a Vortex file/, /vortex\.open/, 'a.parquet'],
  ['a.orc', /an ORC file/, /pyarrow\.orc/, 'a.parquet'],
  ['a.avro', /an Avro file/, /read_avro/, 'a.parquet'],
  ['a.ivecs', /true neighbours/, /<i4/, 'a.npy'],
  ['a.npz', /an archive of NumPy files/, /np\.load/, 'a.npy'],
  ['a.zarr', /a Zarr array/, /zarr\.open/, 'a.npy'],
  ['a.duckdb', /a DuckDB database/, /duckdb\.connect/, 'a.parquet'],
  ['a.xlsx', /a spreadsheet/, /read_excel/, 'a.csv'],
  ['a.xls', /a spreadsheet/, /read_excel/, 'a.csv'],
  ['a.ods', /a spreadsheet/, /read_excel/, 'a.csv'],
  ['a.pt', /a PyTorch file/, /torch\.load/, 'a.npy'],
  ['a.pth', /a PyTorch file/, /torch\.load/, 'a.npy'],
  ['a.safetensors', /a safetensors file/, /load_file/, 'a.npy'],
  ['a.pkl', /a pickle/, /read_pickle/, 'a.parquet'],
  ['a.pickle', /a pickle/, /read_pickle/, 'a.parquet'],
];

describe('a file of another format', () => {
  for (const [file, name, python, to] of TABLE) {
    it(`${file} is told how it becomes ${to}, whether it is there or not`, async () => {
      const { stderr } = await fails(2, name, into(`some/${file}`));
      const code = /In Python: (.*)/.exec(stderr)![1]!;
      assert.match(code, python);
      assert.ok(code.includes(`"some/${file}"`) && code.includes(`"${to}"`), code);
    });
  }

  it('has a row here for each extension that is known', () => {
    const tested = new Set(TABLE.map(([file]) => /\.\w+/.exec(file.toLowerCase())![0]));
    assert.deepEqual([...tested].sort(), FOREIGN.flatMap(({ extensions }) => extensions).sort());
  });

  it('is known by what it begins with, whatever its name or --format says', async () => {
    const begins: [string, RegExp][] = [
      ['ARROW1\0\0rest of it......', /a file of another format: --format arrow/],
      ['FEA1\0\0\0\0rest of it......', /Feather file of version 1\. In Python: /],
      ['SQLite format 3\0......', /a file of another format: --format sqlite/],
      ['\x89HDF\r\n\x1a\n............', /a file of another format: --format hdf5/],
      ['Obj\x01................', /an Avro file\. In Python: /],
      ['PK\x03\x04................', /a ZIP archive, as \.npz, \.xlsx and \.pt files are/],
    ];
    for (const [i, [start, message]] of begins.entries()) {
      for (const extension of ['parquet', 'npy', 'csv', 'jsonl']) {
        const file = write(`begins-${i}.${extension}`, Buffer.from(start, 'latin1'));
        await fails(1, message, into(file));
      }
      await fails(1, message, into(write(`begins-${i}.bin`, Buffer.from(start, 'latin1')), '--format', 'jsonl'));
    }
    const bulk = write('bulk.jsonl', Buffer.from(BULK, 'base64'));
    await fails(1, /Expected jsonl for .* but received a file of another format: --format parquet/, into(bulk));
    await fails(1, /--format npy/, into(write('matrix.csv', Buffer.from('\x93NUMPY\x01\0', 'latin1'))));
    // Words that files of text begin with are no marks.
    const fine = write('fine.csv', 'ORC,v\nPAR1,"[1,2]"\n');
    await done(['ingest', fine, '--vector', 'v', '--to', path('fine')]);
    const bench = ['bench', '--store', path('fine'), '--vector', 'v', '--queries'];
    await fails(2, /true neighbours/, [...bench, 'a.ivecs']);
    await fails(1, /--format hdf5/, [...bench, path('begins-3.jsonl')]);
    assert.equal(existsSync(path('none')), false);
  });

  it('in a folder: its files are to be named', async () => {
    mkdirSync(path('part.parquet'));
    await fails(
      1,
      /a folder or device \(of a folder, name its files: .*part\.parquet\/\*\)/,
      into(path('part.parquet')),
    );
  });
});

/** Made by numpy and pyarrow, which the tests have; those of other packages were tried by hand. */
const MADE: [file: string, make: string][] = [
  ['b.orc', 'import pyarrow.orc as o; o.write_table(table, name)'],
  ['b.ivecs', 'np.hstack([np.full((3, 1), 4, "<i4"), rows.astype("<i4")]).tofile(name)'],
  ['b.npz', 'np.savez(name, rows)'],
  ['b.safetensors', 'import safetensors.numpy as s; s.save_file({"rows": rows}, name)'],
  ['b.pkl', 'import pandas as pd; pd.DataFrame({"v": list(rows)}).to_pickle(name)'],
];

const ROWS = [1, 5, 9].map((one) => [one, one + 1, one + 2, one + 3]);

it('the lines of Python do what they say', { timeout: 120_000 }, async (t) => {
  const venv = await import(pathToFileURL(resolve('scripts/setup/venv.mjs')).href);
  let python: string;
  try {
    ({ python } = await venv.ensureVenv());
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    return t.skip((error as Error).message);
  }
  const start = [
    'import numpy as np, pyarrow as pa',
    `rows = np.array(${JSON.stringify(ROWS)}, "<f4")`,
    'table = pa.table({"v": list(rows)})',
  ];
  const cwd = path('made');
  mkdirSync(cwd);
  const lines = [...start, ...MADE.flatMap(([file, make]) => [`name = ${JSON.stringify(file)}`, make]), 'import os'];
  for (const [i, [file]] of MADE.entries()) {
    const { stderr } = await fails(2, /In Python: /, into(`${cwd}/${file}`));
    lines.push(`os.mkdir("${i}"); os.chdir("${i}")`, /In Python: (.*)/.exec(stderr)![1]!, 'os.chdir("..")');
  }
  execFileSync(python, ['-c', lines.join('\n')], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const [i, [file]] of MADE.entries()) {
    const to = TABLE.find(([name]) => extname(name) === extname(file))![3].replace('a', 'b');
    const made = `${cwd}/${i}/${to}`;
    const reader = await openReader(made, formatOf(made));
    const read: unknown[] = [];
    for await (const { rows } of reader.read(0)) {
      for (const { values } of rows) {
        const vector = values!['vector'] ?? values!['v'];
        read.push(Array.from(typeof vector === 'string' ? JSON.parse(vector) : (vector as Float32Array)));
      }
    }
    await reader.close();
    assert.deepEqual(read, ROWS, file);
  }
});
