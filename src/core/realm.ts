/**
 * Values that another realm may have made (`vm`, jest, a frame), told by what they are: `instanceof` knows those of this realm
 * alone. Typed arrays become views of this realm over the same memory, a Float16Array one of its bits.
 */
import { FunnelError } from './errors.js';

const TypedArray = Object.getPrototypeOf(Float32Array) as typeof Float32Array;
const getterOf = (type: object, key: PropertyKey) => Object.getOwnPropertyDescriptor(type, key)!.get!;
export const viewLength = getterOf(TypedArray.prototype, 'length');
export const viewKind = getterOf(TypedArray.prototype, Symbol.toStringTag);
export const viewBuffer = getterOf(TypedArray.prototype, 'buffer');
export const viewOffset = getterOf(TypedArray.prototype, 'byteOffset');

const TYPES = [Float32Array, Float64Array, Int8Array, Uint8Array, Uint16Array, Int32Array, Uint32Array] as const;
type NumberArrayConstructor = (typeof TYPES)[number];

/** Constructors of the typed arrays that are taken anywhere, by kind. */
export const CONSTRUCTORS = new Map<unknown, NumberArrayConstructor>(TYPES.map((Type) => [Type.name, Type]));

/** The kind that a typed array has, whatever it says of itself; undefined of anything else. */
export function arrayKind(value: unknown): string | undefined {
  return viewKind.call(value) as string | undefined;
}

/** Whether it is a typed array of this realm, or says so. */
export function isOfThisRealm(view: unknown): boolean {
  return view instanceof TypedArray;
}

/**
 * The same memory as a view that kernels know: of this realm, and of a Float16Array its bits. Anything else comes back as it is.
 *
 * @throws FunnelError DETACHED_BUFFER
 */
export function ownView<T>(value: T, where: string): T {
  const kind = arrayKind(value);
  if (kind === undefined || (kind !== 'Float16Array' && isOfThisRealm(value))) return value;
  const Type = kind === 'Float16Array' ? Uint16Array : CONSTRUCTORS.get(kind);
  if (Type === undefined) return value; // of integers that nothing here takes
  checkMemory(value as ArrayBufferView, where);
  return new Type(
    viewBuffer.call(value) as ArrayBuffer,
    viewOffset.call(value) as number,
    viewLength.call(value) as number,
  ) as unknown as T;
}

/**
 * The same, where floats are wanted: a Float16Array comes back as its values.
 *
 * @throws FunnelError DETACHED_BUFFER
 */
export function ownFloats<T>(value: T, where: string): T {
  if (arrayKind(value) !== 'Float16Array') return ownView(value, where);
  checkMemory(value as ArrayBufferView, where);
  return Float32Array.from(value as unknown as ArrayLike<number>) as unknown as T;
}

/** @throws FunnelError DETACHED_BUFFER */
export function checkMemory(view: ArrayBufferView, where: string): void {
  try {
    // A DataView that has lost its memory does not even tell its bytes; other views may have a property of that name.
    if (view.byteLength !== 0 && (arrayKind(view) === undefined || viewLength.call(view) !== 0)) return;
    Float32Array.prototype.at.call(view as Float32Array, 0); // refuses a view that has lost its memory
  } catch {
    throw detached(where);
  }
}

/** The bytes of a buffer. @throws FunnelError DETACHED_BUFFER */
export function bytesOfBuffer(buffer: ArrayBuffer | SharedArrayBuffer, where: string): Uint8Array {
  try {
    return new Uint8Array(buffer as ArrayBuffer);
  } catch {
    throw detached(where);
  }
}

function detached(where: string): FunnelError {
  return new FunnelError(
    'DETACHED_BUFFER',
    `Expected ${where} to have its memory but its buffer was transferred away or made smaller`,
  );
}

export function isDate(value: unknown): value is Date {
  if (value instanceof Date) return true;
  if (typeof value !== 'object' || value === null || tagOf(value) !== '[object Date]') return false;
  try {
    Date.prototype.getTime.call(value);
    return true;
  } catch {
    return false; // it only says so
  }
}

/** A Uint8Array or a Buffer. */
export function isBytes(value: unknown): value is Uint8Array {
  return arrayKind(value) === 'Uint8Array';
}

/** Whether it holds entries that JSON would drop without a word. */
export function isMapOrSet(value: unknown): boolean {
  const tag = tagOf(value);
  return tag === '[object Map]' || tag === '[object Set]' || value instanceof Map || value instanceof Set;
}

/** An error of the platform's: files, sockets and JSON throw those of their own realm. */
export function isError(value: unknown): value is Error {
  return value instanceof Error || tagOf(value) === '[object Error]';
}

/** One of the platform's errors by name: 'TypeError', 'RangeError'. */
export function isErrorOf(value: unknown, name: string): value is Error {
  return isError(value) && value.name === name;
}

function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value);
}
