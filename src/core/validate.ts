/** Checks that several front doors share. Each throws before any work, naming the argument and what came. */

import { describe, expected, FunnelError } from './errors.js';
import { allFinite } from './finite.js';
import { nameHint } from './hints.js';
import { MAX_DIM } from './metrics.js';
import {
  arrayKind,
  CONSTRUCTORS,
  checkMemory,
  isOfThisRealm,
  viewBuffer,
  viewKind,
  viewLength,
  viewOffset,
} from './realm.js';
import type { Float16Values, Id, IdKind, Vector } from './types.js';

const NOWHERE: Readonly<Record<string, string>> = {};

/**
 * Names an option that does not exist; a misspelled one would otherwise be ignored.
 *
 * @param elsewhere names that other libraries have for options, with those here
 * @throws FunnelError BAD_ARGUMENT
 */
export function checkKeys(
  options: object,
  allowed: readonly string[],
  where: string,
  elsewhere: Readonly<Record<string, string>> = NOWHERE,
): void {
  if (typeof options !== 'object' || options === null) throw expected('BAD_ARGUMENT', 'an object', where, options);
  const keys = Object.keys(options);
  // A Map, an array or a Date has no key that could be wrong, and what it says would be ignored.
  if (keys.length === 0 && !isPlain(options)) throw expected('BAD_ARGUMENT', 'an object', where, options);
  for (const key of keys) {
    if (!allowed.includes(key)) {
      const [first = 'nothing', ...others] = allowed;
      const known = others.length > 0 ? `one of ${allowed.join(', ')}` : first;
      const hint = Object.hasOwn(elsewhere, key) ? `: its name here is ${elsewhere[key]}` : nameHint(key, allowed);
      throw new FunnelError('BAD_ARGUMENT', `Expected ${known} in ${where} but received ${key}${hint}`);
    }
  }
}

/** Whether it is an object that is nothing else besides: no array, no function, no Map, Date or view of bytes. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === '[object Object]';
}

/** Whether it is an array of such elements. A hole is none, and ends the look: an array of 2^32 of them takes minutes else. */
export function isListOf<T>(list: unknown, is: (value: unknown) => value is T): list is T[] {
  if (!Array.isArray(list)) return false;
  for (let i = 0; i < list.length; i++) if (!is(list[i])) return false;
  return true;
}

/** A copy of such a list, looked at again, since elements may be getters; undefined where it is none. */
export function ownListOf<T>(list: unknown, is: (value: unknown) => value is T): T[] | undefined {
  if (!isListOf(list, is)) return undefined;
  const own: unknown[] = [...list]; // slice() would ask a class of its own for the copy
  return isListOf(own, is) ? own : undefined;
}

export function isString(value: unknown): value is string {
  return typeof value === 'string';
}

export function isId(value: unknown): value is Id {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint';
}

/**
 * The list, to be copied. A view that has lost its memory cannot be iterated, and one with a length of its own making would be
 * read beyond its end.
 *
 * @throws FunnelError DETACHED_BUFFER, BAD_ARGUMENT
 */
export function honestList<T>(list: T, where: string): T {
  if (ArrayBuffer.isView(list)) checkAttached(list, where);
  return list;
}

/** One of a list that is copied: a list with holes is copied no further than the first. @throws FunnelError BAD_ID */
export function checkId(id: unknown, where: string): Id {
  if (!isId(id)) throw expected('BAD_ID', 'a string, number or bigint', where, id);
  return id;
}

/** The value, an integer from `min` to `max`. @throws FunnelError BAD_ARGUMENT, naming `where` */
export function checkInteger(value: unknown, min: number, max: number, where: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `in ${min}..${max}`;
    throw expected('BAD_ARGUMENT', `an integer ${range}`, where, value);
  }
  return value;
}

/**
 * The query as float32.
 *
 * @throws FunnelError BAD_DIMS, NOT_FINITE (with the dim), DETACHED_BUFFER
 */
export function checkQuery(query: Vector | Float16Values, dim?: number, where = 'query'): Float32Array {
  if (!isPlainFloats(query)) {
    if (!isNumbers(query)) throw expected('BAD_ARGUMENT', 'a Float32Array or an array of numbers', where, query);
    if (ArrayBuffer.isView(query)) checkAttached(query, where);
  }
  if (dim === undefined) checkDim(query.length, where);
  else if (query.length !== dim) throw expected('BAD_DIMS', `${dim} dims`, where, query);
  const packed = query instanceof Float32Array ? query : packNumbers(query, where);
  if (!allFinite(packed, 0, packed.length)) {
    const at = packed.findIndex((value) => !Number.isFinite(value));
    throw expected('NOT_FINITE', 'a finite float32', `dim ${at} of ${where}`, query[at]);
  }
  return packed;
}

