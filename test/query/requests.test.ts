/**
 * Random requests (filters × pages × thresholds × groups × examples): the embedded index against plain code over all rows,
 * on vectors of small integers, so that scores are exact and many are equal; and Qdrant's own filters, offsets and
 * thresholds against ours.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { QdrantClient } from '@qdrant/js-client-rest';
import { FunnelSearch, type SearchRequest } from 'funnelvec';
import { qdrantSource } from 'funnelvec/qdrant';
import { embeddedSource, FunnelIndex, type IndexQuery } from 'funnelvec/store';
import { naiveAverage, naiveGroups, naiveScore, naiveStrategy } from '#dist/conformance/ranking-oracle.js';
import { parseFilter } from '#dist/query/filter/parse.js';
import { toQdrantFilter } from '#dist/sources/qdrant/filter.js';
import { Random, SEED } from '../random.js';
import { isAtLeast, qdrantMark, startQdrant } from '../sources/servers.js';
import { randomFilter, randomPayload } from './generate.js';
import { oracleMatches } from './oracle.js';
import { readsOtherwise } from './versions.js';

const DIM = 3;
const COUNT = 120;
const ROUNDS = Number(process.env['FUNNELVEC_CASES'] ?? 10_000);
/** Rounds for each metric, against the engine of Qdrant: with three metrics more than 10,000. */
const ENGINE_ROUNDS = 3400;
const OF_ONE_CALL = 100;
/** Rounds that share a set of rows. */
const OF_ONE = 500;

interface Point {
  id: number;
  vector: number[];
  payload: Record<string, unknown>;
}

function draw(random: Random): number[] {
  for (;;) {
    const vector = Array.from({ length: DIM }, () => random.int(-2, 3));
    if (vector.some((value) => value !== 0)) return vector;
  }
}

function pointsOf(random: Random): Point[] {
  return Array.from({ length: COUNT }, (_, id) => ({
    id,
    vector: draw(random),
    payload: {
      ...randomPayload(random),
      group: random.pick([1, 2, '1', 'x', [1, 'x'], ['x', 'y', 'x'], 1.5, null, [], [2, true]]),
    },
  }));
}

