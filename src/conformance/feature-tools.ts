/** Tools of the tests of features: collections with rich payloads, searches over them, and the oracle's answers. */
import assert from 'node:assert/strict';
import type { Hit, Id, Metric } from '../core/types.js';
import { FunnelSearch, type GroupsResult, type SearchRequest } from '../index.js';
import type { Source } from '../query/source/source.js';
import type { Backend, CollectionSpec, Extra, OpenOptions, Row } from './backend.js';
import { COUNT, DIM, random, randomVector, richRows } from './data.js';
import { naiveGroups, naiveScore, naiveStrategy } from './ranking-oracle.js';

/** Pools hold every row, and nothing is pruned: answers are those of a scan. */
export const PLAN = { scales: [DIM], keep: 1, candidates: 128 };

export type Make = (key: string, part?: Partial<CollectionSpec>) => Promise<CollectionSpec>;
export type Open = (spec: CollectionSpec, options?: Partial<OpenOptions>) => Source;
export type It = (name: string, body: () => Promise<void>, skip?: string | false) => void;

export type FeatureTools = ReturnType<typeof featureTools>;

export function featureTools(backend: Backend, make: Make, open: Open) {
  const made = new Map<string, Promise<CollectionSpec>>();
  const shared = (key: string, part: Partial<CollectionSpec> = {}): Promise<CollectionSpec> => {
    if (!made.has(key)) made.set(key, make(`features_${key}`, { rows: richRows(COUNT), ...part }));
    return made.get(key)!;
  };
  const rich = (metric: Metric = 'cosine') => shared(`rich_${metric}`, { metric });
  const searchOver = (spec: CollectionSpec, options?: Partial<OpenOptions>) =>
    new FunnelSearch({ source: open(spec, options), plan: PLAN, rescore: true });
  const vector = randomVector(DIM, random(77));
  const id = (row: Row) => backend.idOf(row);
  /** The same as callers write it: the number itself, but where the source has texts for numbers. */
  const written = (row: Row): Id => (backend.supports.idKinds.number === 'string' ? id(row) : row.id);

  /** Best first. */
  const ranked = (
    spec: CollectionSpec,
    keep: (row: Row) => boolean = () => true,
    query: ArrayLike<number> = vector,
  ) => {
    const sign = spec.metric === 'euclid' ? 1 : -1;
    return spec.rows
      .filter(keep)
      .map((row) => ({ row, score: naiveScore(spec.metric, query, row.vector) }))
      .sort((a, b) => sign * (a.score - b.score));
  };
  const byStrategy = (
    spec: CollectionSpec,
    examples: { positive: Row[]; negative: Row[] },
    strategy: 'best_score' | 'sum_scores',
  ) => {
    const named = new Set([...examples.positive, ...examples.negative]);
    const vectors = {
      positive: examples.positive.map((row) => row.vector),
      negative: examples.negative.map((row) => row.vector),
    };
    return spec.rows
      .filter((row) => !named.has(row))
      .map((row) => ({ row, score: naiveStrategy(vectors, strategy, spec.metric, row.vector) }))
      .sort((a, b) => b.score - a.score);
  };
  /** The same rows in the same order, with their scores, as far as float32 storage allows. */
  const agree = (hits: readonly Hit[], want: readonly { row: Row; score: number }[]) => {
    assert.equal(hits.length, want.length);
    const scores = new Map(want.map(({ row, score }) => [id(row), score]));
    hits.forEach((hit, i) => {
      const near = (score: number | undefined) => score !== undefined && Math.abs(score - hit.score) < 2e-5;
      assert.ok(near(want[i]!.score), `score ${hit.score} for ${want[i]!.score} at ${i}`);
      assert.ok(hit.id === id(want[i]!.row) || near(scores.get(hit.id)), `id ${hit.id} at ${i}`);
    });
  };
  const filtered = async (
    filter: object,
    keep: (row: Row, extra: Extra) => boolean,
    more: Partial<SearchRequest> = {},
  ) => {
    const spec = await rich();
    const want = ranked(spec, (row) => keep(row, row.extra!));
    assert.ok(want.length > 0 && want.length < COUNT, `${want.length} rows pass: the case proves nothing`);
    agree((await searchOver(spec).query({ vector, filter, limit: COUNT, ...more })).hits, want);
  };
  const groupOracle = (spec: CollectionSpec, key: string, options: object, query: ArrayLike<number> = vector) =>
    naiveGroups(
      ranked(spec, () => true, query).map(({ row, score }) => ({ id: id(row), score, payload: { ...row.extra } })),
      key,
      options,
    );
  const groupsOf = ({ groups }: GroupsResult) =>
    groups.map(({ id: key, hits }) => ({ id: key, hits: hits.map((hit) => hit.id) }));

  return {
    backend,
    make,
    open,
    shared,
    rich,
    searchOver,
    vector,
    id,
    written,
    ranked,
    byStrategy,
    agree,
    filtered,
    groupOracle,
    groupsOf,
  };
}