/** Numbers as float32, each read once. @throws FunnelError NOT_FINITE where one is no number; NaN passes */
export function packNumbers(given: ArrayLike<number>, where: string): Float32Array {
  const values = new Float32Array(given.length);
  for (let i = 0; i < values.length; i++) {
    const value: unknown = given[i];
    if (typeof value !== 'number') throw expected('NOT_FINITE', 'a finite float32', `dim ${i} of ${where}`, value);
    values[i] = value;
  }
  return values;
}

export function isZero(vector: Float32Array): boolean {
  for (let i = 0; i < vector.length; i++) if (vector[i] !== 0) return false;
  return true;
}

export function checkDim(dim: unknown, where: string): number {
  if (typeof dim !== 'number' || !Number.isInteger(dim) || dim < 1 || dim > MAX_DIM) {
    throw expected('BAD_DIMS', `1 to ${MAX_DIM} dims`, where, dim);
  }
  return dim;
}

/**
 * A row or a query: an array, or a typed array of floats, of 16 bits too. Integers in a typed array are bits or codes of something else
 * (float16, int8), which to rank as numbers would be wrong without a word.
 */
export function isNumbers(value: unknown): value is Vector {
  return Array.isArray(value) || isFloats(value);
}

const FLOATS: ReadonlySet<string | undefined> = new Set(['Float32Array', 'Float64Array', 'Float16Array']);

function isFloats(value: unknown): boolean {
  return FLOATS.has(arrayKind(value));
}

/**
 * Whether it is a Float32Array of this realm as it comes, with its memory. Most vectors are; no other check of views has to look at
 * them then.
 */
export function isPlainFloats(value: unknown): value is Float32Array {
  return (
    value instanceof Float32Array &&
    Object.getPrototypeOf(value) === Float32Array.prototype &&
    isAsItComes(value, 'Float32Array')
  );
}

/** Whether a view with the prototype of a kind is of that kind, has no length of its own making, and has its memory. */
function isAsItComes(view: ArrayBufferView, kind: string): boolean {
  if (viewKind.call(view) !== kind || Object.hasOwn(view, 'length')) return false;
  // Bytes may be a property of the view's own, and code that V8 has optimized may read a length where memory is gone.
  return view.byteLength !== 0 && (view as Float32Array).length !== 0;
}

const PROTOTYPES = new Map<unknown, object>([...CONSTRUCTORS].map(([name, { prototype }]) => [name, prototype]));

/** Whether it is a typed array of this realm, of a kind that kernels take, as it comes and with its memory. */
export function isPlainView(value: object | null): boolean {
  const kind = value === null ? undefined : kindOfPrototype(Object.getPrototypeOf(value));
  return kind !== undefined && isAsItComes(value as ArrayBufferView, kind);
}

/** Those that kernels take. A look into a map would take longer. */
function kindOfPrototype(prototype: unknown): string | undefined {
  if (prototype === Float32Array.prototype) return 'Float32Array';
  if (prototype === Uint16Array.prototype) return 'Uint16Array';
  if (prototype === Uint32Array.prototype) return 'Uint32Array';
  if (prototype === Float64Array.prototype) return 'Float64Array';
  return undefined;
}

/**
 * Transferring a buffer, or shrinking it, empties every view of it; reading on would answer from nothing. A view that is of
 * another type than its prototype, or has a length of its own making, which a subclass or a property can, would have native
 * code read beyond it.
 *
 * @throws FunnelError DETACHED_BUFFER, BAD_ARGUMENT
 */
export function checkAttached(view: ArrayBufferView, where: string): void {
  const plain = PROTOTYPES.get(viewKind.call(view));
  if (Object.getPrototypeOf(view) !== plain || Object.hasOwn(view, 'length')) checkHonest(view, plain, where);
  checkMemory(view, where);
}

/**
 * The view with the length that it has now. One that tracks a growable buffer follows every change of it, also those of
 * other threads, so that what was checked would not be what is read. A resizable buffer may still shrink under the view.
 */
