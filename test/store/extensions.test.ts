/** Rows written since the last build, coded as its rows are: the same answers as without codes, whatever comes between. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FunnelIndex, type IndexQuery } from 'funnelvec/store';
import { FunnelError } from '#dist/core/errors.js';
import { METRICS } from '#dist/kernels/kernels.js';
import { activeKernels, listKernels, useKernels } from '#dist/kernels/load.js';
import { extend } from '#dist/store/builds.js';
import type { OpenIndex } from '#dist/store/open-index.js';
import { partsOf } from '#dist/store/parts.js';
import { until } from '../applications/model.js';
import { Random, SEED } from '../random.js';
import { FAMILIES, queryFor } from './families.js';

const folder = mkdtempSync(join(tmpdir(), 'funnelvec-extensions-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let made = 0;
const newPath = () => join(folder, `index-${made++}`);

const extended = (index: FunnelIndex) => extend(partsOf(index) as OpenIndex, () => {});
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

async function write(index: FunnelIndex, rows: Float32Array, from: number, to: number): Promise<void> {
  await index.upsert({ ids: range(from, to), vectors: rows.slice(from * index.dim, to * index.dim) });
}

/** Built over some rows, extended by others twice; a few have no codes, and some are dead or replaced. */
async function mixed(rows: Float32Array, count: number, options: object, path = ':memory:'): Promise<FunnelIndex> {
  const dim = rows.length / count;
  const index = await FunnelIndex.create(path, { dim, head: 16, threads: 1, autoOptimize: false, ...options });
  const parts = [0, 0.25, 0.9, 0.97, 1].map((share) => Math.round(share * count));
  await write(index, rows, parts[0]!, parts[1]!);
  await index.optimize();
  await write(index, rows, parts[1]!, parts[2]!);
  await extended(index);
  await index.delete(range(0, count).filter((id) => id % 11 === 3));
  await write(index, rows, parts[2]!, parts[3]!);
  await extended(index);
  await write(index, rows, parts[3]!, parts[4]!);
  await write(index, rows, 5, 9); // replaces rows of the build
  return index;
}

/** Exact answers of the codes are those of a scan: same rows, same bits. */
function checkExact(index: FunnelIndex, vector: Float32Array, query: Partial<IndexQuery>, what: string): void {
  const { live } = partsOf(index);
  const { hits, stats } = index.querySync({ vector, limit: 10, mode: 'exact', ...query });
  assert.equal(stats.certified, true, what);
  const ids = new Set(index.scrollSync({ limit: 100_000 }).points.map(({ id }) => id));
  const scan = index.querySync({ vector, limit: 10, mode: 'exact', ...query, filter: { ids } });
  const few = index.querySync({ vector, limit: live.files.liveCount, mode: 'exact', ...query });
  assert.deepEqual(hits, scan.hits, what);
  assert.deepEqual(hits, few.hits.slice(0, hits.length), what);
}

async function answersOf(index: FunnelIndex, queries: readonly Float32Array[]) {
  const answers: unknown[] = [];
  for (const vector of queries) {
    for (const mode of ['exact', 'funnel'] as const) {
      const { hits, stats } = await index.query({ vector, limit: 7, mode });
      answers.push(hits, stats.certified);
    }
  }
  return answers;
}

