/** How far a search without params reaches is measured against all rows, so that it finds nearly all of them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FunnelIndex, type FunnelIndexOptions, type IndexQuery } from 'funnelvec/store';
import { getCodeKernels } from '#dist/kernels/codes-load.js';
import type { Segment } from '#dist/store/engine/segment.js';
import { runNow } from '#dist/store/files/step.js';
import { partsOf } from '#dist/store/parts.js';
import { loadSegment, segmentSections } from '#dist/store/segment-file.js';
import { Random, SEED } from '../random.js';
import { refused } from '../refused.js';
import { glosses } from '../train/data.js';

async function indexOf(vectors: Float32Array, dim: number, options: Partial<FunnelIndexOptions> = {}) {
  const index = await FunnelIndex.create(':memory:', { dim, autoOptimize: false, ...options });
  await index.upsert({ ids: Array.from({ length: vectors.length / dim }, (_, i) => i), vectors });
  await index.optimize();
  return index;
}

/** The share of the best rows that a search in mode 'funnel' finds. */
function recall(index: FunnelIndex, queries: readonly Float32Array[], query: Partial<IndexQuery> = {}): number {
  let found = 0;
  for (const vector of queries) {
    const { params: _, ...rest } = query;
    const truth = new Set(index.querySync({ vector, mode: 'exact', ...rest }).hits.map(({ id }) => id));
    found += index.querySync({ vector, ...query }).hits.filter(({ id }) => truth.has(id)).length / truth.size;
  }
  return found / queries.length;
}

function segmentOf(index: FunnelIndex): Segment {
  return partsOf(index).live.segments[0]!;
}

/** Rows of lengths that differ by far, in no neighbourhoods. */
function madeRows(dim: number, count: number) {
  const random = new Random(SEED + 20);
  const rows = new Float32Array(count * dim);
  for (let r = 0; r < count; r++) {
    const length = Math.exp(random.gaussian());
    for (let j = 0; j < dim; j++) rows[r * dim + j] = length * random.gaussian();
  }
  const queries = Array.from({ length: 100 }, () => Float32Array.from({ length: dim }, () => random.gaussian()));
  return { rows, queries };
}

describe('a search without params', () => {
  for (const limit of [10, 100]) {
    it(`finds .99 of the ${limit} nearest of real rows whose head codes tell little`, async (t) => {
      const data = await glosses(3000);
      if (typeof data === 'string') return t.skip(data);
      const { rows, queryRows, dim } = data;
      const queries = Array.from({ length: 200 }, (_, i) => queryRows.slice(i * dim, (i + 1) * dim));
      const index = await indexOf(rows, dim);
      const share = recall(index, queries, { limit });
      assert.ok(share >= 0.99, `${share}`);
      await index.close();
    });
  }

  it('visits as many lists as find the nearest rows, where a few and a walk do not', async () => {
    const dim = 64;
    const { rows, queries } = madeRows(dim, 6000);
    const index = await indexOf(rows, dim, { head: 64, lists: 120 });
    const share = recall(index, queries);
    assert.ok(share >= 0.98, `${share}`);
    await index.close();
  });

  it('picks more by head codes only where nobody says how many', async (t) => {
    const data = await glosses(3000);
    if (typeof data === 'string') return t.skip(data);
    const { rows, queryRows, dim } = data;
    const index = await indexOf(rows, dim);
    const { depth } = segmentOf(index);
    assert.ok(depth! > 1);
    const pickedBy = (params?: IndexQuery['params']) =>
      index.querySync({ vector: queryRows.slice(0, dim), params }).stats.stages.find(({ name }) => name === 'head')!
        .out;
    assert.equal(pickedBy(), 96 * depth!);
    assert.equal(pickedBy({ candidates: 32 }), 96);
    await index.close();
  });

  it('picks no more by head codes where more would find nothing more: rows that are each there a hundred times', async () => {
    const dim = 64;
    const { rows } = madeRows(dim, 40);
    const copies = new Float32Array(100 * rows.length);
    for (let i = 0; i < 100; i++) copies.set(rows, i * rows.length);
    const index = await indexOf(copies, dim);
    const { depth } = segmentOf(index);
    assert.ok(depth !== undefined && depth <= 2, `${depth}`);
    await index.close();
  });

  it('picks so many again from a file, once from an older one, and never a number that makes no sense', async () => {
    const index = await indexOf(madeRows(64, 2000).rows, 64);
    const sections = new Map<string, Uint8Array>();
    for (const { name, bytes } of segmentSections(segmentOf(index))) sections.set(name, bytes);
    const { depth, ...meta } = JSON.parse(Buffer.from(sections.get('meta')!).toString());
    const load = (changed: object) => {
      sections.set('meta', Buffer.from(JSON.stringify({ ...meta, ...changed })));
      // biome-ignore lint/correctness/useYield: steps of one who never waits
      const read = function* (name: string, into?: Uint8Array) {
        into?.set(sections.get(name)!);
        return into ?? sections.get(name)!;
      };
      return runNow(loadSegment(getCodeKernels('js'), 'a segment', read, () => true, true));
    };
    assert.equal(load({ depth }).depth, segmentOf(index).depth);
    assert.equal(load({}).depth, undefined);
    for (const wrong of [0, -1, 1.5, '2']) assert.throws(() => load({ depth: wrong }), refused('CORRUPT', /meta/));
    await index.close();
  });
});
