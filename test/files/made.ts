/** The same rows in files of every format that is read: id, title, year and a vector. */
import { mkdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import * as arrow from 'apache-arrow';
import { tableFromArrays, tableToIPC, vectorFromArray } from 'apache-arrow';
import { File, ready } from 'h5wasm/node';
import { parquetWriteBuffer } from 'hyparquet-writer';
import Database from 'libsql';
import { jsonl, tempFolder } from '../cli/files.js';
import { Random } from '../random.js';

export const DIM = 6;
export const ROWS: number = 700;

const random = new Random(28);
export const vectors = Array.from({ length: ROWS }, () => random.vector(DIM));
export const ids = vectors.map((_, i) => 10 + i);
const titles = vectors.map((_, i) => `film ${i} ü`);
const years = vectors.map((_, i) => 1900 + (i % 100));
export const payloads = vectors.map((_, i) => ({ title: titles[i]!, year: years[i]! }));

export const { path, write } = tempFolder();

const bytesOf = (row: Float32Array) => Buffer.from(row.buffer, row.byteOffset, row.byteLength);
const rows = vectors.map((vector, i) => ({ id: ids[i]!, ...payloads[i]!, v: Array.from(vector) }));
const csv = (mark: string) =>
  [
    ['id', 'title', 'year', 'v'].join(mark),
    ...rows.map(({ id, title, year, v }) => [id, title, year, `"${JSON.stringify(v)}"`].join(mark)),
  ].join('\n');

function table(from = 0, to = ROWS): Uint8Array {
  const lists = vectors.slice(from, to).map((vector) => Array.from(vector));
  const type = new arrow.FixedSizeList(DIM, new arrow.Field('item', new arrow.Float32()));
  const columns = {
    id: Int32Array.from(ids.slice(from, to)),
    title: titles.slice(from, to),
    year: Int32Array.from(years.slice(from, to)),
  };
  const made = tableFromArrays(columns).assign(new arrow.Table({ v: vectorFromArray(lists, type) }));
  return tableToIPC(made, 'stream');
}

function fvecs(): Buffer {
  const lead = Buffer.alloc(4);
  lead.writeInt32LE(DIM);
  return Buffer.concat(vectors.flatMap((row) => [lead, bytesOf(row)]));
}

async function hdf5(name: string): Promise<string> {
  await ready;
  const file = new File(path(name), 'w');
  const data = Float32Array.from(vectors.flatMap((row) => Array.from(row)));
  file.create_dataset({ name: 'train', data, shape: [ROWS, DIM] });
  file.create_dataset({ name: 'id', data: Int32Array.from(ids), shape: [ROWS] });
  file.create_dataset({ name: 'title', data: titles, shape: [ROWS] });
  file.create_dataset({ name: 'year', data: Int32Array.from(years), shape: [ROWS] });
  file.close();
  return path(name);
}

function sqlite(name: string): string {
  const db = new Database(path(name));
  db.exec('create table films(id integer primary key, title text, year int, v blob)');
  const insert = db.prepare('insert into films values (?, ?, ?, ?)');
  db.exec('begin');
  for (const [i, vector] of vectors.entries()) insert.run(ids[i]!, titles[i]!, years[i]!, bytesOf(vector));
  db.exec('commit');
  db.close();
  return path(name);
}

/** As save_to_disk() leaves it: two files in an order that their names do not tell. */
function dataset(name: string): string {
  mkdirSync(path(name));
  write(`${name}/b.arrow`, table(0, 300));
  write(`${name}/a.arrow`, table(300));
  write(`${name}/state.json`, JSON.stringify({ _data_files: [{ filename: 'b.arrow' }, { filename: 'a.arrow' }] }));
  return path(name);
}

const parquet = parquetWriteBuffer({
  columnData: [
    { name: 'id', data: Int32Array.from(ids), type: 'INT32' },
    { name: 'title', data: titles, type: 'STRING' },
    { name: 'year', data: Int32Array.from(years), type: 'INT32' },
    { name: 'v', data: vectors.map(bytesOf).map((bytes) => Uint8Array.from(bytes)), type: 'BYTE_ARRAY' },
  ],
  rowGroupSize: 128,
});

const all = { id: 'id', vector: 'v' };
const bytes = { ...all, vectorType: 'float32' } as const;
const text = { ...all, numbers: ['year'] };

/** Each file, and the options by which it is the same rows; `bare` ones have vectors alone. */
export const FILES = [
  { file: write('films.jsonl', jsonl(rows)), options: all },
  { file: write('films.jsonl.gz', gzipSync(jsonl(rows))), options: all },
  { file: write('films.json', JSON.stringify(rows, null, 1)), options: all },
  { file: write('films.csv', csv(',').replaceAll('""', '"')), options: text },
  { file: write('films.csv.gz', gzipSync(csv(';'))), options: { ...text, delimiter: ';' } },
  { file: write('films.tsv', csv('\t')), options: text },
  { file: write('films.parquet', new Uint8Array(parquet)), options: bytes },
  { file: write('films.arrow', table()), options: all },
  { file: await hdf5('films.hdf5'), options: { id: 'id' } },
  { file: sqlite('films.db'), options: bytes },
  { file: dataset('saved'), options: all },
  { file: write('films.fvecs', fvecs()), options: {}, bare: true },
  {
    file: write('films.fbin', Buffer.concat([bytesOf32(ROWS, DIM), ...vectors.map(bytesOf)])),
    options: {},
    bare: true,
  },
];

function bytesOf32(...values: number[]): Buffer {
  return Buffer.from(Uint32Array.from(values).buffer);
}