describe('random requests to the embedded index', () => {
  for (const metric of ['dot', 'euclid'] as const) {
    it(`${ROUNDS / 2} of them are answered as plain code answers, under ${metric}`, async () => {
      const random = new Random(SEED + metric.length);
      const sign = metric === 'euclid' ? 1 : -1;
      for (let round = 0; round < ROUNDS / 2; round += OF_ONE) {
        const points = pointsOf(random);
        // Also by masks over codes, which so few rows would not need.
        const fullScanThreshold = random.pick([0, 10, 1024]);
        const index = await FunnelIndex.create(':memory:', { dim: DIM, metric, fullScanThreshold });
        await index.upsert(points);
        if (random.chance(0.5)) await index.optimize();
        if (random.chance(0.5)) await index.createPayloadIndex('group', 'keyword');
        const search = new FunnelSearch({ source: embeddedSource(index, random.chance(0.5) ? {} : { head: 2 }) });
        for (let i = 0; i < OF_ONE && round + i < ROUNDS / 2; i++) {
          const filter = random.chance(0.7) ? randomFilter(random, { ids: points.map(({ id }) => id) }) : undefined;
          const examples = Array.from({ length: random.int(1, 4) }, () => random.int(0, COUNT - 1));
          const kind = random.pick(['page', 'page', 'groups', 'average', 'strategy'] as const);
          const byExample = kind === 'average' || kind === 'strategy';
          const left = new Set(byExample ? examples : []);
          const passing = points.filter(({ id, payload }) => !left.has(id) && oracleMatches(filter, id, payload));
          const [positive, negative] = [examples.slice(0, 2), examples.slice(2)];
          const vectors = {
            positive: positive.map((id) => points[id]!.vector),
            negative: negative.map((id) => points[id]!.vector),
          };
          const strategy = random.pick(['best_score', 'sum_scores'] as const);
          const query = kind === 'average' ? naiveAverage(vectors, metric) : draw(random);
          const larger = kind === 'strategy' ? -1 : sign;
          const ranked = passing
            .map(({ id, vector, payload }) => ({
              id,
              payload,
              score:
                kind === 'strategy'
                  ? naiveStrategy(vectors, strategy, metric, vector)
                  : naiveScore(metric, query, vector),
            }))
            .sort((a, b) => larger * (a.score - b.score) || a.id - b.id);
          const scoreThreshold = random.chance(0.3) && ranked.length > 0 ? random.pick(ranked).score : undefined;
          const good = ranked.filter(
            ({ score }) => scoreThreshold === undefined || larger * (score - scoreThreshold) < 0,
          );
          const [limit, offset] = [random.int(1, 20), random.pick([undefined, 0, random.int(0, 80)])];
          const request = {
            mode: 'exact',
            limit,
            ...(filter !== undefined && { filter }),
            ...(scoreThreshold !== undefined && { scoreThreshold }),
            ...(offset !== undefined && { offset }),
          } as const;
          const what = JSON.stringify({ metric, kind, query, positive, negative, strategy, ...request });
          if (kind === 'groups') {
            const groupSize = random.int(1, 4);
            const { groups } = await search.queryGroups({ ...request, vector: query, groupBy: 'group', groupSize });
            assert.deepEqual(
              groups.map(({ id, hits }) => ({ id, hits: hits.map((hit) => hit.id) })),
              naiveGroups(good, 'group', { limit, groupSize, offset: offset ?? 0 }),
              what,
            );
            continue;
          }
          const from = offset ?? 0;
          const want = good.slice(from, from + limit).map(({ id, score }) => ({ id, score }));
          if (kind === 'average' && metric === 'dot' && query.every((value) => value === 0)) {
            await assert.rejects(search.recommend({ ...request, positive, negative }), { code: 'ZERO_QUERY' });
          } else if (byExample) {
            const { hits } = await search.recommend({
              ...request,
              positive,
              negative,
              strategy: kind === 'average' ? 'average_vector' : strategy,
            });
            same(hits, want, what);
          } else if (random.chance(0.5)) {
            same((await search.query({ ...request, vector: query })).hits, want, what);
          } else {
            same((await index.query({ ...request, vector: query })).hits, want, what);
          }
        }
        await index.close();
      }
    });
  }
});

/** Means and squashed scores are rounded on the way, so equal ones may stand in another order. */
function same(
  hits: readonly { id: unknown; score: number }[],
  want: readonly { id: number; score: number }[],
  what: string,
): void {
  assert.equal(hits.length, want.length, what);
  hits.forEach((hit, i) => {
    assert.ok(Math.abs(hit.score - want[i]!.score) < 1e-5, `${hit.score} for ${want[i]!.score} at ${i} of ${what}`);
  });
}

/** Scores of the engine are float32: rows that it cannot tell apart may stand in another order, or beyond a threshold. */
function agree(
  hits: readonly { id: unknown; score: number }[],
  wanted: readonly { id: unknown; score: number }[],
  threshold: number | undefined,
  what: string,
): void {
  const clear = (list: typeof hits) => list.filter(({ score }) => Math.abs(score - (threshold ?? Infinity)) >= 1e-5);
  const [a, b] = [clear(hits), clear(wanted)];
  assert.ok(Math.abs(a.length - b.length) <= (threshold === undefined ? 0 : 1), what);
  a.slice(0, b.length).forEach((hit, i) => {
    assert.ok(Math.abs(hit.score - b[i]!.score) < 1e-5 * Math.max(1, Math.abs(hit.score)), `${i} of ${what}`);
    if (hit.id === b[i]!.id) return;
    const near = a.some(({ id, score }) => id === b[i]!.id && Math.abs(score - hit.score) < 1e-5);
    assert.ok(near || i === b.length - 1 || i === 0, `${hit.id} at ${i}, where the engine has ${b[i]!.id}, of ${what}`);
  });
}

