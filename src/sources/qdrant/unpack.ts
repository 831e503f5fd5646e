/** Points as packed rows. */
import { packRows } from '../../core/pack.js';
import { joinTails } from '../../query/source/layout.js';
import type { HeadRequest, PackedRows } from '../../query/source/source.js';
import type { QdrantRead } from './driver.js';
import { type AnyPoint, type Missing, payloadsOf, pointName, vectorsOf } from './from-qdrant.js';
import type { QdrantFacts } from './schema.js';
import { wants } from './select.js';

/** Points, and their vectors where these were lifted out. */
export interface Unpackable {
  points: readonly AnyPoint[];
  packed?: Float32Array[] | undefined;
}

export function unpackPoints(
  { points, packed }: Unpackable,
  ids: PackedRows['ids'],
  { lifts }: QdrantRead,
  { info, full }: QdrantFacts,
  { withPayload = false, vectors: wanted = true }: Pick<HeadRequest, 'withPayload' | 'vectors'>,
  where: string,
  missing: Missing,
): PackedRows {
  const tailed = typeof full === 'string' || !wanted ? undefined : full;
  const nameRow = (row: number) => `row ${row} (${pointName(points[row])}) of ${where}`;
  const matrices =
    packed ??
    lifts.map(({ name, dim }) =>
      packRows(vectorsOf(points, points.length === 0 ? '' : name, missing), dim, { name: nameRow }),
    );
  const payloads = payloadsOf(points);
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
