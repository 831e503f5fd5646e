/** Rows by id into one matrix: what a mirror reads at every search. */
import { expected } from '../errors.js';
import { halfToFloat } from '../kernels/reference.js';
import type { Id } from '../types.js';
import { checkAttached } from '../validate.js';
import { type RowImage, type Rows, slotOf } from './engine/rows.js';
import type { SearchState } from './engine/search.js';
import type { IndexParts } from './parts.js';

/** The bytes of an image that is in memory: as values where they must be converted. */
type View = Uint8Array | Uint16Array | undefined;

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
  const into = Buffer.from(out.buffer, out.byteOffset, out.byteLength);
  const missing: number[] = [];
  for (let i = 0; i < ids.length; i++) {
    const ordinal = files.ordinalOf(ids[i]!);
    if (ordinal === undefined) {
      missing.push(i);
      continue;
    }
    let f = 0;
    while (f < images.length - 1 && ordinal > images[f]!.lastOrdinal) f++;
    const view = views[f];
    const at = i * dim;
    if (view === undefined) {
      (state.rows as Rows).read(ordinal, 1, out.subarray(at, at + dim), halfToFloat); // from disk, checked
      continue;
    }
    const from = slotOf(images[f]!, ordinal) * images[f]!.stride;
    if (view instanceof Uint16Array) convert(view, from / 2, out, at, dim);
    // A copy: images are shared memory, from which set() takes three times as long as this.
    else into.fill(view.subarray(from, from + 4 * dim), 4 * at, 4 * (at + dim));
  }
  return missing;
}

function viewed(state: SearchState, images: readonly RowImage[], half: boolean): View[] {
  let views = viewsOf.get(state);
  if (views === undefined) {
    views = images.map(({ records }) =>
      half && records ? new Uint16Array(records.buffer, records.byteOffset, records.length >> 1) : records,
    );
    viewsOf.set(state, views);
  }
  return views;
}

function convert(halves: Uint16Array, from: number, out: Float32Array, at: number, dim: number): void {
  const table = floats();
  for (let j = 0; j < dim; j++) out[at + j] = table[halves[from + j]!]!;
}

let table: Float32Array | undefined;

/** By its 16 bits, every float16 as a float32: a look-up takes a fifth of a conversion. */
export function floats(): Float32Array {
  table ??= Float32Array.from({ length: 65_536 }, (_, bits) => halfToFloat(bits));
  return table;
}
