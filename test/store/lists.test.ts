/** The partition of an index: lists that are empty, and filters over lists. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';
import { Random, SEED } from '../random.js';

const DIM = 16;

async function indexOf(vectors: Float32Array, lists: number, payloads?: object[]): Promise<FunnelIndex> {
  const count = vectors.length / DIM;
  const options = { dim: DIM, head: 16, lists, autoOptimize: false, fullScanThreshold: 0 };
  const index = await FunnelIndex.create(':memory:', options);
  index.upsertSync({ ids: Array.from({ length: count }, (_, i) => i), vectors, ...(payloads && { payloads }) });
  index.optimizeSync();
  return index;
}

describe('lists', () => {
  for (const { different, lists } of [
    { different: 3, lists: 64 },
    { different: 100, lists: 256 },
  ]) {
    it(`that no row is in hide none: ${lists} of ${different} different rows`, async () => {
      const random = new Random(SEED);
      const rows = Array.from({ length: different }, () => random.vector(DIM));
      const vectors = new Float32Array(2400 * DIM);
      for (let r = 0; r < 2400; r++) vectors.set(rows[r % different]!, r * DIM);
      const index = await indexOf(vectors, lists);
      for (let i = 0; i < 100; i++) {
        assert.equal(index.querySync({ vector: random.vector(DIM) }).hits.length, 10);
        const vector = rows[i % different]!;
        const [best] = index.querySync({ vector, params: { probes: 1 } }).hits;
        assert.ok(best !== undefined && best.score > 1 - 1e-6);
      }
      await index.close();
    });
  }

  it('are visited as many under a filter that all rows pass, and more under one that few pass', async () => {
    const random = new Random(SEED + 1);
    const index = await indexOf(random.vector(6000 * DIM), 150);
    const every = new Uint8Array(750).fill(0xff);
    const few = Uint8Array.from({ length: 750 }, (_, i) => (i % 8 === 0 ? 1 : 0));
    for (let i = 0; i < 50; i++) {
      const vector = random.vector(DIM);
      const plain = index.querySync({ vector });
      const all = index.querySync({ vector, filter: { rows: every } });
      assert.deepEqual(all.hits, plain.hits);
      const visited = ({ stats }: typeof plain) => stats.stages.find(({ name }) => name === 'lists')?.out ?? 150;
      assert.equal(visited(all), visited(plain));
      const some = index.querySync({ vector, filter: { rows: few } });
      assert.ok(visited(some) > visited(plain));
      assert.equal(some.hits.length, 10);
    }
    await index.close();
  });

  for (const dead of [0, 300]) {
    it(`are masked as they are visited: conditions and bits find what ids find, ${dead} rows dead`, async () => {
      const random = new Random(SEED + 2);
      const values = Array.from({ length: 6000 }, () => random.int(0, 99));
      const payloads = values.map((value) => ({ value }));
      const index = await indexOf(random.vector(6000 * DIM), 150, payloads);
      index.createPayloadIndexSync('value', 'integer');
      if (dead > 0) index.deleteSync(Array.from({ length: dead }, (_, i) => 20 * i));
      // Some that have no codes yet.
      const last = payloads.slice(0, 40);
      index.upsertSync({ ids: last.map((_, i) => 6000 + i), vectors: random.vector(40 * DIM), payloads: last });
      for (const { value } of last) values.push(value);
      for (let i = 0; i < 30; i++) {
        const [gte, lt] = [random.int(0, 60), random.int(65, 100)];
        const ids = [...values.keys()].filter((id) => values[id]! >= gte && values[id]! < lt);
        const rows = new Uint8Array(755);
        for (const id of ids) rows[id >> 3]! |= 1 << (id & 7);
        const conditions = { must: { key: 'value', range: { gte, lt } } };
        // The first search makes only some lists; the second makes all, the third finds them made.
        for (const mode of ['funnel', 'exact', 'funnel'] as const) {
          const vector = random.vector(DIM);
          const found = index.querySync({ vector, mode, filter: conditions });
          const apart = await Promise.all([1, 2, 3].map(() => index.query({ vector, mode, filter: conditions })));
          assert.equal(found.stats.filter?.plan, 'mask');
          const bits = index.querySync({ vector, mode, filter: { rows } });
          // Last, since it makes a whole mask, whose memory goes to the next filter.
          const expected = index.querySync({ vector, mode, filter: { ids } });
          for (const { hits } of [found, bits, ...apart]) assert.deepEqual(hits, expected.hits);
        }
      }
      await index.close();
    });
  }
});

describe('rows in memory', () => {
  it('are read from disk where the system gives no memory for them', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'funnelvec-memory-'));
    const Shared = globalThis.SharedArrayBuffer;
    try {
      const dim = 1024;
      const index = await FunnelIndex.create(join(folder, 'index'), { dim, autoOptimize: false });
      const vectors = (seed: number, n: number) => {
        const random = new Random(seed);
        return new Float32Array(n * dim).map((_, i) => (i % 7 === 0 ? random.int(-9, 9) : 1));
      };
      const ids = (from: number, n: number) => Array.from({ length: n }, (_, i) => from + i);
      const first = vectors(1, 8400);
      // The first rows fit, without room to grow.
      globalThis.SharedArrayBuffer = class extends Shared {
        constructor(bytes: number) {
          if (bytes > 40 << 20) throw new RangeError('Array buffer allocation failed');
          super(bytes);
        }
      } as SharedArrayBufferConstructor;
      index.upsertSync({ ids: ids(0, 8400), vectors: first });
      assert.ok(index.stats().resident.rows > 0);
      const later = vectors(2, 2000);
      index.upsertSync({ ids: ids(8400, 2000), vectors: later });
      globalThis.SharedArrayBuffer = Shared;
      assert.equal(index.stats().resident.rows, 0);
      const vector = later.slice(1999 * dim);
      const { hits, stats } = index.querySync({ vector, mode: 'exact', limit: 1 });
      assert.ok(stats.certified && hits[0]!.score > 1 - 1e-9);
      assert.deepEqual(index.getSync([8400])[0]!.vector, later.slice(0, dim));
      await index.close();
    } finally {
      globalThis.SharedArrayBuffer = Shared;
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  });

  it('are those of one moment for a reader that follows during a search', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'funnelvec-follow-'));
    try {
      const random = new Random(SEED);
      const path = join(folder, 'index');
      const writer = await FunnelIndex.create(path, { dim: DIM, autoOptimize: false });
      const ids = [0, 1, 2, 3, 4];
      writer.upsertSync({ ids, vectors: random.vector(5 * DIM) });
      const reader = await FunnelIndex.open(path, { readOnly: true });
      for (let round = 0; round < 10; round++) {
        const asked = reader.query({ vector: random.vector(DIM), limit: 5 });
        writer.upsertSync({ ids, vectors: random.vector(5 * DIM) });
        assert.equal(reader.count, 5);
        assert.equal((await asked).hits.length, 5);
      }
      await reader.close();
      await writer.close();
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  });
});
