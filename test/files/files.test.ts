/** funnelvec/files: rows of every format that the command reads, as a program takes them. */
import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, it } from 'node:test';
import type { FunnelErrorCode } from 'funnelvec';
import { describeFile, type FilePosition, importFile, readGroundTruth, readRows } from 'funnelvec/files';
import { FunnelIndex } from 'funnelvec/store';
import { done } from '../cli/command.js';
import { contentsOf, jsonl } from '../cli/files.js';
import { refused } from '../refused.js';
import { DIM, FILES, ids, path, payloads, ROWS, vectors, write } from './made.js';

type Rows = { id: unknown; vector: number[]; payload: unknown }[];

async function read(file: string, options: object = {}): Promise<Rows> {
  const all: Rows = [];
  for await (const { rows } of readRows(file, { batch: 100, ...options })) {
    for (let i = 0; i < rows.ids.length; i++) {
      const vector = Array.from((rows.vectors as Float32Array).subarray(i * DIM, (i + 1) * DIM));
      all.push({ id: rows.ids[i], vector, payload: rows.payloads![i] });
    }
  }
  return all;
}

const wanted = (bare = false): Rows =>
  vectors.map((vector, i) => ({
    id: bare ? i : ids[i],
    vector: Array.from(vector),
    payload: bare ? {} : payloads[i],
  }));

