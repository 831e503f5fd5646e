/** The experiment of `npm run bench:tune`, smaller: promises are kept on queries that tune() never saw, and not by waste. */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { FunnelSearch } from 'funnelvec';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import type { TuneOptions, TuneTarget } from 'funnelvec/tune';

interface Outcome {
  plans: number;
  kept: number;
  refused: number;
  /** Splits in which the promise was kept at no more than 1.3 times the least cost. */
  both: number;
  /** Candidates of the plan by those of the cheapest that would have done: median. */
  size: number;
}

interface Data {
  loadGlosses(options: { count: number }): Promise<{ dim: number; rows: Float32Array }>;
  loadSentences(options: { count: number }): Promise<{ rows: Float32Array }>;
}

interface Bench {
  experiment(given: {
    search: TuneOptions['search'];
    queries: Float32Array;
    target: Required<TuneTarget>;
    splits: number;
  }): Promise<Outcome>;
}

const load = async <T>(file: string) => (await import(pathToFileURL(resolve(file)).href)) as T;

let glosses: { dim: number; rows: Float32Array } | undefined;
let queries: Float32Array;
let why: unknown;
try {
  const data = await load<Data>('scripts/data/glosses.mjs');
  glosses = await data.loadGlosses({ count: 3000 });
  queries = (await data.loadSentences({ count: 2000 })).rows;
} catch (error) {
  if (process.env['CI']) throw error;
  why = error;
}

describe('Plans of tune() on 100 splits of 2,000 real queries', { skip: why ? `no embeddings: ${why}` : false }, () => {
  const target = { recall: 0.95, k: 10, confidence: 0.95, promise: 'mean' } as const;
  const open = async () => {
    const { dim, rows } = glosses!;
    const index = await FunnelIndex.create(':memory:', { dim, head: 64, autoOptimize: false });
    await index.upsert({ ids: Int32Array.from({ length: rows.length / dim }, (_, id) => id), vectors: rows });
    await index.optimize();
    return index;
  };

  for (const [name, searchOf] of [
    ['an index', (index: FunnelIndex) => index],
    ['a head of 128 dims', (index: FunnelIndex) => new FunnelSearch({ source: embeddedSource(index, { head: 128 }) })],
  ] as const) {
    it(`${name}: kept in at least 90, at most 1.3 times the cheapest`, async () => {
      const index = await open();
      const { experiment } = await load<Bench>('bench/tune/splits.mjs');
      const found = await experiment({ search: searchOf(index), queries, target, splits: 100 });
      await index.close();
      assert.ok(found.plans > 10);
      assert.ok(found.kept >= 90, `kept in ${found.kept} splits`);
      assert.ok(found.refused <= 10, `refused in ${found.refused}`);
      assert.ok(found.both >= 90, `kept at no more than 1.3 times the least cost in ${found.both} splits`);
      // Whatever time the rest of a search takes; a plan by eps has no number of candidates.
      assert.ok(!(found.size > 2), `${found.size} times as many candidates as it takes`);
    });
  }
});
