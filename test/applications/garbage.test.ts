/**
 * Memory that threads share goes back to the system when nobody has it any more. V8 counts none of it, so that nothing but the
 * index makes a thread look for it; and what is freed between blocks in use stays with malloc, where nobody asks it.
 */
// Runs alone: it measures the memory of its process.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { FunnelIndex } from 'funnelvec/store';
import { COLLECTED_EACH, sharedCounted } from '#dist/core/collection.js';
import { activeKernels } from '#dist/kernels/load.js';
import { buildInSlices } from '#dist/store/builder.js';
import { nativeFiles } from '#dist/store/files/native.js';
import { partsOf } from '#dist/store/parts.js';
import { Random, SEED } from '../random.js';
import { newPath, range, until } from './model.js';

const DIM = 256;
const ROWS = 4000;
const ROUNDS = 40;
const ROW_BYTES = 4 * DIM * ROWS;
/** Bytes beside what there was at first. An index that kept them all had 130 MB after three quarters of the rounds. */
const MOST = (ROUNDS * ROW_BYTES) / 2;

const random = new Random(SEED);
const ids = range(0, ROWS);
const queries = Array.from({ length: 32 }, () => random.vector(DIM));

async function newIndex(path: string): Promise<FunnelIndex> {
  const index = await FunnelIndex.create(path, { dim: DIM });
  await index.upsert({ ids, vectors: random.vector(ROWS * DIM) });
  return index;
}

/** In threads: so many are not short. */
async function search(index: FunnelIndex): Promise<void> {
  const answers = await index.queryBatch(queries.map((vector) => ({ vector, limit: 10, mode: 'exact' })));
  for (const { hits } of answers) assert.equal(hits.length, 10);
}

describe('shared memory that nobody has any more', { timeout: 120_000 }, () => {
  let other: FunnelIndex;

  before(async () => {
    other = await newIndex(newPath()); // while it is open and searched, threads stay
    await search(other);
  });
  after(() => other.close());

  it('goes back after an index was opened, searched in threads and closed', async () => {
    const path = newPath();
    await (await newIndex(path)).close();
    const first = process.memoryUsage().arrayBuffers;
    // Where a busy machine leaves a thread waiting, its memory goes back late: what counts is the least of the last rounds.
    let kept = Number.POSITIVE_INFINITY;
    for (let round = 0; round < ROUNDS; round++) {
      const opened = await FunnelIndex.open(path, { readOnly: true });
      await search(opened);
      await until('rows are in memory', () => opened.stats().resident.rows >= ROW_BYTES);
      await opened.close();
      await search(other);
      await pause(5);
      if (round >= 0.75 * ROUNDS) kept = Math.min(kept, process.memoryUsage().arrayBuffers - first);
    }
    assert.ok(kept < MOST, `${kept} bytes more of array buffers, not ${MOST}`);
  });
});

describe('memory of indexes that are closed, when nothing more is done', { timeout: 120_000 }, () => {
  const LARGE = 40;
  const WIDE = 1024;
  const rowsOf = (i: number) => 384 + 16 * i;
  /** 1.5 to 4 MB each. */
  const BYTES = range(0, LARGE).reduce((sum, i) => sum + 4 * WIDE * rowsOf(i), 0);
  const vectors = random.vector(WIDE * rowsOf(LARGE));
  const inMemory = async (rows: number) => {
    const index = await FunnelIndex.create(':memory:', { dim: WIDE });
    await index.upsert({ ids: range(0, rows), vectors: vectors.subarray(0, WIDE * rows) });
    return index;
  };

  it('is looked for, also where it is little', async () => {
    const rows = 1000;
    /** Bytes of array buffers while it is open: once it is closed, a collection may come before anybody looks. */
    const openAndClose = async () => {
      const index = await inMemory(rows);
      const bytes = process.memoryUsage().arrayBuffers;
      await index.close();
      return bytes;
    };
    await openAndClose();
    globalThis.gc?.();
    await pause(100);
    const first = process.memoryUsage().arrayBuffers;
    const most = (await openAndClose()) - first;
    assert.ok(most >= 4 * WIDE * rows, `${most} bytes for ${rows} rows`);
    await until('it has gone', () => process.memoryUsage().arrayBuffers - first < 2 << 20);
  });

  const skip =
    nativeFiles().trimMemory === undefined && 'malloc of this system gives back by itself, or cannot be asked';

  it('goes back to the system though others lie between', { skip }, async () => {
    // From then on blocks of this size lie between small ones.
    await (await inMemory(rowsOf(LARGE))).close();
    const small = [await inMemory(1)];
    globalThis.gc?.();
    const first = process.memoryUsage.rss();
    const large: FunnelIndex[] = [];
    for (const i of range(0, LARGE)) {
      large.push(await inMemory(rowsOf(i)));
      small.push(await inMemory(1));
    }
    const most = process.memoryUsage.rss() - first;
    assert.ok(most > 0.8 * BYTES, `${most} bytes for ${BYTES} bytes of rows`);
    for (const index of large.splice(0)) await index.close();
    await pause(10);
    globalThis.gc?.(); // a busy machine takes its time for that
    await until('it has gone back', () => process.memoryUsage.rss() - first < BYTES / 3);
    for (const index of small) assert.equal(index.count, 1);
    for (const index of small) await index.close();
  });
});

describe('a reason to look for garbage', { timeout: 120_000 }, () => {
  const WIDE = 512;
  const MANY = 20_000;

  it('is not the rows and codes of a first build, which stay, but those that another one replaces', async () => {
    const index = await FunnelIndex.create(newPath(), { dim: WIDE, autoOptimize: false, threads: 1 });
    try {
      const first = sharedCounted();
      await index.upsert({ ids: range(0, MANY), vectors: random.vector(MANY * WIDE) });
      await index.optimize();
      const { resident } = index.stats();
      assert.ok(resident.rows > COLLECTED_EACH, `${resident.rows} bytes of rows`);
      assert.ok(resident.codes > COLLECTED_EACH / 4, `${resident.codes} bytes of codes`);
      const counted = sharedCounted() - first;
      assert.ok(counted < COLLECTED_EACH / 4, `${counted} bytes counted, of ${resident.rows + resident.codes}`);
      await index.upsert({ ids: [MANY], vectors: random.vector(WIDE) });
      await index.optimize();
      const more = sharedCounted() - first - counted;
      assert.ok(more > resident.codes, `${more} bytes counted for ${resident.codes} that went`);
    } finally {
      await index.close();
    }
  });

  it('is the room of a build that ends early, wherever that happens', async () => {
    const index = await FunnelIndex.create(newPath(), { dim: WIDE, autoOptimize: false });
    try {
      await index.upsert({ ids: range(0, MANY), vectors: random.vector(MANY * WIDE) });
      const { live, codes } = partsOf(index);
      const options = { dim: WIDE, metric: index.metric, rotation: 'none', head: 64, width: 128, full: true } as const;
      for (const where of ['between two slices', 'in a slice']) {
        const first = sharedCounted();
        let isEncoding = false;
        const end = () => {
          if (isEncoding) throw new Error('ended');
        };
        const build = buildInSlices(
          live,
          activeKernels(),
          codes,
          options,
          ({ phase }) => {
            isEncoding = phase === 'encode';
            if (where === 'in a slice') end();
          },
          end,
        );
        await assert.rejects(build, /ended/);
        const counted = sharedCounted() - first;
        assert.ok(counted > MANY * (WIDE + 64), `${counted} bytes counted, ${where}`);
      }
    } finally {
      await index.close();
    }
  });
});
