/** Qdrant for the conformance suite: collections are made over REST, or over gRPC where ids need it. */
import type { QdrantClient as GrpcClient } from '@qdrant/js-client-grpc';
import { QdrantClient } from '@qdrant/js-client-rest';
import { qdrantSource } from 'funnelvec/qdrant';
import { type Backend, type CollectionSpec, type OpenOptions, type Row, splitTail } from 'funnelvec/source/conformance';

const DISTANCE = { cosine: 'Cosine', dot: 'Dot', euclid: 'Euclid' } as const;

/** The parts of a backend that both clients share. */
export function qdrantLoader(url: string, grpc: GrpcClient): Pick<Backend, 'create' | 'drop' | 'payloadOf'> {
  const client = new QdrantClient({ url, checkCompatibility: false });
  return {
    payloadOf,
    async create(spec: CollectionSpec) {
      const { collection, metric, headDim, dim, layout, ids } = spec;
      const distance = DISTANCE[metric];
      await client.createCollection(collection, {
        vectors: {
          head: { size: headDim, distance },
          ...(layout === 'full'
            ? { full: { size: dim, distance } }
            : { tail: { size: dim - headDim, distance: 'Dot' } }),
        },
      });
      if (ids === 'big') {
        await grpc.api('points').upsert({
          collectionName: collection,
          wait: true,
          points: spec.rows.map((row) => ({
            id: { pointIdOptions: { case: 'num', value: row.id as bigint } },
            vectors: {
              vectorsOptions: {
                case: 'vectors',
                value: {
                  vectors: Object.fromEntries(
                    Object.entries(vectorsOf(spec, row)).map(([name, data]) => [
                      name,
                      { vector: { case: 'dense' as const, value: { data } } },
                    ]),
                  ),
                },
              },
            },
          })),
        });
        return;
      }
      await client.upsert(collection, {
        wait: true,
        points: spec.rows.map((row) => ({
          id: row.id as string | number,
          vector: vectorsOf(spec, row),
          payload: { ...payloadOf(row), ...(layout === 'tail' ? { norm: splitTail(row.vector, headDim).norm } : {}) },
        })),
      });
    },
    async drop(collection) {
      await client.deleteCollection(collection);
    },
  };
}

/** A source over the vectors that the loader makes. */
export function openSource(
  client: Parameters<typeof qdrantSource>[0],
  { head = 'head', full = 'full', vectors, ...options }: OpenOptions,
) {
  return qdrantSource(client, vectors ? { vectors, ...options } : { head, full, ...options });
}

function vectorsOf({ layout, headDim }: CollectionSpec, { vector }: Row): Record<string, number[]> {
  if (layout === 'full') return { head: Array.from(vector.subarray(0, headDim)), full: Array.from(vector) };
  const { head, tail } = splitTail(vector, headDim);
  return { head, tail };
}

function payloadOf(row: Row): Record<string, unknown> {
  const { title, n, even, extra } = row;
  if (extra) return { title, n, even, ...extra };
  return { title, n, even, nested: { list: [1, -2, 2.5, 'x', null, true, { deep: [] }], nothing: null }, ü: 'ß' };
}