describe('readRows', () => {
  it('gives the same bits, ids and payloads out of every format', async () => {
    for (const { file, options, bare } of FILES) assert.deepEqual(await read(file, options), wanted(bare), file);
  });

  it('goes on from the position of any batch, kept as JSON, without a row lost or read twice', async () => {
    for (const { file, options, bare } of FILES) {
      const positions: string[] = [];
      for await (const { position } of readRows(file, { ...options, batch: 128 })) {
        positions.push(JSON.stringify(position));
      }
      assert.ok(positions.length >= 6, file);
      for (const text of [positions[0]!, positions[2]!, positions.at(-1)!]) {
        const from = JSON.parse(text) as FilePosition;
        assert.deepEqual(await read(file, { ...options, from }), wanted(bare).slice(from.first + from.rows), file);
      }
      if (basename(file) === 'saved') continue;
      assert.deepEqual(await read(file, { ...options, from: 650 }), wanted(bare).slice(650), file);
    }
  });

  it('refuses to go on among files in another order, which would read rows twice', async () => {
    const [a, b] = [write('a.jsonl', jsonl([{ v: [1] }])), write('b.jsonl', jsonl([{ v: [2] }, { v: [3] }]))];
    const positions: FilePosition[] = [];
    for await (const { position } of readRows([a, b], { vector: 'v', batch: 1 })) positions.push(position);
    const from = positions[1]!;
    await assert.rejects(
      async () => readRows([b, a], { vector: 'v', from }).next(),
      refused('BAD_ARGUMENT', /in the order in which they were read, 1 rows of others before .*b\.jsonl/),
    );
    const left: unknown[] = [];
    for await (const { rows } of readRows([a, b], { vector: 'v', from })) left.push(...Array.from(rows.ids));
    assert.deepEqual(left, [2]);
  });

  it('hands out batches that upsert() takes: the index is the one that the command makes', async () => {
    const index = await FunnelIndex.create(path('own'), { dim: DIM, metric: 'euclid' });
    for await (const { rows } of readRows(FILES[6]!.file, FILES[6]!.options)) await index.upsert(rows);
    await index.close();
    const line = ['ingest', FILES[6]!.file, '--to', path('command'), '--id', 'id', '--metric', 'euclid'];
    await done([...line, '--vector', 'v', '--vector-type', 'float32']);
    assert.deepEqual(await contentsOf(path('own')), await contentsOf(path('command')));
  });

  it('hands out texts in place of vectors, of several files as one input', async () => {
    const more = write('more.jsonl', jsonl([{ title: 'a', year: 1 }, { title: '' }, { title: ' b ', year: 'two' }]));
    const texts: string[] = [];
    const skipped: string[] = [];
    const options = { text: ['title', 'none'], payload: ['year'], skipBroken: true };
    let last: FilePosition | undefined;
    for await (const batch of readRows([FILES[0]!.file, more], options)) {
      texts.push(...batch.rows.texts);
      skipped.push(...batch.skipped.map(({ at, why }) => `${basename(at)}: ${why}`));
      last = batch.position;
      assert.equal(batch.rows.ids.at(-1), last.first + last.rows - 1);
    }
    assert.deepEqual(texts, [...payloads.map(({ title }) => title), 'a', 'b']);
    assert.match(skipped.join(), /^more\.jsonl: Expected text for "title" or "none" in line 2 of/);
    assert.deepEqual([last?.first, last?.rows, last?.idKind], [ROWS, 3, 'number']);
  });

  it('goes on with a text file that grew or was corrected behind the rows that were read, and with no other', async () => {
    const file = write('grows.jsonl', readFileSync(FILES[0]!.file));
    let from: FilePosition | undefined;
    for await (const { position } of readRows(file, { id: 'id', vector: 'v', batch: 300 })) from ??= position;
    appendFileSync(file, jsonl([{ id: 9, v: [1, 2, 3, 4, 5, 6] }]));
    const all = await read(file, { id: 'id', vector: 'v', from });
    assert.deepEqual(all.length, ROWS - 300 + 1);
    const other = readFileSync(file, 'utf8').replace('film 7', 'Film 7');
    writeFileSync(file, other);
    await assert.rejects(
      read(file, { id: 'id', vector: 'v', from }),
      refused('BAD_ARGUMENT', /same first 300 rows of .*grows\.jsonl as were read before but it had .* bytes then/),
    );
    const parquet = path('other.parquet');
    copyFileSync(FILES[6]!.file, parquet);
    const options = FILES[6]!.options;
    for await (const { position } of readRows(parquet, { ...options, batch: 300 })) from = position;
    utimesSync(parquet, new Date(1), new Date(1));
    await assert.rejects(read(parquet, { ...options, from }), refused('BAD_ARGUMENT', /was written to since/));
    await assert.rejects(read(file, { from, vector: 'v' }), refused('BAD_ARGUMENT', /a position in .*other\.parquet/));
  });

  it('keeps the kind of ids and the dims over a resumption', async () => {
    const file = write('kinds.csv', 'id,v\n7,"[1,2]"\nseven,"[1,2]"\n8,"[1]"\n');
    const options = { id: 'id', vector: 'v', batch: 1 };
    const first = await readRows(file, options).next();
    const from = first.value!.position;
    assert.deepEqual([from.idKind, from.dim], ['number', 2]);
    await assert.rejects(
      readRows(file, { ...options, from }).next(),
      refused(
        'BAD_ID',
        /a number, as other ids are \(a new store takes both as text, with idType: 'string'\), for "id" in line 3/,
      ),
    );
    const ended = readRows(file, { ...options, from: { ...from, rows: 2, rowsHash: 'x' } });
    await assert.rejects(ended.next(), refused('BAD_DIMS', /line 4 of .*2 dims/));
  });

  it('ends when its signal does, and closes what it opened', async () => {
    const control = new AbortController();
    const seen: number[] = [];
    await assert.rejects(
      async () => {
        for await (const { position } of readRows(FILES[0]!.file, {
          ...FILES[0]!.options,
          batch: 50,
          signal: control.signal,
        })) {
          seen.push(position.rows);
          control.abort();
        }
      },
      refused('ABORTED', /films\.jsonl was aborted/),
    );
    assert.deepEqual(seen, [50]);
  });
});

