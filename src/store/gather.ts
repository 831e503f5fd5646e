/** Rows by id into one matrix: what a mirror reads at every search. */
import { expected } from '../errors.js';
import { halfToFloat } from '../kernels/reference.js';
import type { Id } from '../types.js';
import { checkAttached } from '../validate.js';
import { noRecord, type Rows, slotOf } from './engine/rows.js';
import { nativeFiles } from './files/native.js';
import type { IndexParts } from './parts.js';

/** @throws FunnelError BAD_ARGUMENT, BAD_DIMS, DETACHED_BUFFER, CORRUPT */
export function gather({ files, live }: IndexParts, ids: ArrayLike<Id>, out: Float32Array): number[] {
  const { dim } = files.config;
  const count = typeof ids === 'object' && ids !== null ? ids.length : Number.NaN;
  if (!Number.isInteger(count) || count < 0) throw expected('BAD_ARGUMENT', 'an array of ids', 'ids', ids);
  if (!(out instanceof Float32Array)) throw expected('BAD_ARGUMENT', 'a Float32Array', 'out', out);
  checkOut(out, count, dim);
  const ordinals = new Float64Array(count);
  for (let i = 0; i < count; i++) ordinals[i] = files.ordinalOf(ids[i]!) ?? NONE;
  checkOut(out, count, dim); // an element may have been a getter
  const { state, images } = live;
  const rows = state.rows as Rows;
  const copies = images.map(() => ({ slots: new Uint32Array(count), places: new Uint32Array(count), count: 0 }));
  const missing: number[] = [];
  for (let i = 0; i < count; i++) {
    const ordinal = ordinals[i]!;
    let f = 0;
    if (ordinal === NONE) {
      missing.push(i);
      continue;
    }
    while (f < images.length - 1 && ordinal > images[f]!.lastOrdinal) f++;
    const slot = slotOf(images[f]!, ordinal);
    if (slot < 0 || slot >= images[f]!.count) throw noRecord(images[f]!.path, ordinal); // native code trusts places
    const view = rows.views[f];
    const at = i * dim;
    if (view === undefined) {
      rows.read(ordinal, 1, out.subarray(at, at + dim), halfToFloat); // from disk, checked
    } else if (view instanceof Uint16Array) {
      convert(view, (slot * images[f]!.stride) / 2, out, at, dim);
    } else {
      const some = copies[f]!;
      some.slots[some.count] = slot;
      some.places[some.count++] = i;
    }
  }
  for (const [f, some] of copies.entries()) {
    if (some.count > 0) copy(images[f]!.records!, images[f]!.stride, 4 * dim, some, out);
  }
  return missing;
}

const NONE = -1;

function checkOut(out: Float32Array, count: number, dim: number): void {
  checkAttached(out, 'out');
  if (out.length < count * dim) throw expected('BAD_DIMS', `room for ${count} × ${dim} values`, 'out', out);
}

/** @param some slots of records, and the row of `out` that each goes to */
function copy(
  records: Uint8Array,
  stride: number,
  bytes: number,
  { slots, places, count }: { slots: Uint32Array; places: Uint32Array; count: number },
  out: Float32Array,
): void {
  const { copyRecords } = nativeFiles();
  if (copyRecords !== undefined) {
    copyRecords(records, stride, bytes, slots, places, count, out);
    return;
  }
  const into = Buffer.from(out.buffer, out.byteOffset, out.byteLength);
  for (let i = 0; i < count; i++) {
    // Images are shared memory, from which set() takes three times as long as this.
    const from = slots[i]! * stride;
    into.fill(records.subarray(from, from + bytes), places[i]! * bytes, (places[i]! + 1) * bytes);
  }
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
