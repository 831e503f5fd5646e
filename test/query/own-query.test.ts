/** Plain searches over an index are answered by its own query, and tell what the steps of all other searches tell. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FunnelSearch } from 'funnelvec';
import type { Source } from 'funnelvec/source';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';

const DIM = 16;
const ROWS = 400;

/** Rows that differ; some without a payload. */
async function made(metric: 'cosine' | 'dot' | 'euclid', optimized: boolean): Promise<FunnelIndex> {
  const index = await FunnelIndex.create(':memory:', { dim: DIM, metric });
  await index.upsert(
    Array.from({ length: ROWS }, (_, i) => ({
      id: i,
      vector: vectorOf(i),
      ...(i % 3 !== 0 && { payload: { n: i, deep: { odd: i % 2 } } }),
    })),
  );
  if (optimized) await index.optimize();
  await index.delete([5, 6, 7]);
  return index;
}

function vectorOf(seed: number): Float32Array {
  return Float32Array.from({ length: DIM }, (_, d) => Math.sin(seed * 1.7 + d * (1 + (seed % 7))));
}

/** The same source with a head search that somebody has put around its own. */
function wrapped(source: Source): { source: Source; asked: () => number } {
  let asked = 0;
  const own = Object.create(source) as Source & { head: Source['head'] };
  own.head = (request) => {
    asked++;
    return source.head(request);
  };
  for (const name of ['info', 'fetch', 'full', 'scan', 'idOf', 'count', 'headBatch'] as const) {
    const member = source[name] as ((...args: unknown[]) => unknown) | undefined;
    if (member) Object.defineProperty(own, name, { value: member.bind(source) });
  }
  return { source: own, asked: () => asked };
}

const withoutTimes = (value: unknown) =>
  JSON.parse(JSON.stringify(value, (key, one) => (key === 'ms' ? undefined : one))) as unknown;

describe('a plain search over an index', () => {
  for (const metric of ['cosine', 'dot', 'euclid'] as const) {
    for (const optimized of [true, false]) {
      it(`tells the same by the index's own query, ${metric}, ${optimized ? 'with' : 'without'} codes`, async () => {
        const index = await made(metric, optimized);
        try {
          const source = embeddedSource(index);
          const other = wrapped(source);
          const requests = [
            {},
            { limit: 3 },
            { limit: 1000 },
            { limit: 4, withPayload: true },
            { limit: 4, nativeFilter: { ids: [1, 2, 3] } },
            { limit: 4, scoreThreshold: 0.5 },
            { limit: 4, withPayload: ['deep.odd'] },
            { limit: 5, plan: { scales: [DIM], keep: 1, candidates: 40 } },
            { limit: 5, plan: { scales: [4, DIM], keep: 0.5, candidates: 40 } },
          ];
          for (const [i, request] of requests.entries()) {
            const asked = { vector: vectorOf(1000 + i), ...request };
            const mine = await new FunnelSearch({ source }).query(asked);
            const theirs = await new FunnelSearch({ source: other.source }).query(asked);
            assert.deepEqual(withoutTimes(mine), withoutTimes(theirs), JSON.stringify(request));
            assert.deepEqual(mine.hits, theirs.hits);
          }
          assert.equal(other.asked(), requests.length, 'a wrapped head search is asked');
        } finally {
          await index.close();
        }
      });
    }
  }

  it('refuses what the others refuse, as they do', async () => {
    const index = await made('cosine', true);
    const search = new FunnelSearch({ source: embeddedSource(index) });
    await assert.rejects(search.query({ vector: new Float32Array(DIM) }), { code: 'ZERO_QUERY' });
    await assert.rejects(search.query({ vector: new Float32Array(3).fill(1) }), { code: 'BAD_DIMS' });
    await index.close();
    await assert.rejects(search.query({ vector: vectorOf(1) }), { code: 'CLOSED' });
  });
});
