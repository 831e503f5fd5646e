/** Readers of files tell the values of rows, where they are, and what is broken where. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { formatOfFile } from '#dist/cli/files.js';
import { formatOf, openReader } from '#dist/files/formats/open.js';
import type { FileRow, Reader } from '#dist/files/formats/reader.js';
import { ARROW } from './arrow-files.js';

const folder = mkdtempSync(join(tmpdir(), 'funnelvec-readers-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

let made = 0;
function file(content: string | Uint8Array, extension: string): string {
  const path = join(folder, `${made++}.${extension}`);
  writeFileSync(path, content);
  return path;
}

async function rowsOf(path: string, from = 0): Promise<FileRow[]> {
  const reader: Reader = await openReader(path, formatOf(path));
  const rows: FileRow[] = [];
  let share = 0;
  try {
    for await (const chunk of reader.read(from)) {
      rows.push(...chunk.rows);
      assert.ok(chunk.share >= share && chunk.share <= 1, `${chunk.share} after ${share}`);
      share = chunk.share;
    }
  } finally {
    await reader.close();
  }
  if (rows.length > 0) assert.equal(share, 1);
  return rows;
}

const values = (rows: readonly FileRow[]) => rows.map((row) => row.values);
const refused = (code: string, message: RegExp) => ({ name: 'FunnelError', code, message });

describe('JSONL', () => {
  it('is one object a line; empty lines are no rows, a broken one is named with its line', async () => {
    const path = file('\ufeff{"a":1}\r\n\n{"a":2}\n[3]\n{"a":\n{"a":"ü"}', 'jsonl');
    const rows = await rowsOf(path);
    assert.deepEqual(values(rows), [{ a: 1 }, { a: 2 }, undefined, undefined, { a: 'ü' }]);
    assert.deepEqual(
      rows.map(({ number, at }) => `${number} ${at.split(' of ')[0]}`),
      ['0 line 1', '1 line 3', '2 line 4', '3 line 5', '4 line 6'],
    );
    assert.match(rows[2]!.broken!.message, /Expected an object for line 4 of .* but received an array/);
    assert.match(rows[3]!.broken!.message, /Expected JSON for line 5 of /);
  });

  it('goes on at a row, whatever lies before it', async () => {
    const path = file('{"a":0}\nbroken\n\n{"a":2}\n{"a":3}\n', 'ndjson');
    assert.deepEqual(
      (await rowsOf(path, 2)).map(({ number, values }) => [number, values]),
      [
        [2, { a: 2 }],
        [3, { a: 3 }],
      ],
    );
  });

  it('has characters that a chunk of the file cuts in two', async () => {
    const long = 'ü€𝄞'.repeat(60_000);
    const rows = await rowsOf(file(`{"a":"${long}"}\n{"a":"${long}"}`, 'jsonl'));
    assert.deepEqual(values(rows), [{ a: long }, { a: long }]);
  });
});

describe('CSV', () => {
  it('has quotes, line breaks within them, and values as text', async () => {
    const path = file('\ufeffid,text\r\n1,"a ""b""\nc,d"\r\n\r\n2,\n3,ü\n', 'csv');
    const rows = await rowsOf(path);
    assert.deepEqual(values(rows), [
      { id: '1', text: 'a "b"\nc,d' },
      { id: '2', text: '' },
      { id: '3', text: 'ü' },
    ]);
    assert.deepEqual(
      rows.map(({ at }) => at.split(' of ')[0]),
      ['line 2', 'line 5', 'line 6'],
    );
  });

  it('has tabs in place of commas where the file ends in .tsv', async () => {
    assert.deepEqual(values(await rowsOf(file('a\tb\n1,5\t2\n', 'tsv'))), [{ a: '1,5', b: '2' }]);
  });

  it('has broken rows where the number of values is another', async () => {
    const rows = await rowsOf(file('a,b\n1,2\n3\n4,5,6\n7,8\n', 'csv'));
    assert.deepEqual(values(rows), [{ a: '1', b: '2' }, undefined, undefined, { a: '7', b: '8' }]);
    assert.match(rows[1]!.broken!.message, /Expected 2 columns for line 3 of .* but received 1/);
    assert.match(rows[2]!.broken!.message, /line 4 of .* but received 3/);
  });

  it('ends at a wrong quote, which it names: what follows cannot be told apart', async () => {
    for (const text of ['a,b\n1,2\n3,x"y\n5,6\n', 'a,b\n1,2\n"3"x,4\n5,6\n']) {
      await assert.rejects(rowsOf(file(text, 'csv')), refused('BAD_ARGUMENT', /Expected CSV for line 3 of .*Quote/));
    }
    await assert.rejects(rowsOf(file('a,b\n1,2\n3,"4\n5,6\n', 'csv')), refused('BAD_ARGUMENT', /Quote Not Closed/));
  });

  it('needs a header that names each column once', async () => {
    await assert.rejects(
      rowsOf(file('', 'csv')),
      refused('BAD_ARGUMENT', /first line with the names .* an empty file/),
    );
    await assert.rejects(rowsOf(file('a,a\n', 'csv')), refused('BAD_ARGUMENT', /different names .* "a" twice/));
    assert.deepEqual(await rowsOf(file('a,b\n', 'csv')), []);
  });

  it('goes on at a row, and takes names that objects have already', async () => {
    const rows = await rowsOf(file('__proto__,constructor\n1,2\n3,4\n', 'csv'), 1);
    assert.equal(rows.length, 1);
    assert.deepEqual(Object.entries(rows[0]!.values!), [
      ['__proto__', '3'],
      ['constructor', '4'],
    ]);
  });

  it('of many chunks has every row once', async () => {
    const lines = Array.from({ length: 60_000 }, (_, i) => `${i},text number ${i}`);
    const rows = await rowsOf(file(`id,text\n${lines.join('\n')}\n`, 'csv'));
    assert.equal(rows.length, 60_000);
    assert.ok(rows.every(({ number, values }, i) => number === i && values!['id'] === String(i)));
    assert.match(rows[59_999]!.at, /^line 60001 of /);
  });
});

describe('Parquet', () => {
  const column = (name: string, data: unknown[], type?: string) => ({ name, data, ...(type && { type }) }) as never;

  it('has numbers, text, lists, dates and what is null; a column with large integers as bigints', async () => {
    const buffer = parquetWriteBuffer({
      columnData: [
        column('id', [1n, 2n ** 60n, 3n], 'INT64'),
        column('text', ['a', null, 'ü']),
        column('when', [new Date(0), new Date(1), new Date(2)], 'TIMESTAMP'),
        column(
          'vector',
          [
            [1, 2.5],
            [3, 4],
            [5, 6],
          ],
          'JSON',
        ),
      ],
    });
    assert.deepEqual(values(await rowsOf(file(new Uint8Array(buffer), 'parquet'))), [
      { id: 1n, text: 'a', when: '1970-01-01T00:00:00.000Z', vector: [1, 2.5] },
      { id: 2n ** 60n, text: null, when: '1970-01-01T00:00:00.001Z', vector: [3, 4] },
      { id: 3n, text: 'ü', when: '1970-01-01T00:00:00.002Z', vector: [5, 6] },
    ]);
  });

  it('is read as pyarrow writes it, whatever the compression', async () => {
    const arrow = (name: keyof typeof ARROW) => file(Buffer.from(ARROW[name], 'base64'), 'parquet');
    const when = '2020-01-01T00:00:00.000Z';
    const text = (i: number) => (i === 3 ? null : `text ${i}`);
    const wanted = [0, 1, 2, 3, 4].map((i) => ({ id: 10 + i, text: text(i) }));
    assert.deepEqual(
      values(await rowsOf(arrow('snappy'))),
      wanted.map((row, i) => ({ ...row, vector: [i, i + 0.5], when })),
    );
    for (const name of ['gzip', 'brotli', 'zstd', 'lz4'] as const)
      assert.deepEqual(values(await rowsOf(arrow(name))), wanted);
  });

  it('of many row groups has every row once, from any row on', async () => {
    const count = 5000;
    const buffer = parquetWriteBuffer({
      columnData: [
        column(
          'n',
          Array.from({ length: count }, (_, i) => i),
          'INT32',
        ),
      ],
      rowGroupSize: 1700,
    });
    const path = file(new Uint8Array(buffer), 'parquet');
    for (const from of [0, 1, 1699, 1700, 4000, count]) {
      const rows = await rowsOf(path, from);
      assert.deepEqual(
        rows.map(({ number, values }) => [number, values!['n']]),
        Array.from({ length: count - from }, (_, i) => [from + i, from + i]),
      );
    }
  });

  it('that is cut off, or none at all, is refused by name', async () => {
    const buffer = new Uint8Array(parquetWriteBuffer({ columnData: [column('n', [1, 2, 3], 'INT32')] }));
    await assert.rejects(rowsOf(file(buffer.subarray(0, 40), 'parquet')), refused('CORRUPT', /whole Parquet file for/));
    await assert.rejects(rowsOf(file('PAR1', 'parquet')), refused('CORRUPT', /it has 4 bytes/));
    await assert.rejects(rowsOf(file('', 'parquet')), refused('CORRUPT', /it has 0 bytes/));
  });
});

describe('NumPy files', () => {
  function npy(type: string, bytes: Uint8Array, shape: string): string {
    const header = `{'descr': '${type}', 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117) + '\n';
    const start = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length & 255, header.length >> 8]);
    return file(Buffer.concat([start, Buffer.from(header), bytes]), 'npy');
  }

  it('are rows of one column, vector, of float32 whatever the file has', async () => {
    const wanted = [Float32Array.of(1, 2), Float32Array.of(3, 4), Float32Array.of(5, 6)];
    const single = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
    const half = new Uint8Array(Uint16Array.of(0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600).buffer);
    for (const path of [npy('<f4', single, '(3, 2)'), npy('<f2', half, '(3, 2)')]) {
      assert.deepEqual(
        (await rowsOf(path)).map((row) => row.values!['vector']),
        wanted,
      );
      assert.deepEqual(
        (await rowsOf(path, 2)).map(({ number }) => number),
        [2],
      );
    }
  });
});

it('a file that is not there, or a folder, is refused by name; so is an extension that nobody knows', async () => {
  await assert.rejects(
    rowsOf(join(folder, 'none.jsonl')),
    refused('BAD_ARGUMENT', /none\.jsonl but received no such file/),
  );
  await assert.rejects(openReader(folder, 'csv'), refused('BAD_ARGUMENT', /but received a folder/));
  assert.throws(() => formatOf('films.txt'), refused('BAD_ARGUMENT', /or format, but received films\.txt/));
  assert.throws(() => formatOfFile('films.txt'), {
    name: 'UsageError',
    message: /or --format, but received films\.txt/,
  });
  assert.equal(formatOf('films.txt', 'csv'), 'csv');
});
