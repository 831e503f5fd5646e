/** Rows by id into one matrix: what a mirror reads at every search. */
import { expected } from '../errors.js';
import { halfToFloat } from '../kernels/reference.js';
import type { Id } from '../types.js';
import { checkAttached } from '../validate.js';
import { type RowImage, type Rows, slotOf } from './engine/rows.js';
import type { SearchState } from './engine/search.js';
import type { IndexParts } from './parts.js';

/** Values of an image that is in memory. */
type View = Float32Array | Uint16Array | undefined;

const viewsOf = new WeakMap<object, View[]>();

/** @throws FunnelError BAD_ARGUMENT, BAD_DIMS, DETACHED_BUFFER, CORRUPT */
export function gather({ files, live }: IndexParts, ids: ArrayLike<Id>, out: Float32Array): number[] {
  const { dim } = files.config;
  if (typeof ids !== 'object' || ids === null || typeof ids.length !== 'number') {
    throw expected('BAD_ARGUMENT', 'an array of ids', 'ids', ids);
  }
  if (!(out instanceof Float32Array)) throw expected('BAD_ARGUMENT', 'a Float32Array', 'out', out);
  checkAttached(out, 'out');
  if (out.length < ids.length * dim) throw expected('BAD_DIMS', `room for ${ids.length} × ${dim} values`, 'out', out);
  const { state, images, half } = live;
  const views = viewed(state, images, half);
  const missing: number[] = [];
  for (let i = 0; i < ids.length; i++) {
    const ordinal = files.ordinalOf(ids[i]!);
    if (ordinal === undefined) missing.push(i);
    else readRow(state.rows as Rows, images, views, ordinal, out, i * dim, dim);
  }
  return missing;
}

function viewed(state: SearchState, images: readonly RowImage[], half: boolean): View[] {
  let views = viewsOf.get(state);
  if (views === undefined) {
    views = images.map(({ records }) => {
      if (records === undefined) return undefined;
      const { buffer, byteOffset, length } = records;
      return half
        ? new Uint16Array(buffer, byteOffset, length >> 1)
        : new Float32Array(buffer, byteOffset, length >> 2);
    });
    viewsOf.set(state, views);
  }
  return views;
}

function readRow(
  rows: Rows,
  images: readonly RowImage[],
  views: readonly View[],
  ordinal: number,
  out: Float32Array,
  at: number,
  dim: number,
): void {
  let f = 0;
  while (f < images.length - 1 && ordinal > images[f]!.lastOrdinal) f++;
  const view = views[f];
  if (view === undefined) {
    rows.read(ordinal, 1, out.subarray(at, at + dim), halfToFloat); // from disk, checked
    return;
  }
  const { stride } = images[f]!;
  const from = slotOf(images[f]!, ordinal) * (stride / view.BYTES_PER_ELEMENT);
  if (view instanceof Float32Array) out.set(view.subarray(from, from + dim), at);
  else {
    const table = floats();
    for (let j = 0; j < dim; j++) out[at + j] = table[view[from + j]!]!;
  }
}

let table: Float32Array | undefined;

/** By its 16 bits, every float16 as a float32: a look-up takes a fifth of a conversion. */
export function floats(): Float32Array {
  table ??= Float32Array.from({ length: 65_536 }, (_, bits) => halfToFloat(bits));
  return table;
}