describe('an index with rows that came after its build', () => {
  it('says which of them have codes, and which have none', async () => {
    const random = new Random(SEED);
    const index = await mixed(random.vector(1000 * 32), 1000, {});
    const { coded, uncoded, extended: later } = index.stats();
    assert.equal(uncoded.rows, 34);
    assert.equal(coded, index.count - 34);
    assert.ok(later >= 650 && later <= 720, `${later}`);
    await index.optimize();
    assert.deepEqual([index.stats().uncoded.rows, index.stats().extended], [0, 0]);
    assert.equal(index.stats().coded, index.count);
    await index.close();
  });

  it('answers who asks for more rows than there could be with all that there are', async () => {
    const before = activeKernels().name;
    for (const { name, supported } of listKernels()) {
      if (!supported) continue;
      useKernels(name as never);
      try {
        const random = new Random(SEED);
        const index = await mixed(random.vector(600 * 16), 600, {});
        const vector = random.vector(16);
        for (const query of [{ limit: 2 ** 31 }, { limit: 5, params: { candidates: 2 ** 32 - 1 } }]) {
          const { hits, stats } = index.querySync({ vector, ...query });
          assert.equal(hits.length, Math.min(index.count, query.limit), name);
          assert.equal(stats.rowsRead, index.count, name);
        }
        await index.close();
      } finally {
        useKernels(before as never);
      }
    }
  });

  for (const [b, { name, supported }] of listKernels().entries()) {
    if (!supported) continue;
    it(`is exact with the same bits, by each metric, over hard rows, with lists or none, on ${name}`, async () => {
      const before = activeKernels().name;
      useKernels(name as never);
      const random = new Random(SEED);
      try {
        for (const [f, family] of FAMILIES.entries()) {
          if ((f + b) % 4 !== 0) continue; // each family on several of them
          const metric = random.pick(METRICS);
          const dim = random.pick([16, 24, 40]);
          const rows = family.rows(random, 320, dim);
          const options = { metric, lists: random.pick(['off', 3, 7]), rotation: random.pick(['pca', 'none']) };
          const index = await mixed(rows, 320, options);
          for (let i = 0; i < 4; i++) {
            const vector = queryFor(random, rows, dim);
            checkExact(index, vector, {}, `${name}: ${family.name}, ${JSON.stringify(options)}, query ${i}`);
          }
          await index.close();
        }
      } finally {
        useKernels(before as never);
      }
    });
  }

  for (const metric of METRICS) {
    it(`finds in one shortlist what one build over all of them finds, by ${metric}`, async () => {
      const random = new Random(SEED);
      const [count, dim] = [4000, 48];
      const centres = random.vector(30 * dim);
      const rows = Float32Array.from({ length: count * dim }, (_, i) => {
        const centre = (Math.floor(i / dim) * 7919) % 30;
        return centres[centre * dim + (i % dim)]! + 0.7 * random.gaussian();
      });
      const options = { metric, lists: 40, head: 16 };
      const index = await mixed(rows, count, options);
      const queries = range(0, 40).map((i) => rows.slice(100 * i * dim, (100 * i + 1) * dim));
      const recall = () => {
        let found = 0;
        for (const vector of queries) {
          const truth = new Set(index.querySync({ vector, mode: 'exact' }).hits.map(({ id }) => id));
          const { hits, stats } = index.querySync({ vector, params: { candidates: 60 } });
          found += hits.filter(({ id }) => truth.has(id)).length / 400;
          assert.ok(stats.rowsRead <= 60 + index.stats().uncoded.rows, `${stats.rowsRead} rows are read`);
        }
        return found;
      };
      const before = recall();
      await index.optimize();
      const built = recall();
      assert.ok(before > built - 0.03 && before > 0.9, `${before} with extensions, ${built} after a build`);
      await index.close();
    });
  }

  for (const options of [
    { lists: 8 },
    { precision: 'float16', metric: 'euclid', lists: 'off' },
    { head: 'binary' },
    { head: 'int8', metric: 'dot' },
    { rotation: 'none' },
  ]) {
    it(`answers the same after it was opened again, read by another, and as bytes: ${JSON.stringify(options)}`, async () => {
      const random = new Random(SEED);
      const rows = random.vector(900 * 32);
      const queries = Array.from({ length: 5 }, () => random.vector(32));
      const path = newPath();
      const index = await mixed(rows, 900, options, path);
      const expected = await answersOf(index, queries);
      const reader = await FunnelIndex.open(path, { readOnly: true });
      const copy = await FunnelIndex.fromBytes(await index.toBytes(), { autoOptimize: false });
      const memory = await mixed(rows, 900, options);
      const again = await FunnelIndex.fromBytes(await memory.toBytes(), { autoOptimize: false });
      for (const one of [reader, copy, memory, again]) {
        assert.deepEqual(await answersOf(one, queries), expected);
        assert.equal(one.stats().extended, index.stats().extended);
      }
      // The reader follows what is extended, and what is built.
      await extended(index);
      assert.deepEqual(await answersOf(reader, queries), await answersOf(index, queries));
      assert.deepEqual([reader.stats().uncoded.rows, index.stats().uncoded.rows], [0, 0]);
      await index.optimize();
      assert.deepEqual(await answersOf(reader, queries), await answersOf(index, queries));
      assert.equal(reader.stats().extended, 0);
      await index.close();
      const opened = await FunnelIndex.open(path, { autoOptimize: false });
      assert.deepEqual(await answersOf(opened, queries), await answersOf(reader, queries));
      for (const one of [opened, reader, copy, memory, again]) await one.close();
    });
  }

  it('filters rows wherever they have their codes', async () => {
    const random = new Random(SEED);
    const path = newPath();
    const filed = await mixed(random.vector(1200 * 24), 1200, { lists: 6 }, path);
    await filed.close();
    const opened = await FunnelIndex.open(path, { autoOptimize: false, fullScanThreshold: 0 });
    const living = opened.scrollSync({ limit: 5000 }).points.map(({ id }) => Number(id));
    for (const [low, high] of [
      [0, 300],
      [250, 1100],
      [1100, 1200],
      [280, 320],
    ] as const) {
      const vector = random.vector(24);
      const ids = new Set(living.filter((id) => id >= low && id < high));
      const all = opened.querySync({ vector, limit: 1200, mode: 'exact' }).hits.filter(({ id }) => ids.has(Number(id)));
      const exact = opened.querySync({ vector, limit: 12, mode: 'exact', filter: { ids } });
      assert.deepEqual(exact.hits, all.slice(0, 12));
      const { hits } = opened.querySync({ vector, limit: 12, filter: { ids } });
      assert.ok(hits.length === 12 && hits.every(({ id }) => ids.has(Number(id))));
    }
    await opened.close();
  });

  it('is damaged where a file of its codes is, and then says so', async () => {
    const random = new Random(SEED);
    const path = newPath();
    const index = await mixed(random.vector(600 * 24), 600, { lists: 5 }, path);
    const queries = [random.vector(24), random.vector(24)];
    const expected = await answersOf(index, queries);
    await index.close();
    const segments = readdirSync(path)
      .filter((name) => name.startsWith('seg-'))
      .sort();
    assert.ok(segments.length >= 2, segments.join());
    let refused = 0;
    const file = join(path, segments.at(-1)!);
    const bytes = readFileSync(file);
    const places = [
      ...range(0, 64).filter((at) => at % 5 === 0),
      ...range(bytes.length - 900, bytes.length).filter((at) => at % 31 === 0),
      ...range(0, 40).map(() => random.int(0, bytes.length - 1)),
    ];
    for (const at of places) {
      const damaged = Uint8Array.from(bytes);
      damaged[at]! ^= 1 << random.int(0, 7);
      writeFileSync(file, damaged);
      try {
        const opened = await FunnelIndex.open(path, { autoOptimize: false });
        assert.deepEqual(await answersOf(opened, queries), expected, `byte ${at}`);
        await opened.close();
      } catch (error) {
        assert.ok(error instanceof FunnelError && /^(CORRUPT|UNSUPPORTED_FORMAT)$/.test(error.code), String(error));
        refused++;
      }
    }
    assert.ok(refused > places.length / 3, `${refused} of ${places.length}`);
    writeFileSync(file, bytes);
    const opened = await FunnelIndex.open(path, { autoOptimize: false });
    assert.deepEqual(await answersOf(opened, queries), expected);
    await opened.close();
  });

  it('loses no row to builds, deletions and compactions that come while rows get their codes', async () => {
    const random = new Random(SEED);
    for (const path of [':memory:', newPath()]) {
      const index = await FunnelIndex.create(path, { dim: 16, head: 8, lists: 4, autoOptimize: false });
      const ids = new Set<number>();
      for (let round = 0; round < 24; round++) {
        const from = random.int(0, 3000);
        const some = range(from, from + random.int(1, 200));
        const works: Promise<unknown>[] = [];
        if (random.chance(0.9)) works.push(extended(index));
        if (random.chance(0.3)) works.push(index.optimize());
        works.push(index.upsert({ ids: some, vectors: random.vector(some.length * 16) }));
        for (const id of some) ids.add(id);
        if (random.chance(0.5)) {
          const gone = range(from + 50, from + 150);
          works.push(index.delete(gone));
          for (const id of gone) ids.delete(id);
        }
        await Promise.all(works);
        const { hits } = index.querySync({ vector: random.vector(16), limit: 5000, mode: 'exact' });
        assert.deepEqual(new Set(hits.map(({ id }) => id)), ids, `round ${round}, ${path}`);
        assert.equal(index.stats().coded + index.stats().uncoded.rows, ids.size);
      }
      await index.close();
      if (path === ':memory:') continue;
      const opened = await FunnelIndex.open(path, { autoOptimize: false });
      const { hits } = opened.querySync({ vector: random.vector(16), limit: 5000, mode: 'exact' });
      assert.deepEqual(new Set(hits.map(({ id }) => id)), ids);
      await opened.close();
    }
  });

  for (const autoOptimize of [true, 'codes'] as const) {
    it(`gives them codes when it is left alone, without a build over all (autoOptimize ${autoOptimize})`, async () => {
      const random = new Random(SEED);
      const index = await FunnelIndex.create(newPath(), { dim: 64, autoOptimize });
      const rows = random.vector(12_400 * 64);
      await write(index, rows, 0, 8000);
      await index.optimize();
      await write(index, rows, 8000, 12_400);
      assert.equal(index.stats().uncoded.rows, 4400);
      await until('codes for the new rows', () => index.stats().uncoded.rows === 0);
      assert.equal(index.stats().extended, 4400);
      await index.close();
    });
  }

  it('chooses one shortlist from all segments, before it is opened again and after', async () => {
    const random = new Random(SEED);
    const [dim, count] = [64, 3000];
    const path = newPath();
    const options = { rotation: 'pca', durability: 'relaxed' } as const;
    const index = await mixed(random.vector(count * dim), count, options, path);
    const queries = Array.from({ length: 5 }, () => random.vector(dim));
    const searched = (one: FunnelIndex) =>
      queries.map((vector) => {
        const { hits, stats } = one.querySync({ vector, limit: 10, mode: 'funnel', params: { candidates: 20 } });
        return { hits, rowsRead: stats.rowsRead };
      });
    const before = searched(index);
    const bytes = await index.toBytes();
    await index.close();
    const again = [await FunnelIndex.open(path, { autoOptimize: false }), await FunnelIndex.fromBytes(bytes)];
    for (const other of again) {
      assert.notEqual(partsOf(other).live.segments[0]!.coding.basis, null);
      assert.deepEqual(searched(other), before);
      await other.close();
    }
  });

  it('refuses another word for autoOptimize', async () => {
    await assert.rejects(FunnelIndex.create(':memory:', { dim: 4, autoOptimize: 'rows' as never }), {
      code: 'BAD_ARGUMENT',
      message: /a boolean or 'codes'/,
    });
  });
});
