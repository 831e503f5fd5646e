/** Rows from matrices, .npy files and JSONL: what arrives, in which order, how far, and what is refused where. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FunnelIndex, type ImportProgress, importJsonl, importMatrix, importNpy } from 'funnelvec/store';
import { halfToFloat } from '#dist/core/half.js';
import { Random } from '../random.js';

const DIM = 5;
const COUNT = 40;
const folder = mkdtempSync(join(tmpdir(), 'funnelvec-import-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

const random = new Random(12);
const floats = random.vector(COUNT * DIM);
const halves = Uint16Array.from({ length: COUNT * DIM }, (_, i) => 0x3000 + i * 7);
const make = (options = {}) => FunnelIndex.create(':memory:', { dim: DIM, autoOptimize: false, ...options });
const refused = (code: string, message: RegExp) => ({ name: 'FunnelError', code, message });

async function holds(
  index: FunnelIndex,
  want: ArrayLike<number>,
  idOf: (row: number) => string | number | bigint = (n) => n,
) {
  const ids = Array.from({ length: want.length / DIM }, (_, n) => idOf(n));
  assert.equal(index.count, ids.length);
  const points = await index.get(ids);
  points.forEach((point, n) => {
    assert.deepEqual(Array.from(point!.vector), Array.from(want).slice(n * DIM, (n + 1) * DIM), `row ${n}`);
  });
  return points.map((point) => point!.payload);
}

describe('importMatrix()', () => {
  it('writes every row in batches, under its number or an id of the caller’s', async () => {
    const index = await make();
    const told: ImportProgress[] = [];
    const result = await importMatrix(index, floats, { batch: 15, onProgress: (progress) => told.push(progress) });
    assert.deepEqual(result, { count: COUNT, replaced: 0 });
    assert.deepEqual(
      told,
      [15, 30, 40].map((done) => ({ done, total: COUNT })),
    );
    await holds(index, floats);
    assert.deepEqual(await importMatrix(index, floats, { from: 35 }), { count: 5, replaced: 5 });
    await index.close();

    const named = await make();
    const payloads = Array.from({ length: COUNT }, (_, row) => ({ row }));
    await importMatrix(named, halves, { ids: (row) => `film ${row}`, payloads, batch: 7 });
    assert.deepEqual(await holds(named, Array.from(halves, halfToFloat), (n) => `film ${n}`), payloads);
    await named.close();

    const big = await make();
    await importMatrix(big, floats, { ids: BigInt64Array.from({ length: COUNT }, (_, i) => 2n ** 60n + BigInt(i)) });
    await holds(big, floats, (n) => 2n ** 60n + BigInt(n));
    await big.close();
  });

  it('stops when it is told to, keeps what was written, and goes on from there', async () => {
    const index = await make();
    const controller = new AbortController();
    let done = 0;
    const onProgress = (progress: ImportProgress) => {
      done = progress.done;
      if (done === 20) controller.abort(new Error('enough'));
    };
    await assert.rejects(
      importMatrix(index, floats, { batch: 10, onProgress, signal: controller.signal }),
      refused('ABORTED', /aborted/),
    );
    assert.equal(index.count, 20);
    assert.deepEqual(await importMatrix(index, floats, { batch: 10, from: done }), { count: 20, replaced: 0 });
    await holds(index, floats);
    await index.close();
  });

  it('refuses what is no matrix of the index before the first row', async () => {
    const index = await make();
    const nan = floats.slice();
    nan[7 * DIM + 3] = Number.NaN;
    const detached = floats.slice();
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const infinite = halves.slice();
    infinite[11] = 0x7c00;
    const cases: [Promise<unknown>, string, RegExp][] = [
      [importMatrix(index, nan, { batch: 2 }), 'NOT_FINITE', /dim 3 of row 7 of vectors but received NaN/],
      [importMatrix(index, infinite), 'NOT_FINITE', /dim 1 of row 2 of vectors but received Infinity/],
      [importMatrix(index, detached), 'DETACHED_BUFFER', /vectors/],
      [importMatrix(index, floats.subarray(1)), 'BAD_DIMS', /multiple of 5/],
      [importMatrix(index, [1, 2, 3, 4, 5] as never), 'BAD_ARGUMENT', /Float32Array/],
      [importMatrix(index, floats, { ids: [1, 2] }), 'BAD_ARGUMENT', /one for each of 40 rows/],
      [importMatrix(index, floats, { payloads: [] }), 'BAD_ARGUMENT', /payloads/],
      [importMatrix(index, floats, { payloads: null as never }), 'BAD_ARGUMENT', /payloads/],
      [importMatrix(index, floats, { batch: 0 }), 'BAD_ARGUMENT', /batch/],
      [importMatrix(index, floats, { from: -1 }), 'BAD_ARGUMENT', /from/],
      [importMatrix(index, floats, { form: 1 } as never), 'BAD_ARGUMENT', /form/],
      [importMatrix({} as never, floats), 'BAD_ARGUMENT', /FunnelIndex/],
    ];
    for (const [promise, code, message] of cases) await assert.rejects(promise, refused(code, message));
    assert.equal(index.count, 0);
    assert.deepEqual(await importMatrix(index, new Float32Array(0)), { count: 0, replaced: 0 });
    const twice = (row: number) => (row < 12 ? row : (`x${row}` as never));
    await assert.rejects(importMatrix(index, floats, { batch: 10, ids: twice }), refused('BAD_ID', /rows 10 to 19/));
    assert.equal(index.count, 10);
    await index.close();
    await assert.rejects(importMatrix(index, floats), refused('CLOSED', /closed/));
  });
});

function npy(
  name: string,
  descr: string,
  bytes: Uint8Array,
  { version = 1, fortran = 'False', shape = `(${COUNT}, ${DIM})` } = {},
) {
  const dictionary = `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`;
  const lead = version === 1 ? 10 : 12;
  const padded = dictionary.padEnd(Math.ceil((lead + dictionary.length + 1) / 64) * 64 - lead - 1) + '\n';
  const head = Buffer.alloc(lead);
  head.write('\x93NUMPY', 'latin1');
  head[6] = version;
  if (version === 1) head.writeUInt16LE(padded.length, 8);
  else head.writeUInt32LE(padded.length, 8);
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([head, Buffer.from(padded, 'latin1'), bytes]));
  return path;
}

const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

describe('importNpy()', () => {
  it('reads float32, float16 and float64 of every format version', async () => {
    const doubles = Float64Array.from(floats, (value, i) => value + i * 1e-12);
    for (const [descr, values, want] of [
      ['<f4', floats, floats],
      ['<f2', halves, Array.from(halves, halfToFloat)],
      ['<f8', doubles, Float32Array.from(doubles)],
    ] as const) {
      for (const version of [1, 2, 3]) {
        const path = npy('good.npy', descr, bytesOf(values), { version });
        const index = await make();
        const told: ImportProgress[] = [];
        const result = await importNpy(index, path, { batch: 17, onProgress: (progress) => told.push(progress) });
        assert.deepEqual(result, { count: COUNT, replaced: 0 });
        assert.deepEqual(
          told,
          [17, 34, 40].map((done) => ({ done, total: COUNT })),
        );
        await holds(index, want);
        await index.close();
      }
    }
    const index = await make({ precision: 'float16' });
    await importNpy(index, npy('half.npy', '<f2', bytesOf(halves)), { ids: String, from: 38 });
    assert.deepEqual(
      Array.from((await index.get(['39']))[0]!.vector),
      Array.from(halves.subarray(39 * DIM), halfToFloat),
    );
    assert.equal(index.count, 2);
    await index.close();
  });

  it('stops when it is told to, and goes on from there', async () => {
    const path = npy('long.npy', '<f4', bytesOf(floats));
    const index = await make();
    const controller = new AbortController();
    const onProgress = () => controller.abort();
    const { signal } = controller;
    await assert.rejects(importNpy(index, path, { batch: 8, onProgress, signal }), refused('ABORTED', /long\.npy/));
    assert.equal(index.count, 8);
    await importNpy(index, path, { batch: 8, from: 8 });
    await holds(index, floats);
    await index.close();
  });

  it('reads counts that NumPy wrote as objects of its own, which it cannot read back', async () => {
    for (const shape of [
      `(np.int64(${COUNT}), ${DIM})`,
      `(np.uint32(${COUNT}), np.int64(${DIM}),)`,
      `(${COUNT}L, ${DIM}L)`,
    ]) {
      const index = await make();
      await importNpy(index, npy('counts.npy', '<f4', bytesOf(floats), { shape }));
      await holds(index, floats);
      await index.close();
    }
  });

  it('refuses every other file, naming what is wrong with it', async () => {
    const index = await make();
    const whole = bytesOf(floats);
    const cases: [string, string, RegExp][] = [
      [join(folder, 'nowhere.npy'), 'BAD_ARGUMENT', /no such file/],
      [folder, 'BAD_ARGUMENT', /folder/],
      ['', 'BAD_ARGUMENT', /path/],
      [npy('bytes.npy', '|u1', whole), 'BAD_ARGUMENT', /'\|u1'/],
      [npy('halves.npy', '<u2', whole), 'BAD_ARGUMENT', /'<u2'/],
      [npy('odd.npy', '<f4', whole, { shape: '(np.float64(1.5), 5)' }), 'BAD_DIMS', /two axes/],
      [npy('less.npy', '<f4', whole, { shape: '(-1, 5)' }), 'BAD_DIMS', /two axes/],
      [npy('int.npy', '|i1', whole), 'BAD_ARGUMENT', /'\|i1'/],
      [npy('big.npy', '>f4', whole), 'BAD_ARGUMENT', /'>f4'/],
      [npy('object.npy', '|O', whole), 'BAD_ARGUMENT', /'\|O'/],
      [npy('fortran.npy', '<f4', whole, { fortran: 'True' }), 'BAD_ARGUMENT', /Fortran order/],
      [npy('flat.npy', '<f4', whole, { shape: `(${COUNT * DIM},)` }), 'BAD_DIMS', /two axes/],
      [npy('cube.npy', '<f4', whole, { shape: '(2, 20, 5)' }), 'BAD_DIMS', /two axes/],
      [npy('wide.npy', '<f4', whole, { shape: '(25, 8)' }), 'BAD_DIMS', /rows of 5 values.*received 8/],
      [npy('cut.npy', '<f4', whole.subarray(1)), 'CORRUPT', /cut\.npy.*bytes where its header says/],
      [npy('none.npy', '<f4', whole, { shape: '?' }), 'CORRUPT', /header makes no sense/],
    ];
    writeFileSync(join(folder, 'text.npy'), 'id,vector\n1,2\n3,4\n');
    cases.push([join(folder, 'text.npy'), 'BAD_ARGUMENT', /a \.npy file/]);
    writeFileSync(join(folder, 'short.npy'), '\x93NUM');
    cases.push([join(folder, 'short.npy'), 'BAD_ARGUMENT', /a \.npy file/]);
    for (const [path, code, message] of cases)
      await assert.rejects(importNpy(index, path), refused(code, message), path);
    assert.equal(index.count, 0);
    const nan = floats.slice();
    nan[33 * DIM + 2] = Number.NaN;
    await assert.rejects(
      importNpy(index, npy('nan.npy', '<f4', bytesOf(nan)), { batch: 10 }),
      refused('NOT_FINITE', /dim 2 of row 33 of .*nan\.npy.*NaN/),
    );
    assert.equal(index.count, 30);
    const far = Float64Array.from(floats);
    far[4] = 1e39;
    await assert.rejects(
      importNpy(index, npy('far.npy', '<f8', bytesOf(far))),
      refused('NOT_FINITE', /dim 4 of row 0 of .*far\.npy.*1e\+39/),
    );
    await index.close();
  });

  it('takes an empty matrix', async () => {
    const index = await make();
    const path = npy('empty.npy', '<f4', new Uint8Array(0), { shape: `(0, ${DIM})` });
    assert.deepEqual(await importNpy(index, path), { count: 0, replaced: 0 });
    await index.close();
  });
});

describe('importJsonl()', () => {
  const rows = Array.from({ length: 9 }, (_, n) => ({
    id: n,
    title: `Film ${n} – ${['ä', '€', '😀'][n % 3]}`,
    year: 1990 + n,
    vector: Array.from(floats.subarray(n * DIM, (n + 1) * DIM)),
  }));
  const text = rows.map((row) => JSON.stringify(row)).join('\n');

  it('reads text cut anywhere, with or without a last line end, empty lines and a byte order mark', async () => {
    const bytes = Buffer.from(`\ufeff${text.replaceAll('\n', '\r\n\r\n')}\r\n`);
    const chunks = (size: number) =>
      Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
    const path = join(folder, 'films.jsonl');
    writeFileSync(path, text);
    const inputs = [
      path,
      [text],
      text.split(/(?<=\n)/),
      chunks(1),
      chunks(7),
      (async function* () {
        yield* chunks(64);
      })(),
    ];
    for (const input of inputs) {
      const index = await make();
      assert.deepEqual(await importJsonl(index, input, { batch: 4 }), { count: 9, replaced: 0 });
      const payloads = await holds(index, floats.subarray(0, 9 * DIM));
      assert.deepEqual(
        payloads,
        rows.map(({ title, year }) => ({ title, year })),
      );
      await index.close();
    }
  });

  it('maps fields, and ids to the kind that the index has', async () => {
    const renamed = rows.map(({ id, vector, ...rest }) => JSON.stringify({ key: String(id), v: vector, ...rest }));
    const index = await make();
    await index.upsert([{ id: 3n, vector: floats.slice(0, DIM) }]);
    const fields = { id: 'key', vector: 'v', payload: ['year'] };
    const result = await importJsonl(
      index,
      renamed.map((line) => `${line}\n`),
      { fields },
    );
    assert.deepEqual(result, { count: 9, replaced: 1 });
    const payloads = await holds(index, floats.subarray(0, 9 * DIM), BigInt);
    assert.deepEqual(
      payloads,
      rows.map(({ year }) => ({ year })),
    );
    const bare = await make();
    await importJsonl(bare, [text], { fields: { payload: false } });
    assert.deepEqual(
      await holds(bare, floats.subarray(0, 9 * DIM)),
      rows.map(() => undefined),
    );
    await bare.close();
    await index.close();
  });

  it('names line and field of what it refuses, keeps the batches before, and goes on behind them', async () => {
    const bad: [string, string, RegExp][] = [
      ['{"id":1,', 'BAD_ARGUMENT', /JSON for line 6 of the input/],
      ['[1]', 'BAD_ARGUMENT', /an object for line 6/],
      ['{"vector":[1,2,3,4,5]}', 'BAD_ID', /field "id" of line 6.*undefined/],
      ['{"id":9007199254740993,"vector":[1,2,3,4,5]}', 'BAD_ID', /larger ones as strings.*field "id" of line 6/],
      ['{"id":1.5,"vector":[1,2,3,4,5]}', 'BAD_ID', /field "id" of line 6/],
      ['{"id":1}', 'BAD_ARGUMENT', /array of 5 numbers for field "vector" of line 6/],
      ['{"id":1,"vector":[1,2,3,4]}', 'BAD_DIMS', /5 dims for field "vector" of line 6/],
      ['{"id":1,"vector":[1,2,null,4,5]}', 'NOT_FINITE', /dim 2 of field "vector" of line 6.*null/],
      ['{"id":1,"vector":[1,2,3,4,1e39]}', 'NOT_FINITE', /dim 4 of field "vector" of line 6/],
    ];
    for (const [line, code, message] of bad) {
      const lines = [...rows.slice(0, 5).map((row) => JSON.stringify(row)), line, JSON.stringify(rows[8])];
      const index = await make();
      let done = 0;
      const onProgress = (progress: ImportProgress) => void (done = progress.done);
      await assert.rejects(importJsonl(index, [lines.join('\n')], { batch: 2, onProgress }), refused(code, message));
      assert.equal(index.count, 4);
      assert.equal(done, 4);
      lines.splice(5, 1);
      assert.deepEqual(await importJsonl(index, [lines.join('\n')], { from: done }), { count: 2, replaced: 0 });
      await index.close();
    }
    const index = await make();
    await index.upsert([{ id: 1, vector: floats.slice(0, DIM) }]);
    const strange = ['{"id":"a","vector":[1,2,3,4,5]}'];
    await assert.rejects(importJsonl(index, strange), refused('BAD_ID', /a number.*field "id" of line 1/));
    await assert.rejects(importJsonl(index, join(folder, 'nowhere.jsonl')), refused('BAD_ARGUMENT', /no such file/));
    await assert.rejects(importJsonl(index, 3 as never), refused('BAD_ARGUMENT', /input/));
    await assert.rejects(importJsonl(index, [3 as never]), refused('BAD_ARGUMENT', /chunk/));
    await assert.rejects(importJsonl(index, [], { fields: { vec: 'x' } as never }), refused('BAD_ARGUMENT', /vec/));
    await assert.rejects(
      importJsonl(index, [], { fields: { payload: 3 as never } }),
      refused('BAD_ARGUMENT', /payload/),
    );
    assert.deepEqual(await importJsonl(index, []), { count: 0, replaced: 0 });
    await assert.rejects(
      importJsonl(index, [text], { signal: AbortSignal.abort(), batch: 1 }),
      refused('ABORTED', /the input/),
    );
    await index.close();
  });
});