describe('what makes no sense is refused by the names of options', () => {
  const { file } = FILES[0]!;
  const REFUSED: [object, FunnelErrorCode, RegExp][] = [
    [{ vectors: 'v' }, 'BAD_ARGUMENT', /one of format, .* in the options of readRows\(\) but received vectors/],
    [{ text: 'title', vector: 'v' }, 'BAD_ARGUMENT', /Expected text or vector but received both/],
    [{ vectorType: 'int8' }, 'BAD_ARGUMENT', /Expected vector beside vectorType/],
    [{ vector: 'v', idType: 'string' }, 'BAD_ARGUMENT', /Expected id beside idType/],
    [{ vector: 'v', idType: 'text', id: 'id' }, 'BAD_ARGUMENT', /one of number, string for idType/],
    [{ vector: 'v', numbers: ['year'], strings: ['year'] }, 'BAD_ARGUMENT', /year in numbers or strings/],
    [
      { vector: 'v', numbers: ['year'], payload: [] },
      'BAD_ARGUMENT',
      /year of numbers or strings among what payload keeps/,
    ],
    [{ vector: 'v', vectorType: 'float31' }, 'BAD_ARGUMENT', /one of numbers, .* for vectorType/],
    [{ vector: 'v', format: 'xml' as 'csv' }, 'BAD_ARGUMENT', /one of jsonl, .* for format/],
    [{ vector: 'v', batch: 0 }, 'BAD_ARGUMENT', /batch/],
    [{ vector: 'v', from: {} }, 'BAD_ARGUMENT', /the position of a batch/],
    [{ vector: 'v', from: -1 }, 'BAD_ARGUMENT', /from/],
    [{ vector: 'v', from: { path: file, first: 0, rows: 20 } }, 'BAD_ARGUMENT', /the position of a batch/],
    [
      { vector: 'v', from: { path: file, first: 0, rows: -5, bytes: 1, modified: 1, beginning: '' } },
      'BAD_ARGUMENT',
      /the position of a batch/,
    ],
    [{ text: 'title', dim: 3 }, 'BAD_ARGUMENT', /vector beside it for dim/],
    [{ vector: 'v', payload: 'title' }, 'BAD_ARGUMENT', /an array of names of columns for payload/],
    [{ vector: 'v', signal: true }, 'BAD_ARGUMENT', /AbortSignal/],
    [{ vector: 'v', skipBroken: 1 }, 'BAD_ARGUMENT', /skipBroken/],
    [{ vector: 'v', dim: 1.5 }, 'BAD_ARGUMENT', /dim/],
    [{ text: [] }, 'BAD_ARGUMENT', /at least one column for text/],
    [{ vector: 'v', encoding: 'klingon' }, 'BAD_ARGUMENT', /an encoding such as utf-8, .* for encoding/],
    [{ vector: 'v', delimiter: ';;' }, 'BAD_ARGUMENT', /one character, .* for delimiter/],
    [{ vector: 'v', delimiter: ';' }, 'BAD_ARGUMENT', /CSV or TSV files beside delimiter but received jsonl/],
    [{ vector: 'v', table: 'films' }, 'BAD_ARGUMENT', /SQLite databases beside table but received jsonl/],
  ];
  it('before a file is opened', async () => {
    for (const [options, code, message] of REFUSED) {
      await assert.rejects(async () => readRows(file, options as { vector: string }).next(), refused(code, message));
    }
    for (const wrong of ['', [], [''], 7, null]) {
      assert.throws(() => readRows(wrong as string), refused('BAD_ARGUMENT', /the path of a file/));
    }
    assert.throws(() => readRows([file, file], { vector: 'v' }), refused('BAD_ARGUMENT', /each file once/));
    const several = { vector: 'v', from: 7 };
    assert.throws(
      () => readRows([file, FILES[1]!.file], several),
      refused('BAD_ARGUMENT', /position of a batch, of 2 files/),
    );
  });

  it('and a file that has no such thing, before its first row', async () => {
    const [csv, parquet, hdf5, db] = [FILES[3]!, FILES[6]!, FILES[8]!, FILES[9]!].map((one) => one.file);
    const cases: [string, object, FunnelErrorCode, RegExp][] = [
      [file, {}, 'BAD_ARGUMENT', /vector or text, a column of .*films\.jsonl/],
      [csv!, { vector: 'w' }, 'BAD_ARGUMENT', /a column "w" in .* but it has "id", "title", "year", "v"/],
      [csv!, { vector: 'v', delimiter: '\t' }, 'BAD_ARGUMENT', /column "v"/],
      [parquet!, { vector: 'v' }, 'BAD_ARGUMENT', /Expected vectorType \(what its values are: numbers, .*\) for "v"/],
      [hdf5!, { vector: 'title' }, 'BAD_ARGUMENT', /an array of numbers for "title" in row 0/],
      [
        FILES[11]!.file,
        { vector: 'vector', vectorType: 'int8' },
        'BAD_ARGUMENT',
        /no vectorType for .*whose name says/,
      ],
      [path('none.jsonl'), { vector: 'v' }, 'BAD_ARGUMENT', /no such file/],
      [path('films.xml'), { vector: 'v' }, 'BAD_ARGUMENT', /or format, but received .*films\.xml/],
      [db!, { vector: 'v', format: 'parquet' }, 'BAD_ARGUMENT', /a file of another format: format: 'sqlite'/],
      [db!, { vector: 'v', vectorType: 'float32', table: 'books' }, 'BAD_ARGUMENT', /a table "books"/],
    ];
    for (const [from, options, code, message] of cases) {
      await assert.rejects(async () => readRows(from, options as object).next(), refused(code, message), from);
    }
  });
});

