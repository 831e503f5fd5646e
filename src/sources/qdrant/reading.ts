/** Says which parts of points are asked for, and packs the points that came. */
import { packRows } from '../../core/pack.js';
import type { Id } from '../../core/types.js';
import { joinTails } from '../../query/source/layout.js';
import type { FetchRequest, HeadRequest, PackedRows } from '../../query/source/source.js';
import type { QdrantRead } from './driver.js';
import { type AnyPoint, type Missing, payloadsOf, vectorsOf } from './from-qdrant.js';
import type { QdrantCommonOptions } from './options.js';
import type { QdrantFacts } from './schema.js';
import type { QdrantScope } from './scope.js';
import { wants, withNorm } from './select.js';

export type PointParts = Pick<HeadRequest, 'withPayload' | 'vectors'> & Pick<FetchRequest, 'missing'>;

/** The points of an answer, with their vectors where those never became arrays. */
export interface Answered {
  points: readonly AnyPoint[];
  packed?: Float32Array[] | undefined;
}

/** The parts of points that are to be read. */
export function readOf(
  { collection, missingVectors = 'error' }: QdrantCommonOptions,
  { info, head, full }: QdrantFacts,
  { withPayload = false, vectors = true, missing }: PointParts,
  scope: QdrantScope,
): QdrantRead {
  if (!vectors) return { collection, withPayload, lifts: [], skip: false, scope };
  const skip = missing === undefined ? missingVectors === 'skip' : missing === 'leave out';
  const common = { collection, skip, scope };
  if (typeof full === 'string') return { withPayload, lifts: [{ name: full, dim: info.dim }], ...common };
  const lifts = [
    { name: head, dim: info.headDim },
    { name: full.tail, dim: info.dim - info.headDim },
  ];
  return { withPayload: withNorm(withPayload, full.headNorm), lifts, ...common };
}

/** @param ids of the points */
export function unpackPoints(
  { points, packed }: Answered,
  ids: Id[],
  { lifts }: QdrantRead,
  { info, full }: QdrantFacts,
  { withPayload = false, vectors: wanted = true }: PointParts,
  nameRow: (row: number) => string,
  missing: Missing,
): PackedRows {
  const tailed = typeof full === 'string' || !wanted ? undefined : full;
  const matrices =
    packed ??
    lifts.map(({ name, dim }) =>
      packRows(vectorsOf(points, points.length === 0 ? '' : name, missing), dim, { name: nameRow }),
    );
  const payloads = withPayload === false && !tailed ? undefined : payloadsOf(points);
  let vectors = wanted ? matrices[0]! : new Float32Array(0);
  if (tailed) {
    const norms = points.map((_, row) => (payloads?.[row] as Record<string, unknown> | undefined)?.[tailed.headNorm]);
    const nameNorm = (row: number) => `payload key ${JSON.stringify(tailed.headNorm)} of ${nameRow(row)}`;
    vectors = joinTails(vectors, info.headDim, norms, matrices[1]!, info.dim - info.headDim, nameNorm, nameRow);
    // The length travelled only for us.
    if (!wants(withPayload, tailed.headNorm)) {
      for (const payload of payloads ?? []) delete (payload as Record<string, unknown>)[tailed.headNorm];
    }
  }
  return {
    vectors,
    dim: info.dim,
    ids,
    payloads: withPayload === false ? undefined : points.map((_, row) => payloads?.[row] ?? {}),
  };
}
