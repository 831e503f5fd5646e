/** How the server stores the elements of vectors, and a query as it can be compared with them. */
import { FunnelError } from '../../core/errors.js';
import type { HeadRequest } from '../../query/source/source.js';

export const DATATYPES = ['float32', 'float16', 'uint8'] as const;
export type Datatype = (typeof DATATYPES)[number];

/** A vector of a collection that is searched. */
export interface StoredVector {
  name: string;
  datatype: Datatype;
  /** As Qdrant names it. */
  distance: string;
}

interface StorableQuery {
  vector: Float32Array;
  /** The query was multiplied by it, and the server's dot products are larger by it. */
  factor: number;
  /** Whether elements were rounded. */
  rounded: boolean;
}

/** The largest float16; the server would take more for Infinity. */
const MOST_FLOAT16 = 65_504;
const MOST_UINT8 = 255;

/**
 * Servers cut the elements of a query off to the integers of a uint8 vector, so that those of an ordinary one all become 0.
 * Under Cosine and Dot a query means the same at any length: it is scaled to use all of 0 to 255, and rounded.
 *
 * @param largest - the largest element of vectors that must be scaled alike. @default this one's
 * @throws FunnelError BAD_ARGUMENT: there is no query near it that the server can compare
 */
function storableQuery(
  vector: Float32Array,
  { name, datatype, distance }: StoredVector,
  where: string,
  largest?: number,
): StorableQuery {
  const same = { vector, factor: 1, rounded: false };
  if (datatype === 'float32' || (datatype === 'float16' && distance === 'Cosine')) return same;
  const refused = (what: string, at: number, remedy: string) =>
    new FunnelError(
      'BAD_ARGUMENT',
      `Expected ${what} in a query of ${where} but received ${vector[at]} at ${at}: its vector ${JSON.stringify(name)} is stored as ${datatype}. ${remedy}`,
    );
  if (datatype === 'float16') {
    const at = vector.findIndex((value) => Math.abs(value) > MOST_FLOAT16);
    if (at < 0) return same;
    throw refused(`values within ±${MOST_FLOAT16}`, at, 'Scale points and queries down, or store float32');
  }
  const negative = vector.findIndex((value) => value < 0);
  const remedy = 'Quantise the query as the points were, or store float32 or float16';
  if (negative >= 0) throw refused('values of at least 0', negative, remedy);
  const most = largest ?? mostOf([vector]);
  const fraction = vector.findIndex((value) => !Number.isInteger(value));
  if ((fraction < 0 && most <= MOST_UINT8) || most === 0) return same;
  if (distance !== 'Cosine' && distance !== 'Dot') {
    const at = fraction < 0 ? vector.indexOf(mostOf([vector])) : fraction;
    throw refused(`integers from 0 to ${MOST_UINT8}`, at, remedy);
  }
  const factor = MOST_UINT8 / most;
  return { vector: vector.map((value) => Math.round(value * factor)), factor, rounded: true };
}

/** The vectors that a search compares with, and how the server's scores are to be read. */
export interface Compared {
  vector: Float32Array;
  recommend: HeadRequest['recommend'];
  /** The divisor of the server's scores; undefined where they tell nothing. */
  factor: number | undefined;
  rounded: boolean;
}

/** A query, or the examples in its place, as storableQuery() makes them. @throws FunnelError BAD_ARGUMENT */
export function compared(
  { vector, recommend }: Pick<HeadRequest, 'vector' | 'recommend'>,
  stored: StoredVector,
  where: string,
): Compared {
  const dot = stored.distance === 'Dot';
  if (!recommend) {
    const query = storableQuery(vector, stored, where);
    return { vector: query.vector, recommend, factor: dot ? query.factor : 1, rounded: query.rounded };
  }
  const { strategy, examples } = recommend;
  // Their dot products are compared with one another, so that all are scaled alike.
  const largest = dot ? mostOf([...examples.positive, ...examples.negative]) : undefined;
  let scaled = false;
  const storable = (one: Float32Array) => {
    const query = storableQuery(one, stored, where, largest);
    scaled ||= query.rounded;
    return query.vector;
  };
  const all = { positive: examples.positive.map(storable), negative: examples.negative.map(storable) };
  return { vector, recommend: { strategy, examples: all }, factor: scaled && dot ? undefined : 1, rounded: scaled };
}

/** The server's scores, without the factor that the query was multiplied by. */
export function unscaled(scores: Float64Array | undefined, factor: number | undefined): Float64Array | undefined {
  if (factor === 1) return scores;
  return factor === undefined ? undefined : scores?.map((score) => score / factor);
}

/** The largest element of some vectors. */
function mostOf(vectors: readonly Float32Array[]): number {
  let most = 0;
  for (const vector of vectors) for (const value of vector) if (value > most) most = value;
  return most;
}