/** A filter as its server reads it: as it stands, or as we write it where this version means something else by it. */
function asRead(filter: SearchRequest['filter'], version: string): object | null {
  if (filter === undefined || filter === null) return null;
  return (readsOtherwise(filter, version) ? toQdrantFilter(parseFilter(filter)) : filter) as object;
}

describe(`random requests to Qdrant${qdrantMark}`, () => {
  let client!: QdrantClient;
  let stop = async (): Promise<void> => {};
  let reason = '';
  let version = '';
  before(async () => {
    try {
      const server = await startQdrant();
      stop = server.stop;
      version = server.version;
      client = new QdrantClient({ url: server.url, checkCompatibility: false });
    } catch (error) {
      if (process.env['CI']) throw error;
      reason = `the server did not start: ${(error as Error).message}`;
    }
  });
  after(() => stop());

  for (const [metric, distance] of [
    ['dot', 'Dot'],
    ['cosine', 'Cosine'],
    ['euclid', 'Euclid'],
  ] as const) {
    it(`filters, offsets and thresholds mean to us what they mean to the engine, under ${metric}`, async (t) => {
      if (reason) return t.skip(reason);
      const random = new Random(SEED + 7);
      const dim = 12;
      const collection = `requests_${metric}`;
      await client.createCollection(collection, {
        vectors: { head: { size: 4, distance }, full: { size: dim, distance } },
      });
      const points = pointsOf(random).map((point) => ({ ...point, vector: Array.from(random.vector(dim)) }));
      await client.upsert(collection, {
        wait: true,
        points: points.map(({ id, vector, payload }) => ({
          id,
          vector: { head: vector.slice(0, 4), full: vector },
          payload,
        })),
      });
      const search = new FunnelSearch({ source: qdrantSource(client, { collection, head: 'head', full: 'full' }) });
      const index = await FunnelIndex.create(':memory:', { dim, metric, fullScanThreshold: 10 });
      await index.upsert(points);
      await index.optimize();
      for (const [key, type] of [
        ['n', 'integer'],
        ['tag', 'keyword'],
        ['rows[].n', 'float'],
      ] as const) {
        await index.createPayloadIndex(key, type);
      }
      const older = !isAtLeast(version, 1, 19);
      let compared = 0;
      for (let round = 0; round < ENGINE_ROUNDS; round += OF_ONE_CALL) {
        const requests: SearchRequest[] = Array.from({ length: OF_ONE_CALL }, () => {
          const vector = Array.from(random.vector(dim));
          return {
            vector,
            limit: random.int(1, 20),
            offset: random.int(0, 60),
            mode: 'exact',
            ...(random.chance(0.95) && { filter: randomFilter(random, { ids: points.map(({ id }) => id), older }) }),
            ...(random.chance(0.5) && { scoreThreshold: naiveScore(metric, vector, random.pick(points).vector) }),
          };
        });
        const theirs = await client.queryBatch(collection, {
          searches: requests.map(({ vector, filter, scoreThreshold, limit, offset }) => ({
            query: vector as number[],
            using: 'full',
            limit: limit!,
            offset: offset!,
            filter: asRead(filter, version),
            score_threshold: scoreThreshold ?? null,
            params: { exact: true },
          })),
        });
        const embedded = await index.queryBatch(requests as IndexQuery[]);
        const overQdrant = round % (10 * OF_ONE_CALL) === 0 ? await search.queryBatch(requests) : undefined;
        requests.forEach((request, i) => {
          const { points: wanted } = theirs[i]!;
          const what = JSON.stringify({ ...request, round });
          for (const answer of [embedded[i]!, overQdrant?.[i]]) {
            if (answer !== undefined) agree(answer.hits, wanted, request.scoreThreshold, what);
          }
          if (embedded[i]!.hits.length === wanted.length) compared++;
        });
      }
      assert.ok(compared > 0.9 * ENGINE_ROUNDS, `${compared} of ${ENGINE_ROUNDS} were of one length`);
      await index.close();
      await client.deleteCollection(collection);
    });
  }
});
