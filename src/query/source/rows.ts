/** Packed rows that came by id: in the order asked, from as many answers as it took. */
import { ownView } from '../../core/realm.js';
import type { Id } from '../../core/types.js';
import type { PackedRows } from './source.js';

/** The rows as `ids` has them; what did not come is left out, what nobody asked for too. */
export function inOrder(rows: PackedRows, ids: readonly Id[]): PackedRows {
  const { dim } = rows;
  if (rows.ids.length === ids.length && rows.ids.every((id, i) => id === ids[i])) return rows;
  const places = new Map(rows.ids.map((id, i) => [String(id), i]));
  const order = ids.map((id) => places.get(String(id))).filter((place) => place !== undefined);
  const given = ownView(rows.vectors as Float32Array | Uint16Array, 'the vectors of rows');
  const vectors = emptyLike(given, given.length === 0 ? 0 : order.length * dim);
  if (vectors.length > 0) order.forEach((at, i) => void vectors.set(given.subarray(at * dim, (at + 1) * dim), i * dim));
  return {
    vectors,
    dim,
    ids: order.map((at) => rows.ids[at]!),
    payloads: rows.payloads && order.map((at) => rows.payloads![at]),
  };
}

/** The rows of several answers, at least one, as one matrix, in order. */
export function joined(parts: readonly PackedRows[]): PackedRows {
  const [first] = parts;
  if (first === undefined || parts.length === 1) return first as PackedRows;
  const all = parts.map((part) => ownView(part.vectors as Float32Array | Uint16Array, 'the vectors of rows'));
  const vectors = emptyLike(
    all[0]!,
    all.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const one of all) {
    vectors.set(one, at);
    at += one.length;
  }
  return {
    vectors,
    dim: first.dim,
    ids: parts.flatMap(({ ids }) => ids),
    payloads: first.payloads && parts.flatMap(({ payloads }) => Array.from(payloads!)),
  };
}

function emptyLike(vectors: Float32Array | Uint16Array, length: number): Float32Array | Uint16Array {
  return vectors instanceof Uint16Array ? new Uint16Array(length) : new Float32Array(length);
}
