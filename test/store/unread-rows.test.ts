/** Rows on disk that are not read, since those that were say that they are out of reach. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FunnelIndex, type IndexQuery } from 'funnelvec/store';
import { METRICS, type Metric } from '#dist/kernels/kernels.js';
import { Random, SEED } from '../random.js';

const DIM = 384;
const COUNT = 4000;
const folder = mkdtempSync(join(tmpdir(), 'funnelvec-unread-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
let paths = 0;

/** An index whose codes are in memory and whose rows are on disk, and one with all of it in memory. */
async function indexesOf(vectors: Float32Array, metric: Metric, options: object = {}) {
  const path = join(folder, String(paths++));
  const written = await FunnelIndex.create(path, { dim: DIM, metric, autoOptimize: false, ...options });
  const ids = Array.from({ length: vectors.length / written.dim }, (_, i) => i);
  await written.upsert({ ids, vectors });
  await written.optimize();
  await written.close();
  const lean = await FunnelIndex.open(path, { readOnly: true, memory: 1 });
  const whole = await FunnelIndex.create(':memory:', { dim: DIM, metric, autoOptimize: false, ...options });
  await whole.upsert({ ids, vectors });
  await whole.optimize();
  assert.equal(lean.stats().resident.rows, 0);
  return { lean, whole, close: () => Promise.all([lean.close(), whole.close()]) };
}

/** Rows around 50 centres, whose later dims matter less and are never nothing; `mean` is how far all lie from the origin. */
function madeRows(random: Random, mean: number): Float32Array {
  const at = (i: number) => 1 / Math.sqrt(4 + i);
  const centres = Array.from({ length: 50 }, () => Array.from({ length: DIM }, (_, i) => at(i) * random.gaussian()));
  const rows = new Float32Array(COUNT * DIM);
  for (let r = 0; r < COUNT; r++) {
    const centre = random.pick(centres);
    const length = random.pick([0.5, 1, 1.5]);
    for (let i = 0; i < DIM; i++) rows[r * DIM + i] = mean + length * (centre[i]! + 0.7 * at(i) * random.gaussian());
  }
  return rows;
}

function asked(random: Random, rows: Float32Array): Float32Array {
  const [a, b] = [random.int(0, COUNT - 1), random.int(0, COUNT - 1)];
  return Float32Array.from({ length: DIM }, (_, i) => 0.7 * rows[a * DIM + i]! + 0.3 * rows[b * DIM + i]!);
}

describe('rows on disk', () => {
  for (const metric of METRICS) {
    for (const mean of [0, 0.5]) {
      it(`are read while they may be among the best: ${metric}, ${mean} from the origin in each dim`, async () => {
        const random = new Random(SEED);
        const rows = madeRows(random, mean);
        const { lean, whole, close } = await indexesOf(rows, metric);
        const candidates = 120;
        let read = 0;
        let same = 0;
        const queries = 100;
        for (let q = 0; q < queries; q++) {
          const query: IndexQuery = { vector: asked(random, rows), limit: 10, params: { candidates } };
          const all = whole.querySync(query);
          const some = lean.querySync(query);
          assert.equal(all.stats.rowsRead, candidates);
          assert.ok(some.stats.rowsRead >= 14 && some.stats.rowsRead <= candidates);
          const stage = some.stats.stages.find(({ name }) => name === 'rows')!;
          assert.equal(stage.in, some.stats.rowsRead);
          read += some.stats.rowsRead / queries / candidates;
          const ids = new Set(all.hits.map(({ id }) => id));
          for (const { id } of some.hits) same += ids.has(id) ? 1 / (10 * queries) : 0;
        }
        assert.ok(read < 0.6, `${read} of the candidates are read`);
        assert.ok(same >= 0.995, `${same} of the hits are those of all candidates`);
        await close();
      });
    }
  }

  for (const metric of ['cosine', 'euclid'] as const) {
    it(`are read where their codes leave more open than those of the rows that were read first: ${metric}`, async () => {
      const dim = 2048;
      const random = new Random(SEED + 3);
      const at = Array.from({ length: 64 }, () => random.gaussian() / 8);
      const count = 3000;
      // Two hundred that codes know well, between queries and themselves as codes see these.
      const known = 200;
      const rows = new Float32Array(count * dim);
      for (let r = 0; r < count; r++) {
        for (let i = 0; i < dim; i++) {
          const shared = i < 64 ? at[i]! : 0;
          const own = i < 64 ? random.gaussian() : 0;
          const near = 0.6 * (r % 2 ? shared : 0.2 * shared) + 0.05 * own;
          rows[r * dim + i] = r < known ? shared + 0.01 * own : near + (0.8 * random.gaussian()) / Math.sqrt(dim);
        }
      }
      const { lean, whole, close } = await indexesOf(rows, metric, { dim });
      let read = 0;
      for (let r = known + 1; r < count; r += 100) {
        const vector = rows.slice(r * dim, (r + 1) * dim);
        const query: IndexQuery = { vector, limit: 1, params: { candidates: 400 } };
        assert.equal(whole.querySync(query).hits[0]!.id, r);
        const { hits, stats } = lean.querySync(query);
        assert.equal(hits[0]!.id, r);
        read += stats.rowsRead;
      }
      assert.ok(read < 28 * 400, `${read} rows are read`);
      await close();
    });
  }

  it('are all read where codes cannot tell them apart, and where all are asked for', async () => {
    const random = new Random(SEED + 1);
    const row = random.vector(DIM);
    const copies = new Float32Array(600 * DIM);
    for (let r = 0; r < 600; r++) copies.set(row, r * DIM);
    const { lean, whole, close } = await indexesOf(copies, 'cosine');
    const one: IndexQuery = { vector: random.vector(DIM), limit: 10, params: { candidates: 90 } };
    assert.equal(lean.querySync(one).stats.rowsRead, 90);
    assert.deepEqual(lean.querySync(one).hits, whole.querySync(one).hits);
    assert.equal(lean.querySync({ ...one, limit: 90 }).stats.rowsRead, 90);
    await close();
  });

  it('are left at once where hits must have a score that none has, and as without one where all have it', async () => {
    const random = new Random(SEED + 2);
    const rows = madeRows(random, 0);
    const { lean, whole, close } = await indexesOf(rows, 'cosine');
    const query: IndexQuery = { vector: asked(random, rows), limit: 10, params: { candidates: 120 } };
    const none = lean.querySync({ ...query, scoreThreshold: 1 });
    assert.deepEqual(none.hits, []);
    assert.equal(none.stats.rowsRead, 14);
    const plain = lean.querySync(query);
    assert.deepEqual(lean.querySync({ ...query, scoreThreshold: -1 }).hits, plain.hits);
    assert.deepEqual((await lean.query(query)).hits, plain.hits);
    assert.deepEqual(
      lean.queryBatchSync([query, query]).map(({ hits }) => hits),
      [plain.hits, plain.hits],
    );
    assert.ok(whole.querySync(query).hits.length === 10);
    await close();
  });
});