describe('importFile', () => {
  it('makes the index that the command makes, out of every format', async () => {
    for (const { file, options, bare } of FILES) {
      const index = await FunnelIndex.create(':memory:', { dim: DIM, metric: 'euclid' });
      const shares: number[] = [];
      const result = await importFile(index, file, { ...options, onProgress: ({ count }) => void shares.push(count) });
      assert.deepEqual([result.count, result.replaced, index.count], [ROWS, 0, ROWS], file);
      assert.equal(shares.at(-1), ROWS);
      const { points } = await index.scroll({ limit: ROWS, withVector: true });
      const found = points.map(({ id, vector, payload }) => ({ id, vector: Array.from(vector!), payload }));
      assert.deepEqual(found, wanted(bare), file);
      await index.close();
    }
  });

  it('embeds texts; a model that fails loses nothing, and the next call goes on from what was written', async () => {
    let calls = 0;
    let failing = true;
    const embed = (texts: readonly string[]) => {
      if (failing && ++calls > 4) throw new Error('overloaded');
      return Promise.resolve(texts.map((text) => [text.length, Number(/\d+/.exec(text)![0]), 1]));
    };
    const { embedderOf } = await import('funnelvec/embed');
    const embedder = await embedderOf(embed, { name: 'test', dim: 3, retries: 0 });
    const index = await FunnelIndex.create(path('texts'), { dim: 3 });
    let from: FilePosition | undefined;
    const options = {
      ...{ text: 'title', id: 'id', payload: ['year'], batch: 64, embedder },
      onProgress: ({ position }: { position: FilePosition }) => void (from = position),
    };
    await assert.rejects(importFile(index, FILES[6]!.file, options), /overloaded/);
    assert.ok(from !== undefined && from.rows === index.count && from.rows >= 128, `${from?.rows} ${index.count}`);
    failing = false;
    const before = index.count;
    const { count, replaced } = await importFile(index, FILES[6]!.file, { ...options, from });
    assert.deepEqual([count, replaced, index.count], [ROWS - before, 0, ROWS]);
    await index.close();
  });

  it('passes over broken rows where it is asked to, else names the first, and keeps what was written', async () => {
    const lines = Array.from({ length: 30 }, (_, i) => ({ id: i, v: i === 21 ? [1] : [i, 1] }));
    const file = write('broken.jsonl', `${jsonl(lines)}{ no JSON\n`);
    const index = await FunnelIndex.create(':memory:', { dim: 2 });
    const options = { id: 'id', vector: 'v', batch: 10 };
    await assert.rejects(importFile(index, file, options), refused('BAD_DIMS', /line 22 of .*broken\.jsonl/));
    assert.equal(index.count, 20);
    const { count, replaced, skipped } = await importFile(index, file, { ...options, skipBroken: true });
    assert.deepEqual([count, replaced, skipped.count], [29, 20, 2]);
    assert.match(skipped.first.map(({ at }) => at).join(), /^line 22 of .*,line 31 of /);
    await index.close();
  });

  it('passes over rows whose dims are not those of the index, though the first is one of them', async () => {
    const file = write('first.jsonl', jsonl([{ v: [1] }, { v: [1, 2] }, { v: [3, 4] }]));
    const index = await FunnelIndex.create(':memory:', { dim: 2 });
    const { count, skipped } = await importFile(index, file, { vector: 'v', skipBroken: true });
    assert.deepEqual([count, skipped.count], [2, 1]);
    assert.match(skipped.first[0]!.at, /^line 1 of /);
    await index.close();
  });

  it('refuses what is no index, is read only, or lacks a model', async () => {
    const { file, options } = FILES[0]!;
    await assert.rejects(importFile({} as FunnelIndex, file, options), refused('BAD_ARGUMENT', /a FunnelIndex/));
    const reader = await FunnelIndex.open(path('texts'), { readOnly: true });
    await assert.rejects(importFile(reader, file, options), refused('NOT_WRITABLE', /not readOnly/));
    await reader.close();
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    const wrong = (more: object) => importFile(index, file, { id: 'id', ...more } as object);
    await assert.rejects(
      wrong({ text: 'title' }),
      refused('BAD_ARGUMENT', /an Embedder, an EmbeddingModel .* or a function of texts for embedder/),
    );
    await assert.rejects(wrong({ vector: 'v', embedder: () => [] }), refused('BAD_ARGUMENT', /text beside it/));
    await assert.rejects(wrong({ vector: 'v', onProgress: 7 }), refused('BAD_ARGUMENT', /a function for onProgress/));
    await assert.rejects(wrong({ vector: 'v', wal: true }), refused('BAD_ARGUMENT', /importFile\(\) but received wal/));
    const narrow = await FunnelIndex.create(':memory:', { dim: 3 });
    await assert.rejects(
      importFile(narrow, file, options),
      refused('BAD_DIMS', /line 1 of .*3 dims, as the index has, for a vector but received 6/),
    );
    await assert.rejects(wrong({ vector: 'v', dim: 3 }), refused('BAD_DIMS', /6, the dims of the index, for dim/));
    await assert.rejects(importFile(index, file, null as never), refused('BAD_ARGUMENT', /options of importFile/));
    const four = async (texts: string[]) => texts.map(() => [1, 2, 3, 4]);
    await assert.rejects(
      wrong({ text: 'title', embedder: four }),
      refused('BAD_DIMS', /6 dims, as the index has, for embedder but received 4, those of four/),
    );
    assert.equal(narrow.count + index.count, 0);
    await narrow.close();
    await index.close();
  });
});

