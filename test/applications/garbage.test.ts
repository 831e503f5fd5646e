/**
 * Memory that threads share goes back to the system when nobody has it any more. V8 counts none of it, so that nothing but the
 * index makes a thread look for it.
 */
// Runs alone: it measures the memory of its process.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { FunnelIndex } from 'funnelvec/store';
import { Random, SEED } from '../random.js';
import { newPath, range, until } from './model.js';

const DIM = 256;
const ROWS = 4000;
const ROUNDS = 40;
const ROW_BYTES = 4 * DIM * ROWS;
/** Bytes beside what there was at first. An index that kept them all had 150 MB in the end. */
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
    let most = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const opened = await FunnelIndex.open(path, { readOnly: true });
      await search(opened);
      await until('rows are in memory', () => opened.stats().resident.rows >= ROW_BYTES);
      await opened.close();
      await search(other);
      await pause(5);
      most = Math.max(most, process.memoryUsage().arrayBuffers - first);
    }
    assert.ok(most < MOST, `${most} bytes more of array buffers, not ${MOST}`);
  });
});
