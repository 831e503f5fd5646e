/** FunnelSearch over a source against a plain funnel in doubles, fed with the same hits: same ids, same scores. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Metric } from '../core/types.js';
import type { Plan } from '../funnel/plan.js';
import { FunnelSearch } from '../index.js';
import type { Backend, CollectionSpec, Row } from './backend.js';
import { random } from './data.js';
import { assertAgrees, oracleFunnel } from './funnel-oracle.js';
import { nameOfRun } from './suite-tools.js';

/** Rows and queries of a comparison. */
export interface FunnelData {
  /** Name of the test. */
  name: string;
  /** Dims of the head vectors. */
  headDim: number;
  /** The metric of the collection. */
  metric: Metric;
  /** With candidates: 128, of at least as many rows. */
  plan: Plan;
  /** Makes or reads them, once. */
  data(): Promise<{
    /** Dims of rows and queries. */
    dim: number;
    /** Rows, one after the other: their ids are 1, 2, … */
    vectors: Float32Array;
    /** Full vectors to search by. */
    queries: readonly Float32Array[];
  }>;
}

/** To be called inside the suite of a backend, while it runs. */
export function funnelConformance(backend: Backend, seed: number, more: readonly FunnelData[]): void {
  describe('FunnelSearch against the oracle', () => {
    for (const { name, headDim, metric, plan, data } of [...more, synthetic(seed)]) {
      test(name, { timeout: 120_000 }, async () => {
        const { dim, vectors, queries } = await data();
        const collection = `reference_${dim}_${nameOfRun()}`;
        const rows = asRows(vectors, dim);
        const heads = backend.supports.oneVector ? dim : headDim;
        const spec: CollectionSpec = { collection, metric, headDim: heads, dim, layout: 'full', ids: 'number', rows };
        await backend.create(spec);
        try {
          const search = new FunnelSearch({ source: backend.source({ collection }), plan, rescore: true });
          const plain = backend.source({ collection, decode: 'client' });
          for (const vector of queries) {
            const { hits } = await search.query({ vector });
            // The hits as the client itself decoded them.
            const { candidates } = await plain.head({ vector, candidates: plan.candidates! });
            const ids = Array.from(candidates.ids!);
            assert.equal(ids.length, 128);
            const pool = ids.map((_, i) => Array.from(candidates.vectors.slice(i * dim, (i + 1) * dim)));
            const want = oracleFunnel(pool, vector, { ...plan, metric }, { limit: plan.limit ?? 10 });
            assertAgrees(hits, want);
            assert.deepEqual(
              hits.map((hit) => hit.id),
              hits.map((hit) => ids[hit.index]),
            );
          }
        } finally {
          await backend.drop(collection);
        }
      });
    }
  });
}

/** The spectrum decays, as that of trained prefixes does. */
function synthetic(seed: number): FunnelData {
  const dim = 768;
  return {
    name: 'synthetic vectors, 768 dims',
    headDim: 128,
    metric: 'euclid',
    plan: { candidates: 128, scales: [256, 512, 768], keep: 0.5 },
    data: async () => {
      const next = random(seed);
      const gaussian = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
      const draw = (count: number) =>
        Float32Array.from({ length: count * dim }, (_, i) => gaussian() / Math.sqrt(1 + (i % dim) / 16));
      return { dim, vectors: draw(1000), queries: Array.from({ length: 15 }, () => draw(1)) };
    },
  };
}

function asRows(vectors: Float32Array, dim: number): Row[] {
  return Array.from({ length: vectors.length / dim }, (_, i) => ({
    id: i + 1,
    vector: vectors.slice(i * dim, (i + 1) * dim),
    title: `row ${i}`,
    n: i,
    even: i % 2 === 0,
  }));
}
