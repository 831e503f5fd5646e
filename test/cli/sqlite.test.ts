/** Tables of SQLite databases into an index: blobs and text as vectors, through whichever package is there. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import Database from 'libsql';
import { getLoadablePath } from 'sqlite-vec';
import { toHalf } from '#dist/core/half.js';
import { openReader } from '#dist/files/formats/open.js';
import { Random } from '../random.js';
import { refused } from '../refused.js';
import { done, fails } from './command.js';
import { contentsOf, tempFolder } from './files.js';

const { path, write } = tempFolder();
const random = new Random(11);
const rows = Array.from({ length: 400 }, () => random.vector(6));
const float32s = rows.map((row) => Array.from(row));
const bytesOf = (values: Float32Array | Uint16Array) =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength);
let made = 0;

const into = (file: string, ...more: string[]) => {
  const to = path(`index-${made++}`);
  return { to, line: ['ingest', file, '--to', to, '--metric', 'euclid', ...more] };
};

async function ingested(file: string, ...more: string[]) {
  const { to, line } = into(file, ...more);
  await done(line);
  return contentsOf(to);
}
const vectorsOf = async (file: string, ...more: string[]) =>
  (await ingested(file, ...more)).map(({ vector }) => vector);

const database = path('films.db');
const db = new Database(database);
db.exec(`
  create table films(id integer primary key, title text, year int, score real, big int, f32 blob, f16 blob, own F32_BLOB(6), json text, half F16_BLOB(6));
  create table "by ""key"""(key text primary key, v blob) without rowid;
  create view recent as select title, f32 from films where id > 1005;
`);
const insert = db.prepare('insert into films values (?, ?, ?, ?, ?, ?, ?, ?, ?, null)');
const key = db.prepare('insert into "by ""key""" values (?, ?)');
db.exec('begin');
for (const [i, row] of rows.entries()) {
  // From the last to the first: rows come by their rowid.
  const n = rows.length - 1 - i;
  const vector = bytesOf(rows[n]!);
  const half = bytesOf(Uint16Array.from(rows[n]!, toHalf));
  const big = n === 5 ? 2n ** 60n : BigInt(n);
  insert.run(
    1000 + n,
    n % 3 ? `film ${n} ü` : null,
    1900 + n,
    n / 3,
    big,
    vector,
    half,
    vector,
    JSON.stringify(Array.from(rows[n]!)),
  );
  key.run(`k${String(i).padStart(4, '0')}`, bytesOf(row));
}
db.exec('commit');
db.close();
const films = ['--table', 'films'];

describe('a table of an SQLite database', () => {
  it('gives its rows by rowid, with values as they are', async () => {
    const all = await ingested(
      database,
      ...films,
      '--vector',
      'f32',
      '--vector-type',
      'float32',
      '--id',
      'id',
      '--payload',
      'title,year,score,big',
    );
    assert.deepEqual(
      all,
      float32s.map((vector, n) => {
        const title = n % 3 ? `film ${n} ü` : null;
        // One beyond 2^53 makes bigints of the column.
        return {
          id: 1000 + n,
          vector,
          payload: { title, year: 1900 + n, score: n / 3, big: n === 5 ? 2n ** 60n : BigInt(n) },
        };
      }),
    );
  });

  it('gives the bits of the same float32 as blobs, as F32_BLOB of libsql, out of views and without rowid', async () => {
    const plain = ['--no-payload'];
    assert.deepEqual(await vectorsOf(database, ...films, '--vector', 'own', ...plain), float32s);
    const recent = ['--table', 'recent', '--vector', 'f32', '--vector-type', 'float32'];
    assert.equal((await vectorsOf(database, ...recent)).length, 394);
    const keyed = await ingested(
      database,
      '--table',
      'by "key"',
      '--vector',
      'v',
      '--vector-type',
      'float32',
      '--id',
      'key',
    );
    assert.deepEqual(
      keyed.map(({ id, vector }) => [id, vector]),
      float32s.map((vector, i) => [`k${String(i).padStart(4, '0')}`, vector]),
    );
    const halves = await vectorsOf(database, ...films, '--vector', 'f16', '--vector-type', 'float16', ...plain);
    const jsonl = rows
      .map((row) => JSON.stringify({ v: bytesOf(Uint16Array.from(row, toHalf)).toString('base64') }))
      .join('\n');
    assert.deepEqual(
      halves,
      await vectorsOf(write('halves.jsonl', jsonl), '--vector', 'v', '--vector-type', 'float16'),
    );
  });

  it('gives text with NUL in it whole, and columns that are generated', async () => {
    const values = [
      [`'a' || char(0) || 'b"\\'`, "x'7a00'"],
      ["'c'", 'char(0)'],
      ['null', '7'],
      ["''", "'é' || char(0)"],
    ];
    for (const encoding of ['utf-8', 'utf-16le']) {
      const file = path(`${encoding}.db`);
      const own = new Database(file);
      own.exec(`pragma encoding = '${encoding}'`);
      own.exec('create table t(id integer primary key, v text, a, b, twice int as (2 * id), kept as (a) stored)');
      for (const [a, b] of values) own.exec(`insert into t(v, a, b) values ('[1, 2, 3, 4]', ${a}, ${b})`);
      own.close();
      const found = (await ingested(file, '--vector', 'v')) as { payload: Record<string, unknown> }[];
      assert.deepEqual(
        found.map(({ payload }) => [payload['a'], payload['b'], payload['twice'], payload['kept']]),
        [
          ['a\0b"\\', Uint8Array.of(0x7a, 0), 2, 'a\0b"\\'],
          ['c', '\0', 4, 'c'],
          [null, 7, 6, null],
          ['', 'é\0', 8, ''],
        ],
        encoding,
      );
    }
  });

  it('is named where there are several, and what it lacks is told', async () => {
    const refused = (message: RegExp, ...more: string[]) => fails(1, message, into(database, ...more).line);
    await refused(/Expected --table for .*films\.db, which has .*"films".*/, '--vector', 'f32');
    await refused(/a table "none" for .* which has /, '--table', 'none', '--vector', 'f32');
    await refused(/a column "none" in .* but it has "id"/, ...films, '--vector', 'none');
    await refused(/Expected --vector-type .* for "f32" .* a column of blobs/, ...films, '--vector', 'f32');
    await refused(
      /--vector-type float32, or none, for "own" in .* a column of F32_BLOB\(6\)/,
      ...films,
      '--vector',
      'own',
      '--vector-type',
      'float16',
    );
    await refused(/for "half" in .* F16_BLOB\(6\) \(a view of vector_extract\("half"\)/, ...films, '--vector', 'half');
    await refused(/base64|for "title" in row 0/, ...films, '--vector', 'title', '--vector-type', 'float64');
    await fails(2, /Expected SQLite databases beside --table but received npy/, into('a.npy', ...films).line);
    await fails(1, /no such file/, into(path('none.db'), ...films, '--vector', 'f32').line);
    assert.equal(existsSync(path('none.db')), false);
  });

  it('of sqlite-vec is read through it, with its rowids as ids', async () => {
    const file = path('vec.db');
    const vec = new Database(file);
    vec.loadExtension(getLoadablePath());
    vec.exec('create virtual table items using vec0(embedding float[6], genre text, +note text)');
    const add = vec.prepare('insert into items(rowid, embedding, genre, note) values (?, ?, ?, ?)');
    for (const [i, row] of rows.slice(0, 50).entries()) add.run(BigInt(3 * i + 1), bytesOf(row), `g${i % 4}`, `n${i}`);
    vec.close();
    const typed = ['--vector', 'embedding', '--vector-type', 'float32', '--id', 'rowid', '--payload', 'genre,note'];
    assert.deepEqual(
      await ingested(file, '--table', 'items', ...typed),
      float32s
        .slice(0, 50)
        .map((vector, i) => ({ id: 3 * i + 1, vector, payload: { genre: `g${i % 4}`, note: `n${i}` } })),
    );
  });

  it('has rowids as ids, also where all of its columns are the payload', async () => {
    const file = path('plain.db');
    const plain = new Database(file);
    plain.exec('create table films(title text, v blob)');
    const add = plain.prepare('insert into films(rowid, title, v) values (?, ?, ?)');
    for (const [i, row] of rows.slice(0, 20).entries()) add.run(BigInt(5 * i + 2), `film ${i}`, bytesOf(row));
    plain.close();
    const typed = ['--vector', 'v', '--vector-type', 'float32'];
    const expected = float32s.slice(0, 20).map((vector, i) => ({ vector, payload: { title: `film ${i}` } }));
    const byRowid = expected.map((row, i) => ({ id: 5 * i + 2, ...row }));
    assert.deepEqual(await ingested(file, ...typed, '--id', 'rowid'), byRowid);
    // Nobody named it: it is no payload either.
    assert.deepEqual(
      await ingested(file, ...typed),
      expected.map((row, id) => ({ id, ...row })),
    );
  });

  it('is gone on with where a broken row ended it; a table that another wrote to since is not', async () => {
    const file = path('broken.db');
    copyFileSync(database, file);
    const writer = new Database(file);
    writer.exec("update films set f32 = x'0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f' where id = 1300");
    const typed = [...films, '--vector', 'f32', '--vector-type', 'float32', '--id', 'id', '--payload', 'title'];
    const { to, line } = into(file, ...typed, '--batch', '64');
    await fails(1, /a finite float32 for dim 0 of "f32" in row 300 of/, line);
    assert.ok((await contentsOf(to)).length > 0);
    const { json } = await done([...line, '--skip-broken', '--json']);
    assert.ok(json.resumedAt > 0 && json.written < 399, JSON.stringify(json));
    assert.deepEqual(await contentsOf(to), await ingested(file, ...typed, '--skip-broken'));
    // The log alone has it at first.
    writer.exec('pragma journal_mode = wal; pragma wal_autocheckpoint = 0');
    const again = into(file, ...typed, '--batch', '64');
    await fails(1, /a finite float32/, again.line);
    writer.exec('delete from films where id = 1001');
    await fails(1, /as were ingested before .*but it/, [...again.line, '--skip-broken']);
    writer.close();
  });

  it('in a file that is cut off, damaged or none is told', async () => {
    const whole = readFileSync(database);
    const typed = [...films, '--vector', 'f32', '--vector-type', 'float32'];
    const cut = into(write('cut.db', whole.subarray(0, whole.length - 5000)), ...typed);
    await fails(1, /Expected a whole SQLite database for .*cut\.db but received \d+ bytes of \d+/, cut.line);
    await fails(1, /an SQLite database for .*text\.db/, into(write('text.db', 'id,v\n'.repeat(99)), ...typed).line);
    await fails(1, /an SQLite database for .*empty\.db/, into(write('empty.db', ''), ...typed).line);
    const bytes = Buffer.from(whole);
    for (let at = 8192; at < bytes.length - 4096; at += 4096) bytes.fill(0xa5, at, at + 64);
    await fails(
      1,
      /whole SQLite database for .*damaged\.db but received .*malformed/,
      into(write('damaged.db', bytes), ...typed).line,
    );
    await fails(
      1,
      /a file of another format: --format sqlite/,
      into(write('named.jsonl', whole), '--vector', 'f32').line,
    );
  });
});

it('a virtual table whose module is not there is unsupported, not damaged, and the module named', async () => {
  const file = path('module.db');
  const odd = new Database(file);
  odd.exec(`
    pragma writable_schema = on;
    insert into sqlite_schema values ('table', 'odd', 'odd', 0, 'create virtual table odd using nowhere(v)');
    pragma writable_schema = off;`);
  odd.close();
  const message = /a table that needs no extension .* but received no such module: nowhere/;
  await assert.rejects(openReader(file, 'sqlite', { table: 'odd' }), refused('UNSUPPORTED', message));
});