describe('importFile, of ids of another kind than the index has', () => {
  it('names file and line, or the option', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: 2 });
    await index.upsert([{ id: 1, vector: [1, 2] }]);
    const file = write('text-ids.jsonl', jsonl([{ id: 'a', v: [1, 2] }]));
    const options = { id: 'id', vector: 'v' };
    await assert.rejects(
      importFile(index, file, options),
      refused('BAD_ID', /a number.* for "id" in line 1 of .*text-ids/),
    );
    await assert.rejects(
      importFile(index, file, { ...options, idType: 'string' }),
      refused('BAD_ID', /'number', the kind of ids of the index, for idType/),
    );
    const texts = await FunnelIndex.create(':memory:', { dim: 2 });
    await texts.upsert([{ id: 'b', vector: [1, 2] }]);
    await assert.rejects(
      importFile(texts, file, { vector: 'v' }),
      refused('BAD_ID', /Expected id, a column of text ids/),
    );
    const { count } = await importFile(texts, file, options);
    assert.equal(count, 1);
    assert.deepEqual([index.count, texts.count], [1, 2]);
    await index.close();
    await texts.close();
  });
});

describe('describeFile', () => {
  it('tells formats, rows, columns, types and dims', async () => {
    const described = await Promise.all(
      FILES.map(({ file, options }) =>
        describeFile(file, 'delimiter' in options ? { delimiter: options.delimiter } : {}),
      ),
    );
    const formats = 'jsonl jsonl json csv csv tsv parquet arrow hdf5 sqlite arrow fvecs fbin'.split(' ');
    assert.deepEqual(
      described.map(({ format }) => format),
      formats,
    );
    const counts = described.map(({ rows }) => rows);
    assert.deepEqual(counts, [...Array(6).fill(undefined), ...Array(7).fill(ROWS)]);
    const [lines, , , csv, , , parquet, arrow, hdf5, sqlite, saved, fvecs] = described.map(({ columns }) => columns);
    assert.deepEqual(
      lines!.map(({ name, type }) => `${name} ${type}`),
      ['id number', 'title string', 'year number', 'v list of numbers'],
    );
    assert.deepEqual(
      csv!.map(({ name, type }) => `${name} ${type}`),
      ['id string', 'title string', 'year string', 'v string'],
    );
    assert.deepEqual(parquet!.at(-1), { name: 'v', type: 'binary', vectors: 'bytes' });
    assert.deepEqual(arrow!.at(-1), { name: 'v', type: 'list of float', vectors: 'numbers', dim: DIM });
    assert.deepEqual(saved, arrow);
    assert.deepEqual(
      described[10]!.files.map((file) => basename(file)),
      ['b.arrow', 'a.arrow'],
    );
    assert.deepEqual(
      hdf5!.find(({ name }) => name === 'train'),
      { name: 'train', type: 'list of float', vectors: 'numbers', dim: DIM },
    );
    assert.equal(described[8]!.vector, 'train');
    assert.deepEqual(sqlite!.at(-1), { name: 'v', type: 'blobs', vectors: 'bytes' });
    assert.deepEqual(fvecs, [{ name: 'vector', type: 'list of float', vectors: 'numbers', dim: DIM }]);
    await assert.rejects(describeFile(path('no.parquet')), refused('BAD_ARGUMENT', /no such file/));
    await assert.rejects(
      describeFile(FILES[0]!.file, { id: 'id' } as object),
      refused('BAD_ARGUMENT', /describeFile\(\)/),
    );
  });
});

