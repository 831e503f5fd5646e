/** Rows far from the origin: codes are taken of what rows differ in, so that a shift costs neither hits nor reads. */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readdirSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { FunnelIndex, type FunnelIndexOptions } from 'funnelvec/store';
import { METRICS, type Metric } from '#dist/kernels/kernels.js';
import { Random, SEED } from '../random.js';

const DIM = 96;
const COUNT = 4000;
const RATIOS = [1, 10, 100, 1000, 20_000];

/** Rows and queries around the origin, of decaying spread over the dims. */
function centred(random: Random, count: number): Float32Array {
  return random.vector(count * DIM).map((value, i) => value * Math.exp((-3 * (i % DIM)) / DIM));
}

/** Every dim plus or minus so many times the mean spread. */
function shifted(rows: Float32Array, ratio: number): Float32Array {
  return rows.map((value, i) => value + 0.4 * ratio * ((i % DIM) % 3 === 0 ? -1 : 1));
}

interface Found {
  recall: number;
  read: number;
}

async function measure(
  rows: Float32Array,
  queries: Float32Array,
  options: Partial<FunnelIndexOptions>,
  params?: { candidates: number },
): Promise<Found> {
  const index = await FunnelIndex.create(':memory:', { dim: DIM, autoOptimize: false, head: 32, ...options });
  const count = rows.length / DIM;
  index.upsertSync({ ids: Array.from({ length: count }, (_, i) => i), vectors: rows });
  index.optimizeSync();
  let hits = 0;
  let read = 0;
  const n = queries.length / DIM;
  for (let q = 0; q < n; q++) {
    const vector = queries.slice(q * DIM, (q + 1) * DIM);
    const exact = index.querySync({ vector, mode: 'exact' });
    const last = exact.hits.at(-1)!.score;
    const funnel = index.querySync({ vector, ...(params && { params }) });
    hits += funnel.hits.filter(({ score }) => (options.metric === 'euclid' ? score <= last : score >= last)).length;
    read += exact.stats.rowsRead;
  }
  await index.close();
  return { recall: hits / (10 * n), read: read / n };
}

describe('a mean far larger than the spread', () => {
  const random = new Random(SEED);
  const rows = centred(random, COUNT);
  /** Rows, moved. */
  const queries = centred(random, 12).map((value, i) => 0.5 * value + rows[300 * (i - (i % DIM)) + (i % DIM)]!);

  for (const metric of METRICS) {
    it(`costs neither hits of mode funnel nor reads of mode exact (${metric})`, async () => {
      const at = await measure(rows, queries, { metric });
      assert.ok(at.recall > 0.95, `${at.recall}`);
      for (const ratio of RATIOS) {
        const { recall, read } = await measure(shifted(rows, ratio), shifted(queries, ratio), { metric });
        assert.ok(recall > 0.95, `recall ${recall} at ${ratio}`);
        // Another place has other neighbours where cosines or products decide; distances stay as they are.
        const most = metric === 'dot' ? 12 : metric === 'cosine' ? 4 : 1.5;
        assert.ok(read < most * Math.max(30, at.read), `${read} rows read at ${ratio}, ${at.read} at the origin`);
      }
    });
  }

  const heads: [string, Partial<FunnelIndexOptions>][] = [
    ["head 'int8'", { head: 'int8' }],
    ["head 'binary'", { head: 'binary' }],
    ['a prefix as head', { head: { prefix: 48 } }],
    ["rotation 'none'", { rotation: 'none' }],
    ['lists', { lists: 8 }],
  ];
  for (const [name, options] of heads) {
    for (const metric of ['cosine', 'euclid'] as Metric[]) {
      it(`leaves ${name} what it finds around the origin (${metric})`, async () => {
        const params = { candidates: 60 };
        const at = await measure(rows, queries, { metric, ...options }, params);
        const away = await measure(shifted(rows, 1000), shifted(queries, 1000), { metric, ...options }, params);
        assert.ok(at.recall > 0.4, `${at.recall}`);
        assert.ok(away.recall > at.recall - 0.15, `${away.recall}, ${at.recall} at the origin`);
      });
    }
  }

  it("takes queries of rotation 'balanced' as they are, lengths included", async () => {
    for (const metric of METRICS) {
      const index = await FunnelIndex.create(':memory:', {
        dim: DIM,
        metric,
        autoOptimize: false,
        rotation: 'balanced',
      });
      const far = shifted(rows, 100);
      index.upsertSync({ ids: Array.from({ length: COUNT }, (_, i) => i), vectors: far });
      index.optimizeSync({ queries: shifted(queries, 100) });
      const { hits, stats } = index.querySync({ vector: far.slice(0, DIM), mode: 'exact' });
      assert.equal(hits.length, 10);
      assert.ok(stats.rowsRead < COUNT / 4, `${stats.rowsRead}`);
      await index.close();
    }
  });

  it('is a part of the file: an index that is opened again answers alike; older codes have none and are read', async (t) => {
    for (const [ratio, format] of [
      [0, 2],
      [300, 3],
    ] as const) {
      for (const options of [{}, { head: { prefix: 32 } }, { metric: 'euclid' }] as Partial<FunnelIndexOptions>[]) {
        const folder = join(temporaryFolder(t), 'index');
        const index = await FunnelIndex.create(folder, { dim: DIM, autoOptimize: false, ...options });
        await index.upsert({
          ids: Array.from({ length: 600 }, (_, i) => i),
          vectors: shifted(rows.slice(0, 600 * DIM), ratio),
        });
        await index.optimize();
        const answers = (of: FunnelIndex) =>
          (['exact', 'funnel'] as const).map((mode) => {
            const { hits, stats } = of.querySync({ vector: shifted(queries, ratio).slice(0, DIM), mode });
            return [hits, stats.stages, stats.rowsRead];
          });
        const before = answers(index);
        const { agreement } = index.stats();
        await index.close();
        const again = await FunnelIndex.open(folder);
        assert.deepEqual(answers(again), before);
        assert.equal(again.stats().agreement, agreement);
        await again.close();
        const file = join(folder, readdirSync(folder).find((name) => name.startsWith('seg-'))!);
        assert.equal(formatOf(file), format);
      }
    }
  });

  it('is refused by name in a format to come', async (t) => {
    const folder = join(temporaryFolder(t), 'index');
    const index = await FunnelIndex.create(folder, { dim: DIM, autoOptimize: false });
    await index.upsert({ ids: [1, 2, 3], vectors: rows.slice(0, 3 * DIM) });
    await index.optimize();
    await index.close();
    const file = join(folder, readdirSync(folder).find((name) => name.startsWith('seg-'))!);
    formatOf(file, 5);
    await assert.rejects(FunnelIndex.open(folder), {
      code: 'UNSUPPORTED_FORMAT',
      message: /format 2 or 3 or 4.*seg-.*not 5/,
    });
  });
});

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-mean-'));
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** The format in the header; or another written there. */
function formatOf(file: string, write?: number): number {
  const fd = openSync(file, 'r+');
  const bytes = Buffer.alloc(4);
  readSync(fd, bytes, 0, 4, 8);
  const format = bytes.readUInt32LE();
  if (write !== undefined) {
    bytes.writeUInt32LE(write);
    writeSync(fd, bytes, 0, 4, 8);
  }
  closeSync(fd);
  return format;
}

