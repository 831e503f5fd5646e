/** The option `memory`: what is kept of an index on disk, and that no answer depends on it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';
import { Random, SEED } from '../random.js';

const DIM = 64;
const folder = mkdtempSync(join(tmpdir(), 'funnelvec-memory-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
let paths = 0;
const newPath = () => join(folder, String(paths++));
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

/** Answers that show every row, in any order. */
function answersOf(index: FunnelIndex, random: Random) {
  const queries = Array.from({ length: 8 }, () => ({ vector: random.vector(DIM), mode: 'exact' as const, limit: 40 }));
  const ids = index.scrollSync({ limit: 100_000, withPayload: false }).points.map(({ id }) => id);
  const rows = index.getSync(ids);
  const by = [...queries.map((query) => ({ ...query, filter: { ids: ids.slice(0, ids.length / 2) } }))];
  return {
    rows,
    hits: [...index.queryBatchSync(queries), ...index.queryBatchSync(by)].map(({ hits }) => hits),
  };
}

for (const precision of ['float32', 'float16'] as const) {
  describe(`an index of ${precision} opened with memory`, () => {
    it('keeps as much as that, codes first, and answers the same bits', async () => {
      const random = new Random(SEED);
      const path = newPath();
      const index = await FunnelIndex.create(path, { dim: DIM, precision, autoOptimize: false });
      await index.upsert({ ids: range(0, 5000), vectors: random.vector(5000 * DIM) });
      await index.delete(range(0, 5000).filter((id) => id % 3 === 0));
      await index.optimize(); // the files are compacted, with gaps
      await index.upsert({ ids: range(5000, 6500), vectors: random.vector(1500 * DIM) });
      const wanted = answersOf(index, new Random(1));
      await index.close();
      const { resident: all } = await FunnelIndex.open(path, { readOnly: true }).then(async (one) => {
        const stats = one.stats();
        await one.close();
        return stats;
      });
      for (const share of [0.05, 0.3, 0.5, 0.8, 0.97]) {
        for (const readOnly of [false, true]) {
          const lean = await FunnelIndex.open(path, { readOnly, memory: 1, autoOptimize: false });
          const { codes } = lean.stats().resident; // without those of all dims
          await lean.close();
          const memory = Math.round(codes + share * all.rows);
          const one = await FunnelIndex.open(path, { readOnly, memory, autoOptimize: false });
          const { resident } = one.stats();
          const sum = resident.codes + resident.rows;
          assert.ok(sum <= 1.1 * memory, `${sum} bytes for memory: ${memory}`);
          assert.ok(sum >= 0.85 * memory, `${sum} bytes alone for memory: ${memory}`);
          assert.deepEqual(answersOf(one, new Random(1)), wanted);
          assert.deepEqual(
            await one.query({ vector: random.vector(DIM), mode: 'exact' }).then(({ hits }) => hits.length),
            10,
          );
          await one.close();
        }
      }
    });
  });
}

