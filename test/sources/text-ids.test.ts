/** The suite over a source that has no other ids than text: integers are handed out as their digits, as a table's keys may be. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Source } from 'funnelvec/source';
import { type CollectionSpec, type Row, sourceConformance } from 'funnelvec/source/conformance';

type ArraySource = (points: object[], options: object) => Source;
const { arraySource } = (await import(pathToFileURL(resolve('examples/array-source.mjs')).href)) as {
  arraySource: ArraySource;
};

const payloadOf = ({ title, n, even, extra }: Row) => ({ title, n, even, ...extra });
const idOf = ({ id }: Row) => String(id);
const refused = [
  'params: exact',
  'params: hnsw_ef',
  'params: indexed_only',
  'params: ef, nprobe',
  'using: several layouts of vectors; withVector: names',
  'queryBatch: one round trip',
  "stages: 'server' and rescore: true, with the hits and score bits of stages: 'client'",
  "stages: 'server' in batches, with params, by layouts",
  'rescore: false gives the database’s scores, and says so',
  'recommend: heads are searched by the strategy',
  'recommend: negatives alone',
  "recommend: best_score in mode 'exact'",
  'withLookup: an unknown collection is an error',
];

await sourceConformance('an array whose ids are text', async () => {
  const collections = new Map<string, { spec: CollectionSpec; points: object[] }>();
  const pointsOf = ({ rows }: CollectionSpec) =>
    rows.map((row) => ({ id: idOf(row), vector: row.vector, payload: payloadOf(row) }));
  return {
    supports: {
      idKinds: { number: 'string', string: 'string' },
      exact: 'server',
      refuses: Object.fromEntries(refused.map((name) => [name, 'held by the suite of the example'])),
    },
    create: async (spec) => void collections.set(spec.collection, { spec, points: pointsOf(spec) }),
    drop: async (collection) => void collections.delete(collection),
    async replace(spec) {
      const { points } = collections.get(spec.collection)!;
      points.splice(0, points.length, ...pointsOf(spec));
    },
    source({ collection }) {
      const { spec, points } = collections.get(collection)!;
      const { headDim: head, dim, metric } = spec;
      return arraySource(points, { head, dim, metric });
    },
    idOf,
    payloadOf,
    stop: async () => collections.clear(),
  };
});
