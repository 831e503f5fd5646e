/** Ids of Qdrant: unsigned integers of 64 bits, and UUIDs, which the server reads in four spellings and answers in one. */
import { expected, FunnelError } from '../../core/errors.js';
import type { Id } from '../../core/types.js';
import { uuidOf } from '../../core/validate.js';
import { type AnyPoint, qdrantIds } from './from-qdrant.js';

/**
 * An id as the server answers it, in the kind that the client has for integers. Undefined for what no point can have.
 *
 * @throws FunnelError BAD_ID: an id beyond 2^53 − 1 over REST
 */
export function asQdrantId(id: Id, integers: 'number' | 'bigint', where: string): Id | undefined {
  if (typeof id === 'string') return uuidOf(id);
  if (typeof id === 'number' && !Number.isSafeInteger(id)) return undefined;
  if (id < 0 || id >= 1n << 64n) return undefined;
  if (integers === 'bigint') return BigInt(id);
  if (id <= Number.MAX_SAFE_INTEGER) return Number(id);
  throw expected('BAD_ID', 'an id within 2^53 − 1 over REST (use the gRPC client for larger ones)', where, id);
}

/** As asQdrantId(). @throws FunnelError BAD_ID */
export function qdrantId(id: Id, integers: 'number' | 'bigint', where: string): Id {
  const own = asQdrantId(id, integers, where);
  if (own === undefined && typeof id === 'number' && Number.isInteger(id) && !Number.isSafeInteger(id)) {
    throw expected(
      'BAD_ID',
      'an integer within 2^53 − 1, or a bigint (a larger number was already rounded),',
      where,
      id,
    );
  }
  if (own === undefined) throw expected('BAD_ID', 'an unsigned integer or a UUID, as ids of Qdrant are,', where, id);
  return own;
}

/** The ids of points that came. @throws FunnelError BAD_ID: one beyond 2^53 − 1 over REST; BAD_RESPONSE: a point has none */
export function idsIn(points: readonly AnyPoint[], integers: 'number' | 'bigint', source: string): Id[] {
  const ids = qdrantIds(points, source);
  const big = integers === 'number' ? ids.findIndex((id) => typeof id === 'bigint') : -1;
  if (big < 0) return ids;
  // Read exactly, by Node 22; refused all the same, for a source has one kind of id on every Node.
  throw new FunnelError(
    'BAD_ID',
    `Expected ids of at most 2^53 − 1 from ${source} over REST but row ${big} has a larger one: use the gRPC client or UUIDs`,
  );
}

/** The id of a position of scan(): numbers are digits alone, and UUIDs have dashes. */
export function scanPosition(position: string, integers: 'number' | 'bigint'): Id {
  if (!/^\d+$/.test(position)) return position;
  return integers === 'bigint' ? BigInt(position) : Number(position);
}
