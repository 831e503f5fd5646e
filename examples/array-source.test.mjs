// The source of array-source.mjs under the suite for sources: node --test examples/array-source.test.mjs
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { sourceConformance } from 'funnelvec/source/conformance';
import { arraySource } from './array-source.mjs';

const noStages = { code: /** @type {const} */ ('UNSUPPORTED'), message: /cannot run stages/ };
const actsOnNothing = (param) => ({
  code: /** @type {const} */ ('UNSUPPORTED'),
  message: new RegExp(`${param}.*act on`),
});

await sourceConformance('An array', async () => {
  const collections = new Map();
  const payloadOf = (/** @type {import('funnelvec/source/conformance').Row} */ { title, n, even, extra }) => ({
    title,
    n,
    even,
    ...extra,
  });
  const pointsOf = ({ rows }) => rows.map((row) => ({ id: row.id, vector: row.vector, payload: payloadOf(row) }));
  return {
    supports: {
      idKinds: { number: 'number', string: 'string', big: 'bigint' },
      exact: 'server',
      refuses: {
        'params: exact': actsOnNothing('exact'),
        'params: hnsw_ef': actsOnNothing('hnsw_ef'),
        'params: indexed_only': actsOnNothing('indexed_only'),
        'params: ef, nprobe': actsOnNothing('ef'),
        'using: several layouts of vectors; withVector: names': { code: 'UNSUPPORTED', message: /one layout/ },
        'queryBatch: one round trip': 'no trip',
        "stages: 'server' and rescore: true, with the hits and score bits of stages: 'client'": noStages,
        "stages: 'server' in batches, with params, by layouts": noStages,
        'rescore: false gives the database’s scores, and says so': noStages,
        'recommend: heads are searched by the strategy': 'near each positive, or by the sum',
        'recommend: negatives alone': { code: 'UNSUPPORTED', message: /positive example/ },
        "recommend: best_score in mode 'exact'": { code: 'UNSUPPORTED', message: /mode 'exact'/ },
        'withLookup: an unknown collection is an error': 'an array is in hand',
      },
    },
    create: async (spec) => void collections.set(spec.collection, { ...spec, points: pointsOf(spec) }),
    drop: async (collection) => void collections.delete(collection),
    replace: async (spec) => {
      const { points } = collections.get(spec.collection);
      points.splice(0, points.length, ...pointsOf(spec));
    },
    source({ collection, nativeFilter, timeout }) {
      const { points, headDim, dim, metric } = collections.get(collection);
      return arraySource(points, { head: headDim, dim, metric, nativeFilter, timeout });
    },
    idOf: ({ id }) => id,
    payloadOf,
    filters: {
      even: (_id, payload) => payload.even,
      small: (_id, payload) => payload.n < 10,
      nothing: () => false,
    },
    stop: async () => collections.clear(),
  };
});

it('a point is listed and found whatever its id is, by any kind of it', async () => {
  const idsOf = (...ids) => {
    const points = ids.map((id) => ({ id, vector: Float32Array.of(1, 2) }));
    return arraySource(points, { head: 1, dim: 2 });
  };
  const first = await idsOf('', 'a').scan({ limit: 1 });
  const second = await idsOf('', 'a').scan({ limit: 1, after: first.next });
  assert.deepEqual([...first.rows.ids, ...second.rows.ids], ['', 'a']);
  assert.equal(second.next, undefined);
  for (const ids of [[7], [7n], ['7']]) assert.deepEqual((await idsOf(7, 8).fetch({ ids })).rows.ids, [7]);
});
