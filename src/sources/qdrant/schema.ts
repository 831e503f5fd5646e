/** Reads the schema of a Qdrant collection: its vectors, their metric, the kind of its ids. */
import { expected, FunnelError } from '../../core/errors.js';
import type { IdKind, Metric } from '../../core/types.js';
import { type GivenNames, listVectors, namesFor, namesToWrite, type VectorNames } from '../../query/source/layout.js';
import type { SourceInfo } from '../../query/source/source.js';
import type { Datatype, StoredVector } from './datatypes.js';
import type { QdrantDriver, QdrantStrict, QdrantVectors } from './driver.js';
import { qdrantIds } from './from-qdrant.js';
import type { PoolFacts } from './pool.js';
import type { QdrantScope } from './scope.js';

/** Our metrics by Qdrant's names, `distance` of a vector. */
export const QDRANT_METRICS = { Cosine: 'cosine', Dot: 'dot', Euclid: 'euclid' } as const;
const METRICS: Record<string, Metric | undefined> = QDRANT_METRICS;

export interface QdrantFacts extends VectorNames, PoolFacts {
  info: SourceInfo;
  /** The vectors that searches compare with; without `full` in the layout of head and tail. */
  stored: { head: StoredVector; full: StoredVector | undefined };
  /** Vectors of dims between the head's and all, ascending. */
  prefixes: { name: string; dim: number; datatype: Datatype }[];
  /** The metric by which the server ranks full vectors. */
  serverMetric: Metric;
  /** The kind of id is then a guess. */
  empty: boolean;
  /** The things that strict mode forbids. */
  strict: QdrantStrict;
}

/** The options of the source that the schema depends on. */
interface Options extends GivenNames {
  collection: string;
  metric?: Metric | undefined;
  prefixes?: readonly string[] | undefined;
}

/** Reads how the vectors are stored, and the kind of one id. @throws FunnelError */
export async function readQdrantFacts(
  driver: QdrantDriver,
  options: Options,
  source: string,
  signal: AbortSignal,
  scope: QdrantScope,
): Promise<QdrantFacts> {
  const { collection, metric } = options;
  const vectors = await driver.vectors(collection, signal);
  const { head, full } = namesFor(options, dimsOf(vectors), source);
  const headVector = find(source, vectors, head);
  const restVector = find(source, vectors, typeof full === 'string' ? full : full.tail);
  const { dim: headDim } = headVector;
  const dim = typeof full === 'string' ? restVector.dim : headDim + restVector.dim;
  if (headDim > dim) {
    throw new FunnelError('BAD_DIMS', `Expected a head of at most ${dim} dims in ${source} but it has ${headDim}`);
  }
  if (typeof full !== 'string' && restVector.distance === 'Cosine') {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected a tail vector that the server leaves alone but ${JSON.stringify(full.tail)} in ${source} is a Cosine vector: ` +
        'Qdrant normalises those, so the lengths that join head and tail are lost. Store the tail under Dot or Euclid',
    );
  }
  if (typeof full !== 'string' && (headVector.datatype === 'uint8' || restVector.datatype === 'uint8')) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected vectors of float32 or float16 for the tail layout of ${source} but received uint8, which cuts heads of length 1 off to zeros: ` +
        'store the full vectors beside the heads',
    );
  }
  const stored = typeof full === 'string' ? METRICS[restVector.distance]! : 'cosine';
  if (metric !== undefined && metric !== stored && typeof full === 'string' && stored === 'cosine') {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected metric 'cosine' for ${source} but received '${metric}': Qdrant has normalised the vectors of ${JSON.stringify(full)}`,
    );
  }
  const point = await driver.somePoint(collection, signal, scope);
  const idKind: IdKind = point && typeof qdrantIds([point], source)[0] === 'string' ? 'string' : driver.idKind;
  const { strict = LENIENT } = vectors;
  const most = Number.isFinite(strict.rows) && { mostCandidates: strict.rows };
  const named = (name: string, { datatype, distance }: Omit<StoredVector, 'name'>) => ({ name, datatype, distance });
  return {
    info: { headDim, dim, metric: metric ?? stored, idKind, ...most },
    head,
    full,
    prefixes: prefixesOf(source, vectors, options.prefixes ?? [], { headDim, dim, distance: restVector.distance }),
    serverMetric: stored,
    stored: {
      head: named(head, headVector),
      full: typeof full === 'string' ? named(full, restVector) : undefined,
    },
    graph: vectors.graph,
    indexed: new Set(vectors.indexed),
    shortPools: new Map(),
    fullPools: new Map(),
    empty: point === undefined,
    strict,
  };
}

/** @throws FunnelError NO_FIELD, BAD_ARGUMENT, BAD_DIMS */
function prefixesOf(
  source: string,
  vectors: QdrantVectors,
  names: readonly string[],
  { headDim, dim, distance }: { headDim: number; dim: number; distance: string },
): QdrantFacts['prefixes'] {
  const found = names.map((name) => ({ name, ...find(source, vectors, name) }));
  for (const one of found) {
    const label = `vector ${JSON.stringify(one.name)} of prefixes in ${source}`;
    if (one.dim <= headDim || one.dim >= dim) {
      throw expected('BAD_DIMS', `more than ${headDim} and less than ${dim} dims`, label, one.dim);
    }
    if (one.distance !== distance) {
      throw expected('BAD_ARGUMENT', `distance ${distance}, as the full vector has,`, label, one.distance);
    }
  }
  return found.map(({ name, dim: own, datatype }) => ({ name, dim: own, datatype })).sort((a, b) => a.dim - b.dim);
}

const LENIENT: QdrantStrict = { exact: true, rows: Number.POSITIVE_INFINITY, searches: Number.POSITIVE_INFINITY };

/** Dims of the vectors that can be searched and ranked, by name. */
function dimsOf({ dense }: QdrantVectors): Map<string, number> {
  return new Map([...dense].filter(([, { multi }]) => !multi).map(([name, { dim }]) => [name, dim]));
}

function find(source: string, vectors: QdrantVectors, name: string) {
  const vector = vectors.dense.get(name);
  const label = name === '' ? 'the un-named vector' : `vector ${JSON.stringify(name)}`;
  if (!vector) {
    if (vectors.sparse.includes(name)) {
      throw new FunnelError('BAD_ARGUMENT', `Expected a dense vector but ${label} in ${source} is a sparse vector`);
    }
    const dims = dimsOf(vectors);
    const remedy =
      dims.size === 0 ? '' : `: write ${namesToWrite(dims)}${dims.size === 1 ? ', or leave both out' : ''}`;
    throw new FunnelError('NO_FIELD', `Expected ${label} in ${source} but it has ${listVectors(dims)}${remedy}`);
  }
  if (vector.multi)
    throw new FunnelError('BAD_ARGUMENT', `Expected a dense vector but ${label} in ${source} is a multivector`);
  if (!METRICS[vector.distance]) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected a vector under Cosine, Dot or Euclid but ${label} in ${source} is under ${vector.distance}`,
    );
  }
  return vector;
}
