/** What a Qdrant collection is like: its vectors, their metric, the kind of its ids. */
import { FunnelError } from '../errors.js';
import type { IdKind, Metric } from '../types.js';
import { qdrantIds } from './from-qdrant.js';
import type { TailLayout } from './layout.js';
import type { QdrantDriver, QdrantVectors } from './qdrant-driver.js';
import type { SourceInfo } from './source.js';

const METRICS: Record<string, Metric | undefined> = { Cosine: 'cosine', Dot: 'dot', Euclid: 'euclid' };

export interface Facts {
  info: SourceInfo;
  /** The kind of id is then a guess. */
  empty: boolean;
}

/** Of the source's options. */
interface Options {
  collection: string;
  head: string;
  full: string | TailLayout;
  metric?: Metric | undefined;
}

/** Reads how the vectors are stored, and the kind of one id. @throws FunnelError */
export async function readFacts(
  driver: QdrantDriver,
  options: Options,
  source: string,
  signal: AbortSignal,
): Promise<Facts> {
  const { collection, head, full, metric } = options;
  const vectors = await driver.vectors(collection, signal);
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
  const stored = typeof full === 'string' ? METRICS[restVector.distance]! : 'cosine';
  if (metric !== undefined && metric !== stored && typeof full === 'string' && stored === 'cosine') {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected metric 'cosine' for ${source} but received '${metric}': Qdrant has normalised the vectors of ${JSON.stringify(full)}`,
    );
  }
  const point = await driver.somePoint(collection, signal);
  const idKind: IdKind = point && typeof qdrantIds([point])[0] === 'string' ? 'string' : driver.idKind;
  return { info: { headDim, dim, metric: metric ?? stored, idKind }, empty: point === undefined };
}

function find(source: string, vectors: QdrantVectors, name: string) {
  const vector = vectors.get(name);
  const label = name === '' ? 'the un-named vector' : `vector ${JSON.stringify(name)}`;
  if (!vector) {
    const names = [...vectors.keys()].map((one) => (one === '' ? 'one un-named vector' : JSON.stringify(one)));
    throw new FunnelError(
      'NO_FIELD',
      `Expected ${label} in ${source} but it has ${names.join(', ') || 'no dense vector'}`,
    );
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
