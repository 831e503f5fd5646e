/** FunnelIndex as its users meet it. The exactness of answers is exact.test.ts's, what files survive is files/'s. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FunnelError } from 'funnelvec';
import { getKernels } from 'funnelvec/kernels';
import { FunnelIndex, type IndexQuery } from 'funnelvec/store';
import { halfToFloat, toHalf } from '#dist/core/half.js';
import { Random, SEED } from '../random.js';

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

function newPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-index-'));
  folders.push(folder);
  return join(folder, 'index');
}

const DIM = 48;
const random = new Random(SEED);

function batch(count: number, from = 0) {
  return { ids: Array.from({ length: count }, (_, i) => from + i), vectors: random.vector(count * DIM) };
}

const row = (vectors: Float32Array, i: number) => vectors.subarray(i * DIM, (i + 1) * DIM);

function isError(code: string, pattern?: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof FunnelError, String(error));
    assert.equal(error.code, code, error.message);
    if (pattern) assert.match(error.message, pattern);
    return true;
  };
}

describe('FunnelIndex', () => {
  for (const where of [':memory:', 'disk']) {
    const path = () => (where === 'disk' ? newPath() : where);

    it(`writes, finds, replaces and deletes (${where})`, async () => {
      const index = await FunnelIndex.create<{ title: string }>(path(), { dim: DIM });
      const { vectors } = batch(3);
      assert.deepEqual(
        await index.upsert([
          { id: 'a', vector: row(vectors, 0), payload: { title: 'first' } },
          { id: 'b', vector: Array.from(row(vectors, 1)) },
          { id: 'c', vector: row(vectors, 2), payload: { title: 'third' } },
        ]),
        { count: 3, replaced: 0 },
      );
      assert.equal(index.count, 3);
      assert.equal(index.idKind, 'string');
      const { hits, stats } = await index.query({ vector: row(vectors, 2), withPayload: true, withVector: true });
      assert.equal(hits.length, 3);
      assert.equal(hits[0]!.id, 'c');
      assert.ok(Math.abs(hits[0]!.score - 1) < 1e-12);
      assert.equal(hits[0]!.index, 2);
      assert.deepEqual(hits[0]!.payload, { title: 'third' });
      assert.deepEqual(hits[0]!.vector, row(vectors, 2));
      assert.equal(stats.mode, 'funnel');

      assert.deepEqual(await index.upsert([{ id: 'c', vector: row(vectors, 0) }]), { count: 1, replaced: 1 });
      assert.equal(index.count, 3);
      const [a, c, none] = await index.get(['a', 'c', 'nobody']);
      assert.deepEqual(a, { id: 'a', vector: row(vectors, 0).slice(), payload: { title: 'first' } });
      assert.deepEqual(c, { id: 'c', vector: row(vectors, 0).slice() });
      assert.equal(none, undefined);
      // An option of other libraries would else be ignored, and vectors come that nobody wanted.
      const misspelt = {
        code: 'BAD_ARGUMENT',
        message: /withPayload, withVector in the options of get\(\).*includeVector/,
      };
      await assert.rejects(index.get(['a'], { includeVector: false } as never), misspelt);
      assert.throws(() => index.getSync(['a'], { includeVector: false } as never), misspelt);
      await assert.rejects(index.get(['a'], true as never), { code: 'BAD_ARGUMENT' });
      // Equal scores: in the order of positions, and a replaced row has a new one.
      const tied = index.querySync({ vector: row(vectors, 0), limit: 2 }).hits;
      assert.deepEqual(
        tied.map(({ id, index: at }) => [id, at]),
        [
          ['a', 0],
          ['c', 3],
        ],
      );
      assert.deepEqual(await index.delete(['a', 'nobody']), { count: 1 });
      assert.deepEqual(index.deleteSync('a'), { count: 0 });
      assert.equal(index.querySync({ vector: row(vectors, 0), limit: 5 }).hits.length, 2);
      await index.close();
      await index.close();
      await assert.rejects(async () => index.query({ vector: row(vectors, 0) }), isError('CLOSED'));
    });

    it(`an optimize() that close() cuts off is CLOSED, whatever it was doing (${where})`, async () => {
      for (const turns of [0, 1, 2, 4, 8, 16]) {
        const index = await FunnelIndex.create(path(), { dim: DIM });
        await index.upsert(batch(6000));
        await index.delete(Array.from({ length: 3000 }, (_, i) => i));
        const optimized = index.optimize().then(
          () => 'done',
          (error) => error.code,
        );
        for (let i = 0; i < turns; i++) await new Promise(setImmediate);
        await index.close();
        assert.ok(['done', 'CLOSED'].includes(await optimized), `after ${turns} turns: ${await optimized}`);
      }
    });

    it(`answers exactly from codes, from rows behind them, and after deletes (${where})`, async () => {
      const index = await FunnelIndex.create(path(), { dim: DIM, autoOptimize: false });
      const first = batch(600);
      await index.upsert(first);
      const query: IndexQuery = { vector: random.vector(DIM), mode: 'exact', limit: 20 };
      const before = index.querySync(query).hits;
      await index.optimize();
      const coded = index.querySync(query);
      assert.deepEqual(coded.hits, before);
      assert.equal(coded.stats.certified, true);
      assert.equal(index.stats().coded, 600);
      await index.delete(before.slice(0, 5).map(({ id }) => id));
      assert.deepEqual(index.querySync(query).hits.slice(0, 15), before.slice(5));
      await index.upsert([{ id: 9999, vector: query.vector }]);
      assert.equal(index.querySync(query).hits[0]!.id, 9999);
      await index.optimize();
      assert.equal(index.querySync(query).hits[0]!.id, 9999);
      assert.deepEqual(index.querySync(query).hits.slice(1, 16), before.slice(5));
      await index.close();
    });
  }

  it('is the same index after it was opened again, codes included', async () => {
    const path = newPath();
    const index = await FunnelIndex.create(path, { dim: DIM, metric: 'euclid', lists: 5, autoOptimize: false });
    await index.upsert({ ...batch(900), payloads: Array.from({ length: 900 }, (_, i) => ({ i, big: BigInt(i) })) });
    await index.optimize();
    await index.upsert(batch(50, 900));
    await index.delete([3, 903]);
    const queries = Array.from({ length: 20 }, (_, i) => ({
      vector: random.vector(DIM),
      mode: i % 2 ? ('exact' as const) : ('funnel' as const),
      withPayload: true,
    }));
    const before = index.queryBatchSync(queries);
    const stats = index.stats();
    await index.close();
    for (const options of [{}, { readOnly: true }, { memory: 0 }, { memory: 200_000 }]) {
      const again = await FunnelIndex.open(path, options);
      const answers = again.queryBatchSync(queries);
      answers.forEach(({ hits, stats: { mode } }, i) => {
        // Without rows in memory the funnel reads fewer of them.
        if (mode === 'exact' || !('memory' in options)) assert.deepEqual(hits, before[i]!.hits);
      });
      assert.equal(again.stats().coded, stats.coded);
      assert.equal(again.stats().lists, 5);
      if (options.memory === 0) assert.equal(again.stats().resident.rows, 0);
      await again.close();
    }
  });

  it('lets readers follow a writer', async () => {
    const path = newPath();
    const writer = await FunnelIndex.create(path, { dim: DIM, autoOptimize: false });
    const reader = await FunnelIndex.open(path, { readOnly: true });
    assert.deepEqual(reader.querySync({ vector: random.vector(DIM) }).hits, []);
    const rows = batch(500);
    await writer.upsert(rows);
    assert.equal(reader.querySync({ vector: row(rows.vectors, 7) }).hits[0]!.id, 7);
    await writer.optimize();
    await writer.delete(7);
    assert.notEqual(reader.querySync({ vector: row(rows.vectors, 7) }).hits[0]!.id, 7);
    assert.equal(reader.stats().coded, 499);
    await assert.rejects(reader.upsert(batch(1)), isError('NOT_WRITABLE'));
    await assert.rejects(FunnelIndex.open(path), isError('INDEX_LOCKED', new RegExp(String(process.pid))));
    await writer.close();
    await reader.close();
  });

  it('keeps float16 as it is and scores it exactly', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: DIM, precision: 'float16' });
    const floats = random.vector(100 * DIM);
    const bits = Uint16Array.from(floats, toHalf);
    await index.upsert({ ids: Array.from({ length: 50 }, (_, i) => i), vectors: floats.subarray(0, 50 * DIM) });
    await index.upsert({ ids: Array.from({ length: 50 }, (_, i) => 50 + i), vectors: bits.subarray(50 * DIM) });
    const points = await index.get(Array.from({ length: 100 }, (_, i) => i));
    points.forEach((point, i) => {
      assert.deepEqual(point!.vector, Float32Array.from(bits.subarray(i * DIM, (i + 1) * DIM), halfToFloat));
    });
    await index.optimize();
    const { hits } = index.querySync({ vector: points[70]!.vector, mode: 'exact' });
    assert.equal(hits[0]!.id, 70);
    await index.close();
  });

  it('takes part in a search: rows of ids, rows of a bitmap, few and many', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: DIM, autoOptimize: false });
    const rows = batch(4000);
    await index.upsert(rows);
    await index.optimize();
    const vector = random.vector(DIM);
    const all = index.querySync({ vector, mode: 'exact', limit: 4000 }).hits;
    for (const share of [0.001, 0.1, 0.6]) {
      const ids = new Set(rows.ids.filter(() => random.chance(share)));
      const bitmap = new Uint8Array(500);
      for (const id of ids) bitmap[id >> 3]! |= 1 << (id & 7);
      const wanted = all.filter(({ id }) => ids.has(id as number)).slice(0, 10);
      for (const filter of [{ ids }, { rows: bitmap }]) {
        for (const answer of [
          index.querySync({ vector, mode: 'exact', filter }),
          await index.query({ vector, mode: 'exact', filter }),
        ]) {
          assert.deepEqual(answer.hits, wanted);
        }
        const funnel = index.querySync({ vector, filter }).hits;
        assert.ok(funnel.every(({ id }) => ids.has(id as number)));
      }
    }
    assert.deepEqual(index.querySync({ vector, filter: { ids: [] } }).hits, []);
    await index.close();
  });

  it('drops scores on the wrong side of a threshold, and those that equal it', async () => {
    for (const metric of ['cosine', 'dot', 'euclid'] as const) {
      const index = await FunnelIndex.create(':memory:', { dim: DIM, metric, autoOptimize: false });
      await index.upsert(batch(500));
      await index.optimize();
      const vector = random.vector(DIM);
      for (const mode of ['exact', 'funnel'] as const) {
        const all = index.querySync({ vector, mode, limit: 9 }).hits;
        const kept = index.querySync({ vector, mode, limit: 9, scoreThreshold: all[4]!.score }).hits;
        assert.deepEqual(kept, all.slice(0, 4));
      }
      await index.close();
    }
  });

  it('reaches a high recall by its defaults on Matryoshka-like rows', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: 256, autoOptimize: false });
    const vectors = new Float32Array(8000 * 256);
    const topics = Array.from({ length: 60 }, () => random.vector(256));
    for (let i = 0; i < 8000; i++) {
      const a = random.pick(topics);
      const b = random.pick(topics);
      for (let j = 0; j < 256; j++) {
        vectors[i * 256 + j] = (a[j]! + 0.6 * b[j]! + 0.8 * random.gaussian()) * Math.exp(-j / 90);
      }
    }
    await index.upsert({ ids: Array.from({ length: 8000 }, (_, i) => i), vectors });
    await index.optimize();
    let found = 0;
    for (let i = 0; i < 100; i++) {
      const vector = vectors.slice(i * 256, (i + 1) * 256).map((value) => value + 0.2 * random.gaussian());
      const truth = new Set(index.querySync({ vector, mode: 'exact' }).hits.map(({ id }) => id));
      found += index.querySync({ vector }).hits.filter(({ id }) => truth.has(id)).length;
    }
    assert.ok(found >= 990, `${found} of 1000`);
    await index.close();
  });

  it('makes codes on its own when most rows have none', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: 16 });
    await index.upsert({ ids: Array.from({ length: 5000 }, (_, i) => i), vectors: random.vector(5000 * 16) });
    await index.optimize(); // the one under way
    assert.equal(index.stats().coded, 5000);
    await index.close();
  });

  it('goes on answering and writing while it optimises', async () => {
    const index = await FunnelIndex.create(newPath(), { dim: DIM, autoOptimize: false });
    const rows = batch(6000);
    await index.upsert(rows);
    const optimizing = index.optimize();
    const vector = row(rows.vectors, 11);
    const late = batch(10, 6000);
    await index.upsert(late);
    await index.delete(12);
    assert.equal((await index.query({ vector, mode: 'exact' })).hits[0]!.id, 11);
    await optimizing;
    assert.equal(index.stats().coded, 5999);
    assert.equal(index.querySync({ vector: row(late.vectors, 4), mode: 'exact' }).hits[0]!.id, 6004);
    assert.notEqual(index.querySync({ vector: row(rows.vectors, 12), mode: 'exact' }).hits[0]!.id, 12);
    await index.close();
  });

  for (const precision of ['float32', 'float16'] as const) {
    it(`has the rows of its files in memory after writes that failed in their middle (${precision})`, async () => {
      const path = newPath();
      const dim = 1025; // odd: records of float16 are padded
      const rows = precision === 'float32' ? 3000 : 6000; // three blocks of records
      const drawn = random.vector((rows + 100) * dim);
      const pool = precision === 'float32' ? drawn : Uint16Array.from(drawn, (value) => toHalf(value));
      const wide = (count: number) => {
        const first = random.int(0, rows + 100 - count);
        return pool.slice(first * dim, (first + count) * dim);
      };
      const index = await FunnelIndex.create(path, { dim, precision, autoOptimize: false });
      const failing = async (first: number) => {
        const vectors = wide(rows);
        const pending = index.upsert({ ids: Array.from({ length: rows }, (_, i) => first + i), vectors });
        vectors[vectors.length - 1] = precision === 'float32' ? Number.NaN : 0x7e00; // behind what is written first
        await assert.rejects(pending, isError('NOT_FINITE', /row \d+ became NaN/));
      };
      let next = 0;
      const stored: (Float32Array | Uint16Array)[] = [];
      // The first write finds no room in memory, the next ones do.
      for (const count of [50, 20, rows, 7, 1, rows / 2]) {
        await failing(1e6);
        const vectors = wide(count);
        await index.upsert({ ids: Array.from({ length: count }, (_, i) => next + i), vectors });
        stored.push(vectors);
        next += count;
      }
      assert.equal(index.count, next);
      const all = Float32Array.from(
        stored.flatMap((vectors) => (precision === 'float32' ? [...vectors] : Array.from(vectors, halfToFloat))),
      );
      const vector = random.vector(dim);
      const { hits } = await index.query({ vector, limit: next, mode: 'exact' });
      const { resident } = index.stats();
      await index.close();
      const scores = new Float64Array(next);
      getKernels('js').scores({ metric: 'cosine', query: vector, rows: all, dim, from: 0, to: dim, keys: scores });
      assert.deepEqual(
        new Float64Array(hits.map(({ id }) => scores[Number(id)]!)),
        new Float64Array(hits.map(({ score }) => score)),
      );
      assert.equal(hits.length, next);
      assert.ok(resident.rows > 0);
      const again = await FunnelIndex.open(path, { readOnly: true });
      assert.deepEqual((await again.query({ vector, limit: next, mode: 'exact' })).hits, hits);
      await again.close();
    });
  }

  it('drops dead rows from its files', async () => {
    const path = newPath();
    const index = await FunnelIndex.create(path, { dim: DIM, autoOptimize: false });
    await index.upsert(batch(3000));
    await index.delete(Array.from({ length: 2000 }, (_, i) => i));
    const bytes = index.stats().files.rows;
    const vector = random.vector(DIM);
    const before = index.querySync({ vector, mode: 'exact' }).hits;
    await index.optimize();
    assert.ok(index.stats().files.rows < bytes / 2);
    assert.deepEqual(index.querySync({ vector, mode: 'exact' }).hits, before);
    await index.close();
    const again = await FunnelIndex.open(path);
    assert.deepEqual(again.querySync({ vector, mode: 'exact' }).hits, before);
    await again.close();
    assert.ok(readdirSync(path).every((name) => !name.endsWith('.tmp')));
  });
});

describe('FunnelIndex refuses', () => {
  const create = (options: object) => FunnelIndex.create(':memory:', options as never);

  const OPTIONS: [string, object, string, RegExp][] = [
    ['no dims', {}, 'BAD_DIMS', /dim/],
    ['zero dims', { dim: 0 }, 'BAD_DIMS', /1 to 65536/],
    ['half a dim', { dim: 1.5 }, 'BAD_DIMS', /dim/],
    ['another metric', { dim: 4, metric: 'manhattan' }, 'BAD_ARGUMENT', /'cosine'/],
    ['another rotation', { dim: 4, rotation: 'random' }, 'BAD_ARGUMENT', /'pca'/],
    ['another precision', { dim: 4, precision: 'int8' }, 'BAD_ARGUMENT', /float16/],
    ['a head longer than the rows', { dim: 4, head: 5 }, 'BAD_ARGUMENT', /head/],
    ['scales out of order', { dim: 8, scales: [4, 2] }, 'BAD_ARGUMENT', /ascending/],
    ['no threads', { dim: 4, threads: 0 }, 'BAD_ARGUMENT', /threads/],
    ['negative memory', { dim: 4, memory: -1 }, 'BAD_ARGUMENT', /memory/],
    ['nothing to be written', { dim: 4, readOnly: true }, 'BAD_ARGUMENT', /readOnly/],
    ['a flag that is none', { dim: 4, readOnly: 'no' }, 'BAD_ARGUMENT', /readOnly/],
    ['a misspelled option', { dim: 4, metrics: 'dot' }, 'BAD_ARGUMENT', /metrics/],
  ];
  for (const [what, options, code, pattern] of OPTIONS) {
    it(`to be made with ${what}`, async () => {
      await assert.rejects(create(options), isError(code, pattern));
    });
  }

  it('no path', async () => {
    await assert.rejects(FunnelIndex.create('', { dim: 4 }), isError('BAD_ARGUMENT', /path/));
    const reader = FunnelIndex.create(':memory:', { dim: 4, readOnly: true } as never);
    await assert.rejects(reader, isError('BAD_ARGUMENT', /FunnelIndex\.create\(\) but received readOnly/));
    await assert.rejects(FunnelIndex.open(newPath()), isError('NO_INDEX'));
  });

  it('rows that are no rows, and keeps what it has', async () => {
    const index = await create({ dim: 4 });
    await index.upsert([{ id: 1, vector: [1, 2, 3, 4] }]);
    const nan = new Float32Array(8);
    nan[6] = Number.NaN;
    const detached = new Float32Array(4);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const gone = new Int32Array(1);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    const claimed = Object.defineProperty(gone, 'length', { value: 1 });
    const cases: [unknown, string, RegExp][] = [
      [{ ids: claimed, vectors: new Float32Array(4) }, 'BAD_ARGUMENT', /points\.ids/],
      [[{ id: 2, vector: [1, 2, 3] }], 'BAD_DIMS', /points\[0\].vector/],
      [[{ id: 2, vector: [1, 2, 3, Infinity] }], 'NOT_FINITE', /dim 3/],
      [[{ id: 2, vector: [1, 2, 3, 4], extra: 1 }], 'BAD_ARGUMENT', /extra/],
      [[{ id: 2.5, vector: [1, 2, 3, 4] }], 'BAD_ID', /2\.5/],
      [[{ id: 2 ** 53, vector: [1, 2, 3, 4] }], 'BAD_ID', /2\^53|9007199254740992/],
      [[{ id: 'two', vector: [1, 2, 3, 4] }], 'BAD_ID', /number/],
      [[{ vector: [1, 2, 3, 4] }], 'BAD_ID', /undefined/],
      [{ ids: [1, 2], vectors: nan }, 'NOT_FINITE', /dim 2 of row 1/],
      [{ ids: [1, 2], vectors: new Float32Array(7) }, 'BAD_DIMS', /2 × 4/],
      [{ ids: [1], vectors: detached }, 'DETACHED_BUFFER', /vectors/],
      [{ ids: [1], vectors: [1, 2, 3, 4] }, 'BAD_ARGUMENT', /Float32Array/],
      [null, 'BAD_ARGUMENT', /points/],
    ];
    for (const [points, code, pattern] of cases) {
      await assert.rejects(index.upsert(points as never), isError(code, pattern));
      assert.throws(() => index.upsertSync(points as never), isError(code, pattern));
    }
    const lost = new BigInt64Array(1);
    structuredClone(lost.buffer, { transfer: [lost.buffer] });
    const vector = [1, 2, 3, 4];
    await assert.rejects(
      index.query({ vector, filter: { ids: lost as never } }),
      isError('DETACHED_BUFFER', /filter\.ids/),
    );
    assert.throws(() => index.gather(claimed, new Float32Array(4)), isError('BAD_ARGUMENT', /ids/));
    assert.equal(index.count, 1);
    assert.deepEqual(await index.upsert([]), { count: 0, replaced: 0 });
    await index.close();
  });

  it('in has() several ids; what is none, or of another kind, is in no row', async () => {
    const index = await create({ dim: 4 });
    await index.upsert([{ id: 900, vector: [1, 2, 3, 4] }]);
    const several = [900] as never;
    assert.throws(() => index.has(several), isError('BAD_ID', /get\(\) takes several\) for id but received/));
    assert.deepEqual(
      [900, '900', 900n, 901].map((id) => index.has(id)),
      [true, false, false, false],
    );
    await index.close();
  });

  it('queries that are no queries', async () => {
    const index = await create({ dim: 4 });
    await index.upsert([{ id: 1, vector: [1, 2, 3, 4] }]);
    const vector = [1, 0, 0, 0];
    const cases: [unknown, string, RegExp][] = [
      [{ vector: [1, 2] }, 'BAD_DIMS', /4 dims/],
      [{ vector: [1, 2, 3, Number.NaN] }, 'NOT_FINITE', /dim 3/],
      [{ vector: [0, 0, 0, 0] }, 'ZERO_QUERY', /direction/],
      [{ vector, limit: 0 }, 'BAD_ARGUMENT', /limit/],
      [{ vector, mode: 'fast' }, 'BAD_ARGUMENT', /'exact' or 'funnel'/],
      [{ vector, top: 3 }, 'BAD_ARGUMENT', /top/],
      [{ vector, params: { ef: 3 } }, 'BAD_ARGUMENT', /ef/],
      [{ vector, params: { eps: 2 } }, 'BAD_ARGUMENT', /eps/],
      [{ vector, params: { eps: 0.5, probes: 2 } }, 'BAD_ARGUMENT', /alone/],
      [{ vector, params: { candidates: 3 } }, 'BAD_ARGUMENT', /candidates/],
      [{ vector, mode: 'exact', params: { probes: 3 } }, 'BAD_ARGUMENT', /nothing to trade/],
      [{ vector, scoreThreshold: Number.NaN }, 'BAD_ARGUMENT', /scoreThreshold/],
      [{ vector, filter: { musts: [] } }, 'BAD_ARGUMENT', /must/],
      [{ vector, filter: { rows: [1] } }, 'BAD_ARGUMENT', /filter.rows/],
      [{ vector, withPayload: 1 }, 'BAD_ARGUMENT', /withPayload/],
    ];
    for (const [query, code, pattern] of cases) {
      await assert.rejects(index.query(query as never), isError(code, pattern));
      assert.throws(() => index.querySync(query as never), isError(code, pattern));
    }
    await index.close();
  });
});

describe('lists of ids', () => {
  it('end at the first that is none, before anything is copied: an array of four billion holes at once', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    await index.upsert(batch(10));
    const holes = new Array(2 ** 32 - 1);
    const wrong = [1, 2, null, 3];
    for (const [ids, at] of [
      [holes, /ids\[0\] but received undefined/],
      [wrong, /ids\[2\] but received null/],
    ] as const) {
      await assert.rejects(index.delete(ids as never), isError('BAD_ID', at));
      await assert.rejects(index.setPayload(ids as never, { a: 1 }), isError('BAD_ID', at));
      await assert.rejects(index.get(ids as never), isError('BAD_ID', at));
      assert.throws(() => index.deleteSync(ids as never), isError('BAD_ID', at));
    }
    assert.equal(index.count, 10);
    // A class of one's own makes copies of a list in its own way.
    class Ids extends Array<number> {
      constructor(given: Iterable<number>) {
        super();
        for (const id of given) this.push(id);
      }
    }
    assert.equal((await index.delete(new Ids([1, 2]))).count, 2);
    await index.close();
  });
});

describe('rows that are copies of the query', () => {
  it('score at most 1, and none is above the threshold 1', async () => {
    const random = new Random(SEED);
    const index = await FunnelIndex.create(':memory:', { dim: 96 });
    const vectors = random.vector(6_000 * 96);
    await index.upsert({ ids: Array.from({ length: 6_000 }, (_, i) => i), vectors });
    await index.optimize();
    for (let i = 0; i < 300; i++) {
      const vector = vectors.slice(i * 96, (i + 1) * 96);
      for (const mode of ['funnel', 'exact'] as const) {
        const { hits } = await index.query({ vector, limit: 2, mode });
        assert.equal(hits[0]!.id, i);
        assert.ok(hits[0]!.score <= 1 && hits[0]!.score > 1 - 1e-15);
        const above = await index.query({ vector, limit: 2, mode, scoreThreshold: 1 });
        assert.deepEqual(above.hits, []);
      }
    }
    await index.close();
  });
});