describe('codes that say nothing', () => {
  const random = new Random(SEED);
  const centres = Array.from({ length: 8 }, () => random.vector(DIM));
  const clusters = new Float32Array(2000 * DIM);
  for (let r = 0; r < 2000; r++) {
    const centre = random.pick(centres);
    for (let j = 0; j < DIM; j++) clusters[r * DIM + j] = centre[j]! + 1e-4 * random.gaussian();
  }

  async function indexOf(rows: Float32Array, metric: Metric): Promise<FunnelIndex> {
    const index = await FunnelIndex.create(':memory:', { dim: DIM, metric, autoOptimize: false });
    await index.upsert({ ids: Array.from({ length: rows.length / DIM }, (_, i) => i), vectors: rows });
    await index.optimize();
    return index;
  }

  for (const metric of ['cosine', 'euclid'] as const) {
    it(`are reported in words, and mode funnel loses no hit to them unless it is told how many to read (${metric})`, async () => {
      const index = await indexOf(clusters, metric);
      const { agreement, warning } = index.stats();
      assert.ok(agreement !== undefined && agreement < 0.25, `${agreement}`);
      assert.match(warning!, /hardly tell rows apart.*holds \d+ %.*may read many rows/);
      const vector = clusters.slice(0, DIM);
      const exact = index.querySync({ vector, mode: 'exact' });
      for (const answer of [
        index.querySync({ vector }),
        await index.query({ vector }),
        (await index.queryBatch([{ vector }]))[0]!,
      ]) {
        assert.deepEqual(answer.hits, exact.hits);
        assert.equal(answer.stats.certified, true);
      }
      const told = index.querySync({ vector, params: { candidates: 20 } });
      assert.equal(told.stats.rowsRead, 20);
      assert.equal(told.stats.certified, false);
      await index.close();
    });
  }

  it('are not what equal rows, rows without structure, or rows far away have', async () => {
    const one = random.vector(DIM);
    for (const rows of [
      new Float32Array(1000 * DIM).map((_, i) => one[i % DIM]!),
      random.vector(1000 * DIM),
      random.vector(1000 * DIM, 50).map((value) => value + 1e6),
      random.vector(1000 * DIM, 1e-7).map((value) => value + 1),
    ]) {
      const index = await indexOf(rows, 'cosine');
      const { agreement, warning } = index.stats();
      assert.ok(agreement! > 0.4, `${agreement}`);
      assert.equal(warning, undefined);
      assert.equal(index.querySync({ vector: rows.slice(0, DIM) }).stats.certified, false);
      await index.close();
    }
  });
});