export function fixedLength<View extends ArrayBufferView>(view: View): View {
  const Type = CONSTRUCTORS.get(viewKind.call(view));
  if (Type === undefined) return view; // a DataView, or numbers that nothing here takes
  const buffer = viewBuffer.call(view) as ArrayBuffer; // whatever the view says of itself
  if (!isResizable(buffer)) return view;
  return new Type(buffer, viewOffset.call(view) as number, viewLength.call(view) as number) as unknown as View;
}

/** A buffer that may change its length. (The types of Node.js 20 do not know them yet.) */
export function isResizable(buffer: ArrayBufferLike): boolean {
  const { growable, resizable } = buffer as { growable?: boolean; resizable?: boolean };
  return growable === true || resizable === true;
}

/** The prototype of all typed arrays. */
const BASE = Object.getPrototypeOf(Float32Array.prototype) as object;

/**
 * Refuses a view to which a subclass or tampering gives another type or length. A view of another realm passes: ownView()
 * makes one of this.
 */
function checkHonest(view: ArrayBufferView, plain: object | undefined, where: string): void {
  if (!isOfThisRealm(view)) return;
  const kind = arrayKind(view);
  if (plain !== undefined && !Object.prototype.isPrototypeOf.call(plain, view)) {
    throw expected('BAD_ARGUMENT', `the prototype of a ${kind}, which it is,`, where, view);
  }
  let own = Object.hasOwn(view, 'length');
  for (let at = Object.getPrototypeOf(view); at !== BASE && !own; at = Object.getPrototypeOf(at)) {
    own = Object.hasOwn(at, 'length');
  }
  if (own) {
    const there = viewLength.call(view);
    throw expected(
      'BAD_ARGUMENT',
      `a view of ${there} values that gives no length of its own making`,
      where,
      (view as unknown as ArrayLike<unknown>).length,
    );
  }
}

/**
 * All ids of one kind, numbers exact. The kind; undefined for an empty list.
 *
 * @param mixed whether integers and UUIDs may stand side by side, as they do in Qdrant; the kind is then undefined
 * @throws FunnelError BAD_ID
 */
export function checkIds(ids: ArrayLike<Id | undefined>, where = 'ids', mixed = false): IdKind | undefined {
  const kind = typeof ids[0];
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i];
    if (typeof id !== kind || (kind !== 'string' && kind !== 'number' && kind !== 'bigint')) {
      if (mixed && i > 0 && areIntegersAndUuids(ids)) return undefined;
      throw expected(
        'BAD_ID',
        i === 0 ? 'a string, number or bigint' : `a ${kind} as in ${where}[0]`,
        `${where}[${i}]`,
        id,
      );
    }
    if (kind === 'number' && !Number.isSafeInteger(id)) {
      throw new FunnelError(
        'BAD_ID',
        `Expected an integer within ±(2^53 − 1) for ${where}[${i}] but received ${describe(id)}: ` +
          'a larger one was already rounded; use bigint or string ids (on Qdrant: the gRPC client, or UUIDs)',
      );
    }
  }
  return ids.length === 0 ? undefined : (kind as IdKind);
}

/** Integers of one kind and UUIDs: nobody takes one for the other, as 7 and '7' could be taken. */
export function areIntegersAndUuids(ids: ArrayLike<Id | undefined>): boolean {
  const kinds = new Set<string>();
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i];
    const fine = typeof id === 'string' ? uuidOf(id) !== undefined : typeof id === 'bigint' || Number.isSafeInteger(id);
    if (!fine) return false;
    kinds.add(typeof id);
  }
  return !(kinds.has('number') && kinds.has('bigint'));
}

const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;

/**
 * A UUID in lower case with dashes. It may come in either case, as 32 digits, in braces, or behind `urn:uuid:` (those two with
 * dashes): the forms that Qdrant reads. Undefined for any other text.
 */
export function uuidOf(text: string): string | undefined {
  if (UUID.test(text)) return text;
  const lower = text.toLowerCase();
  if (/^[\da-f]{32}$/.test(lower)) return lower.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  const urn = text.startsWith('urn:uuid:');
  const braced = text.startsWith('{') && text.endsWith('}');
  const bare = urn ? lower.slice(9) : braced ? lower.slice(1, -1) : lower;
  return UUID.test(bare) ? bare : undefined;
}
