/** funnelvec ingest of a file that was corrected, changed or taken away after a broken row had ended it. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { done, fails } from './command.js';
import { contentsOf, jsonl, tempFolder } from './files.js';

const { path, write } = tempFolder();

/** Rows with vectors of four dims, none of zeros. */
const vectors = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => ({ id: from + i, v: [1, from + i, 3, 4] }));
const broken = (id: number) => ({ id, v: [1, 2] });
const line = (to: string, ...more: string[]) => ['ingest', ...more, '--vector', 'v', '--to', to];
const withIds = (to: string, ...more: string[]) => line(to, ...more, '--id', 'id');
const sourcesOf = (to: string) => JSON.parse(readFileSync(`${to}/funnelvec.json`, 'utf8')).sources;
const idsOf = async (to: string) => (await contentsOf(to)).map(({ id }) => id).sort((a, b) => Number(a) - Number(b));
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

describe('a file that a broken row ended before anything of it was written', () => {
  async function filled(name: string) {
    const to = path(name);
    await done(line(to, write(`${name}-rows.jsonl`, jsonl(vectors(300)))));
    const bad = write(`${name}-bad.jsonl`, jsonl([broken(0)]));
    await fails(1, /Expected 4 dims for a vector/, line(to, bad));
    return { to, bad };
  }

  it('is taken when it is corrected, with the places behind the rows that are there', async () => {
    const { to, bad } = await filled('corrected');
    writeFileSync(bad, jsonl(vectors(2)));
    const { stderr, json } = await done(line(to, bad, '--json'));
    assert.equal(stderr, '');
    assert.deepEqual([json.rows, json.written, json.resumedAt], [302, 2, 0]);
    assert.deepEqual(await idsOf(to), upTo(302));
  });

  it('keeps no other file out, whether it is still there or not', async () => {
    const { to, bad } = await filled('other');
    await done(line(to, write('other-1.jsonl', jsonl(vectors(3)))));
    rmSync(bad);
    await done(line(to, write('other-2.jsonl', jsonl(vectors(4)))));
    assert.deepEqual(await idsOf(to), upTo(307));
    assert.equal(sourcesOf(to).length, 3);
  });

  it('may be the second of two', async () => {
    const to = path('second');
    const good = write('second-good.jsonl', jsonl(vectors(5)));
    const bad = write('second-bad.jsonl', jsonl([broken(5), ...vectors(2, 6)]));
    await fails(1, /line 1 of .*second-bad\.jsonl: Expected 4 dims/, line(to, good, bad));
    writeFileSync(bad, jsonl(vectors(3, 5)));
    await done(line(to, good, bad, '--batch', '2'));
    assert.deepEqual(await idsOf(to), upTo(8));
  });

  it('may be a newer version of one whose rows are there: it leaves them, and what is known of them', async () => {
    const to = path('newer');
    const file = write('newer.jsonl', jsonl(vectors(5)));
    await done(withIds(to, file));
    const before = sourcesOf(to);
    writeFileSync(file, jsonl([broken(0), ...vectors(6, 1)]));
    await fails(1, /Expected 4 dims/, withIds(to, file));
    assert.deepEqual(sourcesOf(to), before);
    await done(withIds(to, write('newer-other.jsonl', jsonl(vectors(2, 100)))));
    writeFileSync(file, jsonl(vectors(7)));
    await done(withIds(to, file));
    assert.deepEqual(await idsOf(to), [...upTo(7), 100, 101]);
  });

  it('may be .npy', async () => {
    const to = path('npy');
    await done(line(to, write('npy-rows.jsonl', jsonl(vectors(3)))));
    const npy = (dims: number) => {
      const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (1, ${dims}), }`.padEnd(117).concat('\n');
      const length = Buffer.alloc(2);
      length.writeUInt16LE(header.length);
      const data = Buffer.from(new Float32Array(dims).fill(1).buffer);
      return Buffer.concat([Buffer.from('\x93NUMPY\x01\0', 'latin1'), length, Buffer.from(header), data]);
    };
    const file = write('rows.npy', npy(2));
    await fails(1, /Expected 4 dims/, ['ingest', file, '--to', to]);
    writeFileSync(file, npy(4));
    await done(['ingest', file, '--to', to]);
    assert.deepEqual(await idsOf(to), upTo(4));
  });
});

describe('a file that a broken row ended after rows of it were written', () => {
  const texts = {
    jsonl: (rows: readonly { id: number; v: number[] }[]) => jsonl(rows),
    json: (rows: readonly { id: number; v: number[] }[]) => JSON.stringify(rows),
    csv: (rows: readonly { id: number; v: number[] }[]) =>
      `id,v\n${rows.map(({ id, v }) => `${id},"${JSON.stringify(v)}"\n`).join('')}`,
  };

  for (const [kind, text] of Object.entries(texts)) {
    it(`is gone on with when the row is corrected: ${kind}`, async () => {
      const to = path(`late-${kind}`);
      const rows = vectors(300);
      const file = write(`late.${kind}`, text(rows.map((row) => (row.id === 290 ? broken(290) : row))));
      await fails(1, /Expected 4 dims/, line(to, file, '--batch', '50'));
      assert.equal((await contentsOf(to)).length, 250);
      // Its length, its time and its end differ.
      writeFileSync(file, text([...rows, ...vectors(2, 300)]));
      const { json } = await done(line(to, file, '--batch', '50', '--json'));
      assert.deepEqual([json.rows, json.written, json.resumedAt], [302, 52, 250]);
      assert.deepEqual(await idsOf(to), upTo(302));
    });

    it(`is refused when a row that was written changed, or is gone, with words that help: ${kind}`, async () => {
      const to = path(`early-${kind}`);
      const rows = vectors(100).map((row) => (row.id === 70 ? broken(70) : row));
      const file = write(`early.${kind}`, text(rows));
      await fails(1, /Expected 4 dims/, line(to, file, '--batch', '20'));
      const words = new RegExp(
        `the same first 60 rows of .*early\\.${kind} as were ingested before .*--skip-broken with the unchanged file` +
          '.*--restart removes the store and its 60 rows',
      );
      for (const other of [[{ id: 0, v: [9, 9, 9, 9] }, ...vectors(99, 1)], vectors(100).slice(1), vectors(59)]) {
        writeFileSync(file, text(other));
        await fails(1, words, line(to, file));
      }
      writeFileSync(file, text(rows));
      await done(line(to, file, '--skip-broken'));
      assert.equal((await contentsOf(to)).length, 99);
    });
  }

  it('is gone on with more than once', async () => {
    const to = path('again');
    const file = write('again.jsonl', '');
    for (const [wrong, written] of [
      [70, 60],
      [150, 140],
    ] as const) {
      writeFileSync(file, jsonl(vectors(200).map((row) => (row.id === wrong ? broken(wrong) : row))));
      await fails(1, /Expected 4 dims/, line(to, file, '--batch', '20'));
      assert.equal((await contentsOf(to)).length, written);
    }
    writeFileSync(file, jsonl(vectors(200)));
    await done(line(to, file));
    assert.deepEqual(await idsOf(to), upTo(200));
  });

  it('keeps other files out until then, and says what helps', async () => {
    const to = path('first');
    const file = write('first.jsonl', jsonl(vectors(100).map((row) => (row.id === 70 ? broken(70) : row))));
    await fails(1, /Expected 4 dims/, line(to, file, '--batch', '20'));
    const more = write('first-more.jsonl', jsonl(vectors(2)));
    const words =
      /first\.jsonl to be finished first .* at row 60: .*with rows corrected .*--restart removes .* its 60 rows/;
    await fails(1, words, line(to, more));
  });
});

it('rows of other files are not called rows of the input', async () => {
  const to = path('words');
  const [one, two] = [write('one.jsonl', jsonl(vectors(30))), write('two.jsonl', jsonl(vectors(20)))];
  await done(line(to, one));
  const { stderr } = await done(line(to, two));
  assert.match(stderr, /Adding to the index .*words, which has 30 rows ingested before\./);
  assert.doesNotMatch(stderr, /Going on|of the input/);
  const again = await done(line(to, two));
  assert.match(again.stderr, /All 20 rows are in the index .* already/);
});