describe('an application that limits memory', () => {
  it('stays within it while it writes, builds and compacts, with the rows that it would have', async () => {
    const random = new Random(SEED + 1);
    const path = newPath();
    const memory = 700_000;
    const index = await FunnelIndex.create(path, { dim: DIM, memory, autoOptimize: false });
    const plain = await FunnelIndex.create(':memory:', { dim: DIM, autoOptimize: false });
    const reader = await FunnelIndex.open(path, { readOnly: true, memory: 300_000 });
    let wasSplit = 0;
    for (let round = 0; round < 14; round++) {
      const from = 400 * random.int(0, 9);
      const batch = { ids: range(from, from + 400), vectors: random.vector(400 * DIM) };
      for (const one of [index, plain]) await one.upsert(batch);
      const dead = range(from, from + 30);
      for (const one of [index, plain]) await one.delete(dead);
      if (round % 4 === 3) await index.optimize();
      const vector = random.vector(DIM);
      for (const one of [index, reader]) {
        const { resident, files } = one.stats();
        const limit = one === index ? memory : 300_000;
        // Codes are there in any case.
        assert.ok(resident.rows + resident.codes <= Math.max(1.1 * limit, resident.codes), JSON.stringify(resident));
        if (resident.rows > 0 && resident.rows < files.rows / 2) wasSplit++;
        const shown = (from: FunnelIndex) =>
          from
            .querySync({ vector, mode: 'exact', limit: 30, withVector: true })
            .hits.map(({ id, score, vector }) => [id, score, vector]);
        assert.deepEqual(shown(one), shown(plain));
        const { hits } = await one.query({ vector, mode: 'exact', limit: 30 });
        assert.deepEqual(
          hits.map(({ id }) => id),
          shown(plain).map(([id]) => id),
        );
      }
    }
    assert.ok(wasSplit > 3, 'memory never held some of the rows');
    for (const one of [reader, index, plain]) await one.close();
  });

  it('has rows give way to the codes of a build before it begins, so that they never take more together', async () => {
    const random = new Random(SEED + 3);
    const [count, memory] = [20_000, 20_000 * 4 * DIM];
    const path = newPath();
    const index = await FunnelIndex.create(path, { dim: DIM, memory, lists: 64, autoOptimize: false });
    for (let from = 0; from < count; from += 4000) {
      await index.upsert({ ids: range(from, from + 4000), vectors: random.vector(4000 * DIM) });
    }
    const wanted = answersOf(index, new Random(1));
    const all = index.stats().resident.rows;
    const during: number[] = [];
    await index.optimize({ onProgress: ({ phase }) => phase === 'encode' && during.push(index.stats().resident.rows) });
    const { codes, rows } = index.stats().resident;
    assert.ok(all > 0.9 * memory, `${all} bytes of rows before`);
    assert.ok(
      during.length > 0 && Math.max(...during) + codes <= 1.1 * memory,
      `${during} bytes of rows, ${codes} of codes`,
    );
    assert.ok(rows + codes >= 0.85 * memory, `${rows} bytes of rows and ${codes} of codes afterwards`);
    assert.deepEqual(answersOf(index, new Random(1)), wanted);
    await index.close();
    // While rows come into memory, too.
    const again = await FunnelIndex.open(path, { memory, autoOptimize: false });
    await again.optimize();
    const { resident } = again.stats();
    assert.ok(resident.rows + resident.codes <= 1.1 * memory, JSON.stringify(resident));
    assert.deepEqual(answersOf(again, new Random(1)), wanted);
    await again.close();
  });

  it('is told where codes alone take more', async () => {
    const random = new Random(SEED + 2);
    const path = newPath();
    const index = await FunnelIndex.create(path, { dim: DIM, memory: 1000, autoOptimize: false });
    await index.upsert({ ids: range(0, 2000), vectors: random.vector(2000 * DIM) });
    assert.equal(index.stats().warning, undefined);
    await index.optimize();
    const { warning, resident } = index.stats();
    assert.match(warning!, new RegExp(`The codes take ${resident.codes} bytes.*memory allows \\(1000\\)`));
    assert.equal(resident.rows, 0);
    await index.close();
    const roomy = await FunnelIndex.open(path, { memory: 10e6 });
    assert.equal(roomy.stats().warning, undefined);
    await roomy.close();
  });
});

describe('codes of all dims', () => {
  it('are built where memory may hold them, and answers do not depend on it', async () => {
    const [dim, count] = [320, 2000]; // more dims than are rotated
    const random = new Random(SEED + 2);
    const path = newPath();
    const vectors = random.vector(count * dim);
    const plain = await FunnelIndex.create(':memory:', { dim, autoOptimize: false });
    await plain.upsert({ ids: range(0, count), vectors });
    await plain.optimize();
    const queries = Array.from({ length: 8 }, () => ({
      vector: random.vector(dim),
      mode: 'exact' as const,
      limit: 40,
    }));
    const wanted = plain.queryBatchSync(queries).map(({ hits }) => hits);
    const sizes: number[] = [];
    for (const memory of [dim * count, 8 * dim * count, dim * count]) {
      const index =
        sizes.length === 0
          ? await FunnelIndex.create(path, { dim, memory, autoOptimize: false })
          : await FunnelIndex.open(path, { memory, autoOptimize: false });
      if (sizes.length === 0) await index.upsert({ ids: range(0, count), vectors });
      // With what the build of before has or lacks.
      else
        assert.deepEqual(
          index.queryBatchSync(queries).map(({ hits }) => hits),
          wanted,
        );
      await index.optimize();
      sizes.push(index.stats().files.segments);
      assert.deepEqual(
        index.queryBatchSync(queries).map(({ hits }) => hits),
        wanted,
      );
      await index.close();
    }
    const [without, all, again] = sizes as [number, number, number];
    assert.ok(all - without > dim * count && all - without < 1.1 * dim * count, sizes.join());
    assert.equal(again, without);
    await plain.close();
  });
});
