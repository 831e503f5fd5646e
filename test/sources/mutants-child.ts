/** The suite over the array source of the examples, as it is and with each fault of MUTANTS: a suite for each, by its name. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Source } from 'funnelvec/source';
import { type Backend, type CollectionSpec, type Row, sourceConformance } from 'funnelvec/source/conformance';
import { MUTANTS, type Mutant, type Point } from './mutants.js';

type ArraySource = (points: Point[], options: object) => Source;
const { href } = pathToFileURL(resolve('examples/array-source.mjs'));
const { arraySource } = (await import(href)) as { arraySource: ArraySource };

const payloadOf = ({ title, n, even, extra }: Row) => ({ title, n, even, ...extra });
const pointsOf = ({ rows }: CollectionSpec): Point[] =>
  rows.map((row) => ({ id: row.id, vector: row.vector.slice(), payload: payloadOf(row) }));

function backendOf(members: Mutant['members']): Backend {
  const collections = new Map<string, { spec: CollectionSpec; points: Point[] }>();
  return {
    supports: { idKinds: { number: 'number' }, exact: 'server' },
    create: async (spec) => void collections.set(spec.collection, { spec, points: pointsOf(spec) }),
    drop: async (collection) => void collections.delete(collection),
    async replace(spec) {
      const { points } = collections.get(spec.collection)!;
      points.splice(0, points.length, ...pointsOf(spec));
    },
    source({ collection, nativeFilter }) {
      const { spec, points } = collections.get(collection)!;
      const { headDim: head, dim, metric } = spec;
      const source = arraySource(points, { head, dim, metric, nativeFilter });
      return { ...source, ...members(source, points) };
    },
    idOf: ({ id }) => id,
    payloadOf,
    filters: {
      even: (_id: unknown, payload: Row) => payload.even,
      small: (_id: unknown, payload: Row) => payload.n < 10,
      nothing: () => false,
    },
    stop: async () => collections.clear(),
  };
}

await sourceConformance('as it is', async () => backendOf(() => ({})));
for (const [name, { members }] of Object.entries(MUTANTS))
  await sourceConformance(name, async () => backendOf(members));