describe('readGroundTruth', () => {
  it('gives a list of row numbers for each query, as tune() takes them', async () => {
    const lists = [
      [3, 1, 2],
      [0, 4, 5],
    ];
    const ivecs = write('truth.ivecs', Buffer.from(Int32Array.from(lists.flatMap((list) => [3, ...list])).buffer));
    const ibin = write('truth.ibin', Buffer.from(Int32Array.from([2, 3, ...lists.flat(), 0, 0, 0, 0, 0, 0]).buffer));
    for (const file of [ivecs, ibin]) {
      assert.deepEqual(
        await readGroundTruth(file),
        lists.map((list) => Int32Array.from(list)),
      );
      assert.deepEqual(await readGroundTruth(file, { k: 1 }), [Int32Array.of(3), Int32Array.of(0)]);
      await assert.rejects(readGroundTruth(file, { k: 4 }), refused('BAD_ARGUMENT', /at least 4 neighbours a query/));
    }
    await assert.rejects(readGroundTruth(FILES[8]!.file), refused('BAD_ARGUMENT', /a data set "neighbors"/));
    await assert.rejects(readGroundTruth(null as never), refused('BAD_ARGUMENT', /the path of a file for path/));
    await assert.rejects(readGroundTruth(path('truth.txt')), refused('BAD_ARGUMENT', /ends in \.ivecs/));
    await assert.rejects(readGroundTruth(ivecs, { k: 0 }), refused('BAD_ARGUMENT', /for k/));
    const cut = write('cut.ibin', readFileSync(ibin).subarray(0, 20));
    await assert.rejects(readGroundTruth(cut), refused('CORRUPT', /cut\.ibin/));
  });
});
