/**
 * FunnelSearch over a real server against the plain-double oracle fed with the same hits: same ids, same scores. On real
 * Matryoshka embeddings, and on synthetic ones of 768 dims.
 */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { FunnelSearch, type Metric, type Plan } from 'funnelvec';
import type { loadGlosses } from '../../scripts/data/glosses.mjs';
import { assertAgrees, oracleFunnel } from '../funnel/oracle.js';
import { Random, SEED } from '../random.js';
import type { Backend, Row, Spec } from '../sources/conformance.js';

interface Data {
  dim: number;
  rows: Row[];
  queries: Float32Array[];
}

interface Comparison {
  name: string;
  headDim: number;
  metric: Metric;
  plan: Plan;
  data(): Promise<Data>;
}

const comparisons: Comparison[] = [
  {
    name: 'WordLlama embeddings of WordNet glosses, 256 dims',
    headDim: 64,
    metric: 'cosine',
    plan: { candidates: 128, scales: [128, 192, 256], keep: 0.5, limit: 10 },
    data: glosses,
  },
  {
    name: 'synthetic vectors, 768 dims',
    headDim: 128,
    metric: 'euclid',
    plan: { candidates: 128, scales: [256, 512, 768], keep: 0.5 },
    data: synthetic,
  },
];

/** To be called inside the suite of a backend, while it runs. */
export function referenceComparison(backend: () => Backend): void {
  describe('FunnelSearch against the oracle', () => {
    for (const { name, headDim, metric, plan, data } of comparisons) {
      test(name, { timeout: 120_000 }, async () => {
        const { dim, rows, queries } = await data();
        const collection = `reference_${dim}`;
        const spec: Spec = { collection, metric, headDim, dim, layout: 'full', ids: 'number', rows };
        await backend().create(spec);
        try {
          const search = new FunnelSearch({ source: backend().source({ collection }), plan });
          const plain = backend().source({ collection, decode: 'client' });
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
          await backend().drop(collection);
        }
      });
    }
  });
}

async function glosses(): Promise<Data> {
  const path = pathToFileURL(resolve('scripts/data/glosses.mjs')).href;
  const module = (await import(path)) as { loadGlosses: typeof loadGlosses };
  const { dim, rows, queryRows } = await module.loadGlosses({ count: 3000 });
  const queries = Array.from({ length: 25 }, (_, i) => queryRows.slice(i * dim, (i + 1) * dim));
  return { dim, rows: asRows(rows, dim), queries };
}

/** The spectrum decays, as that of trained prefixes does. */
async function synthetic(): Promise<Data> {
  const random = new Random(SEED);
  const dim = 768;
  const draw = () => Float32Array.from({ length: dim }, (_, i) => random.gaussian() / Math.sqrt(1 + i / 16));
  const rows = Array.from({ length: 1000 }, draw);
  const packed = new Float32Array(rows.length * dim);
  rows.forEach((row, i) => {
    packed.set(row, i * dim);
  });
  return { dim, rows: asRows(packed, dim), queries: Array.from({ length: 15 }, draw) };
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
